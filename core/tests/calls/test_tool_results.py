# SPDX-License-Identifier: Apache-2.0
"""One form of what a tool gave (N7), whatever it is."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from nemo_relay import ToolExecutionInterceptOutcome, ToolExecutionResult, intercepts, subscribers, tool_results, tools
from nemo_relay.tool_results import SCHEMA, ToolResultView, view

LOOPED: list[Any] = [1]
LOOPED.append(LOOPED)
MESSAGE = {"content": "none", "status": "error"}

FORMS: dict[str, tuple[Any, Any, bool, tuple[Any, ...]]] = {
    "text": ("sunny", "sunny", False, ("sunny",)),
    "nothing": (None, "null", False, (None,)),
    "value": ({"a": 1}, '{"a": 1}', False, ({"a": 1},)),
    "a value with a status of its own": ({"status": "error"}, '{"status": "error"}', False, ({"status": "error"},)),
    "a value with content of its own": ({"content": "x"}, '{"content": "x"}', False, ({"content": "x"},)),
    "list of values": ([1, 2], "[1, 2]", False, ([1, 2],)),
    "empty list": ([], "[]", False, ([],)),
    "cycle": (LOOPED, "[1, [...]]", False, (LOOPED,)),
    "result": (ToolExecutionResult("sunny"), "sunny", False, ("sunny",)),
    "message": (MESSAGE, "none", True, ("none",)),
    "message with artifact": ({"content": "1", "status": "success", "artifact": [1]}, "1", False, ([1],)),
    "object": (
        SimpleNamespace(content="sunny", status="success", tool_call_id="c1", artifact=None),
        *("sunny", False, ("sunny",)),
    ),
    "command": ({"type": "command", "update": {"messages": [MESSAGE]}}, "none", True, ("none",)),
    "several": ([MESSAGE, {"content": "b", "status": "success"}], "none\nb", True, ("none", "b")),
    "mcp": (
        {"content": [{"type": "text", "text": "x"}], "isError": True, "structuredContent": {"a": 1}},
        *([{"type": "text", "text": "x"}], True, ({"a": 1},)),
    ),
    "document": ({"schema": SCHEMA, "content": "21", "is_error": False, "values": [21]}, "21", False, (21,)),
    "failed document": (
        {"data_schema": {"name": "nemo.relay.tool_result", "version": "1"}, "display": "no", "status": "error"},
        *("no", True, ("no",)),
    ),
    "bare document": ({"type": SCHEMA}, "[null]", False, (None,)),
}


@pytest.mark.parametrize("name", FORMS)
def test_n7_every_result_has_the_one_form(name: str) -> None:
    given, content, is_error, values = FORMS[name]
    assert view(given) == ToolResultView(content, is_error, values)


def test_n7_middleware_and_subscribers_read_it_and_the_caller_gets_the_object() -> None:
    seen: list[ToolResultView] = []

    def around(context: Any, proceed: Any) -> Any:
        done = proceed(context.args)
        seen.append(view(done.result))
        return ToolExecutionInterceptOutcome(done.result, annotation=done.annotation)

    def hear(event: Any) -> None:
        if event.scope_category == "end":
            seen.append(tool_results.of_event(event))

    subscribers.register("hear", hear)
    intercepts.register_tool_execution("around", 1, around)
    given = {"degrees": 21}
    assert tools.execute_sync("t", {}, lambda args: given) is given
    assert subscribers.flush(10)
    assert seen == [ToolResultView('{"degrees": 21}', False, (given,))] * 2


def test_n7_the_event_of_a_call_that_raised_is_an_error() -> None:
    seen: list[ToolResultView] = []
    subscribers.register("hear", lambda event: seen.append(tool_results.of_event(event)))

    def broken(args: Any) -> Any:
        raise ValueError("no")

    with pytest.raises(ValueError):
        tools.execute_sync("t", {}, broken)
    assert subscribers.flush(10)
    assert [one.is_error for one in seen] == [False, True]
