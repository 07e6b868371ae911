# SPDX-License-Identifier: Apache-2.0
"""Which span is current inside framework code: that of the innermost run, as LangChain's own context says."""

from __future__ import annotations

from langchain_core.runnables.config import var_child_runnable_config

from nemo_relay import scope
from nemo_relay.integrations.langchain._runs import table
from nemo_relay.integrations.langchain._runs.table import Handle

_NAME = "nemo_relay.integrations.langchain"


def parent_run() -> int:
    """The key of the framework's run whose body runs here; 0 outside of runs."""
    config = var_child_runnable_config.get()
    found = getattr(config.get("callbacks") if config else None, "parent_run_id", None)
    return int(found.int) if found is not None else 0


def current_scope() -> Handle | None:
    """The span of the node, tool or runnable whose body is running here; None outside of recorded runs.

    >>> current_scope() is None
    True
    """
    config = var_child_runnable_config.get()
    callbacks = config.get("callbacks") if config else None
    run = table.find_run(getattr(callbacks, "parent_run_id", None))
    return run.handle if run is not None else None


def install() -> None:
    """Let scopes, marks and managed calls made inside framework code land under the framework's span."""
    scope.register_resolver(_NAME, current_scope)
