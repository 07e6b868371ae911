# SPDX-License-Identifier: Apache-2.0
"""Which span is current inside framework code: that of the innermost run, as LangChain's own context says."""

from __future__ import annotations

from contextlib import suppress
from typing import Any
from uuid import UUID

from langchain_core.runnables.config import var_child_runnable_config

from nemo_relay import scope
from nemo_relay.integrations.langchain._runs import table
from nemo_relay.integrations.langchain._runs.table import Handle, Run

_NAME = "nemo_relay.integrations.langchain"


def parent_of(run_id: Any) -> Run | None:
    """The run that ``run_id`` names as a parent; where no handler was told of that, the nearest one around it.

    LangSmith's tracing puts runs of its own between those of LangChain, which LangChain then names as parents.
    """
    if run_id is None:
        return None
    run = table.find_run(run_id)
    return run if run is not None else _in_langsmith(str(run_id)) or _innermost()


def parent_key(run_id: Any) -> int:
    """The key of the run that ``run_id`` names as a parent, or stands in for; 0 for none."""
    if run_id is None:
        return 0
    return table.key_of(run_id) if table.find_run(run_id) is not None else parent_run() or table.key_of(run_id)


def parent_run() -> int:
    """The key of the framework's run whose body runs here; 0 outside of runs."""
    found = _here()
    return table.key_of(found) if found is not None else 0


def current_scope() -> Handle | None:
    """The span of the node, tool or runnable whose body is running here; None outside of recorded runs.

    >>> current_scope() is None
    True
    """
    run = _innermost()
    return run.handle if run is not None else None


def _here() -> Any:
    config = var_child_runnable_config.get()
    return getattr(config.get("callbacks") if config else None, "parent_run_id", None)


def _innermost() -> Run | None:
    return table.find_run(_here())


def _in_langsmith(run_id: str) -> Run | None:
    """The nearest run of ours among those that LangSmith says are around its run ``run_id``."""
    from langsmith.run_helpers import get_current_run_tree  # LangChain has loaded it by then, and not earlier

    places = str(getattr(get_current_run_tree(), "dotted_order", None) or "").split(".")
    if run_id not in places[-1]:
        return None
    for place in reversed(places[:-1]):
        with suppress(ValueError):
            run = table.find_run(UUID(place[-36:]))  # behind the time it started
            if run is not None:
                return run
    return None


def install() -> None:
    """Let scopes, marks and managed calls made inside framework code land under the framework's span."""
    scope.register_resolver(_NAME, current_scope)
