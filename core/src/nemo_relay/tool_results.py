# SPDX-License-Identifier: Apache-2.0
"""What a tool gave, in one form for everybody who looks at it, whatever framework the tool belongs to.

Adapters show middleware and subscribers a tool's result as the framework has it: a message, a command, several of
them, a value. The caller always gets the tool's own object; this is for reading only.

>>> from nemo_relay import tool_results
>>> tool_results.view({"content": "no such city", "status": "error"})
ToolResultView(content='no such city', is_error=True, values=('no such city',))
>>> tool_results.view({"degrees": 21})
ToolResultView(content='{"degrees": 21}', is_error=False, values=({'degrees': 21},))
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from nemo_relay._runtime.managed.results import ToolExecutionResult

__all__ = ["SCHEMA", "ToolResultView", "is_document", "of_event", "view"]

SCHEMA = "nemo.relay.tool_result@1"  # a document of the published package, from 0.11 on
_NAMES = ("schema", "$schema", "type", "kind", "data_schema")
_DISPLAY = ("content", "display_content", "display")
_VALUES = ("values", "value", "result", "structuredContent", "structured_content", "artifact")
_FAILED = ("error", "tool_error", "failed", "failure")


@dataclass(frozen=True, slots=True)
class ToolResultView:
    """A tool's result.

    Attributes:
        content: what a model is shown of it: a text, or a list of content blocks.
        is_error: whether the tool says that it failed.
        values: what it gave, as values; the content where it gave nothing else.
    """

    content: Any
    is_error: bool
    values: tuple[Any, ...]


def view(result: Any) -> ToolResultView:
    """The one form of a tool's result.

    Args:
        result: what an intercept or a sanitizer gets, the data of an end event, a message of a framework, the result
            of an MCP server, or a document named ``nemo.relay.tool_result@1``.

    Returns:
        The view. Any value has one.
    """
    if isinstance(result, ToolExecutionResult):
        return view(result.result)
    if isinstance(result, (list, tuple)) and result and all(_is_result(item) for item in result):
        return _several([view(item) for item in result])
    messages = _messages_of(result)
    if messages:
        return _several([view(message) for message in messages])
    if _is_result(result):
        return _stated(result)
    return ToolResultView(result if isinstance(result, str) else _text(result), False, (result,))


def of_event(event: Any) -> ToolResultView:
    """The one form of what the end event of a tool call tells.

    Args:
        event: as a subscriber gets it; of a tool, and an end.

    Returns:
        The view; ``is_error`` where the call raised, too.
    """
    found, about = view(event.data), event.metadata
    outcome = about.get("relay.outcome") if isinstance(about, Mapping) else None
    status = about.get("otel.status_code") if isinstance(about, Mapping) else None
    failed = found.is_error or status == "ERROR" or outcome in _FAILED
    return ToolResultView(found.content, failed, found.values)


def _part(result: Any, names: tuple[str, ...]) -> Any:
    for name in names:
        found = result.get(name) if isinstance(result, Mapping) else getattr(result, name, None)
        if found is not None:
            return found
    return None


def is_document(result: Any) -> bool:
    """Whether it is a document named ``nemo.relay.tool_result@1``.

    Args:
        result: anything.

    Returns:
        Whether it names itself so. Which fields such a document has is not published: the likely ones are looked for.
    """
    return isinstance(result, Mapping) and any(_named(result.get(name)) for name in _NAMES)


def _named(value: Any) -> bool:
    if isinstance(value, Mapping):
        return f"{value.get('name')}@{value.get('version')}" == SCHEMA
    return isinstance(value, str) and value == SCHEMA


def _is_result(result: Any) -> bool:
    """Whether it states content and success itself: a message of a tool, a result of MCP, the document."""
    if is_document(result):
        return True
    if isinstance(result, Mapping):
        states = "status" in result or "isError" in result or "is_error" in result
        return "content" in result and (states or "tool_call_id" in result)
    return hasattr(result, "content") and hasattr(result, "tool_call_id")


def _messages_of(result: Any) -> list[Any]:
    """The results that a command of LangGraph carries."""
    update = _part(result, ("update",)) if not isinstance(result, str) else None
    found = update.get("messages") if isinstance(update, Mapping) else None
    return [message for message in found if _is_result(message)] if isinstance(found, (list, tuple)) else []


def _stated(result: Any) -> ToolResultView:
    given, content = _part(result, _VALUES), _part(result, _DISPLAY)
    several = isinstance(result, Mapping) and isinstance(result.get("values"), (list, tuple))
    values = tuple(given) if several else (given if given is not None else content,)
    if content is None:
        content = values[0] if values and isinstance(values[0], str) else _text(list(values))
    return ToolResultView(content, _failed(result), values)


def _failed(result: Any) -> bool:
    state = _part(result, ("is_error", "isError", "failed", "failure", "status"))
    if isinstance(state, str):
        return state.lower() in _FAILED
    return bool(state)


def _several(found: list[ToolResultView]) -> ToolResultView:
    if len(found) == 1:
        return found[0]
    texts = all(isinstance(one.content, str) for one in found)
    content: Any = "\n".join(one.content for one in found) if texts else [one.content for one in found]
    values = tuple(value for one in found for value in one.values)
    return ToolResultView(content, any(one.is_error for one in found), values)


def _text(value: Any) -> str:
    try:
        return json.dumps(value, ensure_ascii=False, default=str)
    except (TypeError, ValueError):  # a cycle, or keys that are no texts
        return repr(value)
