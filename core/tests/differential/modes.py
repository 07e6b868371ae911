# SPDX-License-Identifier: Apache-2.0
"""The ways in which a function can be run: called directly, and as a tool or a model under ever more observation."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from nemo_relay import (
    AtofExporter,
    AtofExporterConfig,
    LLMRequest,
    ScopeType,
    ToolExecutionInterceptOutcome,
    intercepts,
    llm,
    scope,
    subscribers,
    tools,
)

Function = Callable[[Any], Any]
Invoke = Callable[[Function, Any], Any]

KINDS = ("tool", "llm")
SETUPS = ("bare", "observed", "intercepted")
MODES = [(kind, setup) for kind in KINDS for setup in SETUPS]


def directly(func: Function, args: Any) -> Any:
    return func(args)


def through_sync(kind: str) -> Invoke:
    def tool(func: Function, args: Any) -> Any:
        return tools.execute_sync("f", args, func)

    def model(func: Function, args: Any) -> Any:
        return llm.execute_sync("f", LLMRequest({}, args), lambda request: func(request.content))

    return tool if kind == "tool" else model


async def directly_async(func: Function, args: Any) -> Any:
    answer = func(args)
    return await answer if hasattr(type(answer), "__await__") else answer


def through_async(kind: str) -> Invoke:
    def tool(func: Function, args: Any) -> Any:
        return tools.execute("f", args, func)

    def model(func: Function, args: Any) -> Any:
        return llm.execute("f", LLMRequest({}, args), lambda request: func(request.content))

    return tool if kind == "tool" else model


def pass_tool(call: Any, proceed: Any) -> Any:
    below = proceed(call.args)
    return ToolExecutionInterceptOutcome(below.result, annotation=below.annotation)


async def pass_tool_async(call: Any, proceed: Any) -> Any:
    below = await proceed(call.args)
    return ToolExecutionInterceptOutcome(below.result, annotation=below.annotation)


def pass_llm(_name: str, request: LLMRequest, _context: Any, proceed: Any) -> Any:
    return proceed(request)


async def pass_llm_async(_name: str, request: LLMRequest, _context: Any, proceed: Any) -> Any:
    return await proceed(request)


async def pass_stream_async(_name: str, request: LLMRequest, _context: Any, proceed: Any) -> Any:
    return await proceed(request)


def pass_stream(_name: str, request: LLMRequest, _context: Any, proceed: Any) -> Any:
    return proceed(request)


@contextmanager
def watched(setup: str, folder: Path, *, synchronous: bool) -> Iterator[None]:
    """The runtime as ``setup`` says: nobody there; a subscriber and a file; and an intercept that changes nothing."""
    if setup == "bare":
        yield
        return
    config = AtofExporterConfig()
    config.output_directory, config.filename = folder, "events.jsonl"
    exporter = AtofExporter(config)
    exporter.register("file")
    heard: list[str] = []
    subscribers.register("ear", lambda event: heard.append(event.name))
    if setup == "intercepted":
        intercepts.register_tool_execution("pass", 0, pass_tool if synchronous else pass_tool_async)
        intercepts.register_llm_execution("pass", 0, pass_llm if synchronous else pass_llm_async)
        intercepts.register_llm_stream_execution("pass", 0, pass_stream if synchronous else pass_stream_async)
    try:
        with scope.scope("agent", ScopeType.Agent):
            yield
    finally:
        for name, deregister in (
            ("ear", subscribers.deregister),
            ("pass", intercepts.deregister_tool_execution),
            ("pass", intercepts.deregister_llm_execution),
            ("pass", intercepts.deregister_llm_stream_execution),
        ):
            deregister(name)
        exporter.shutdown()
    assert exporter.written >= 2
