# SPDX-License-Identifier: Apache-2.0
"""Where a managed call stands in the framework: its parent, its metadata, and its own span from the inside."""

from __future__ import annotations

from typing import Any

from langchain_core.runnables.config import var_child_runnable_config

from nemo_relay import LLMHandle, ToolHandle, scope
from nemo_relay.integrations.langchain._runs.claims import Claim
from nemo_relay.integrations.langchain._runs.naming import identity
from nemo_relay.integrations.langchain._runs.outcomes import Ending
from nemo_relay.integrations.langchain._runs.resolver import current_scope, parent_run
from nemo_relay.integrations.langchain._runs.table import Handle

__all__ = ["describe_end", "inner_handle", "metadata", "own_handle", "parent", "parent_run"]

_IN_GRAPHS = ("ls_integration", "langgraph_node")


def parent() -> Handle | None:
    """The span of the node or runnable that makes the call; None leaves it to the core."""
    return current_scope()


def metadata(kind: str, more: dict[str, Any] | None = None) -> dict[str, Any]:
    """The start metadata of a managed call: what the framework's configuration says of this place."""
    config = var_child_runnable_config.get()
    about = dict((config.get("metadata") if config else None) or {})
    in_graph = any(key in about for key in _IN_GRAPHS)
    return {
        **identity(),
        **about,
        **(more or {}),
        "relay.framework": "langgraph" if in_graph else "langchain",
        "relay.kind": kind,
    }


def own_handle(kind: type[ToolHandle | LLMHandle]) -> Any:
    """The span of the managed call whose callback runs here, whatever intercepts have opened inside it."""
    span: Any = scope.get_handle()
    while span is not None and not isinstance(span, kind):
        span = span.parent
    return span


def inner_handle() -> Any:
    """The innermost span here: what the framework's runs inside a managed call belong to."""
    return scope.get_handle()


def describe_end(span: Handle | None, claim: Claim, ending: Ending, failure: dict[str, Any] | None = None) -> None:
    """Say at the end event how the call ended, and what the framework's callbacks know of it.

    Args:
        span: the span of the managed call.
        claim: what the callbacks told.
        ending: how it ended, as the caller of the framework's own function sees it.
        failure: the object that becomes the data of the end event where the call returns nothing.
    """
    found = claim.ending
    if found is not None and _is_more_precise(found, ending):
        ending = found
    extra = found.extra if found is not None and found.outcome == ending.outcome else {}
    if span is not None:
        scope.annotate(span, {**claim.about, **extra, **ending.metadata})
    if failure is not None and ending.outcome not in ("ok", "cached") and ending.data is not None:
        data = (found.data if found is not None and found.data is not None else ending.data) or {}
        failure.update(data if isinstance(data, dict) else {"value": data})


def _is_more_precise(found: Ending, ending: Ending) -> bool:
    # The framework turns the exception of a tool into a message: its callbacks have seen the exception itself.
    return ending.outcome == "tool_error" and found.outcome in ("error", "tool_error")
