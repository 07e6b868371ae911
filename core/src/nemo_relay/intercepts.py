# SPDX-License-Identifier: Apache-2.0
"""Intercepts: callbacks that rewrite a request, or wrap the execution of a call.

Request intercepts run in order, each on what the one before returned. Execution intercepts nest: the lowest priority
is outermost, and ``next`` runs the rest, as often as the intercept likes.

>>> from nemo_relay import intercepts, tools
>>> intercepts.register_tool_request("shout", 10, False, lambda name, args: {**args, "text": args["text"].upper()})
>>> tools.execute_sync("echo", {"text": "hi"}, lambda args: args["text"])
'HI'
>>> intercepts.deregister_tool_request("shout")
True
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from nemo_relay._runtime.exports import borrowed
from nemo_relay._runtime.registry import registry

if TYPE_CHECKING:
    from nemo_relay.types import (
        LlmExecutionIntercept,
        LlmRequestIntercept,
        LlmStreamExecutionIntercept,
        ToolExecutionIntercept,
        ToolRequestIntercept,
    )

__all__ = [
    "deregister_llm_execution",
    "deregister_llm_request",
    "deregister_llm_stream_execution",
    "deregister_tool_execution",
    "deregister_tool_request",
    "register_llm_execution",
    "register_llm_request",
    "register_llm_stream_execution",
    "register_tool_execution",
    "register_tool_request",
]

__getattr__ = borrowed(
    __name__,
    {
        "nemo_relay.types": (
            "LlmExecutionIntercept LlmRequestIntercept LlmStreamExecutionIntercept ToolExecutionIntercept"
            " ToolRequestIntercept"
        ),
    },
)


def register_tool_request(name: str, priority: int, break_chain: bool, fn: ToolRequestIntercept) -> None:
    """Let ``fn`` shape a tool's arguments: ``(tool_name, args) -> args``; ``break_chain`` ends the chain after it.

    Args:
        name: its own name among registrations of this kind.
        priority: lower ones run first; ties by name.
        break_chain: whether later intercepts are skipped once this one has run.
        fn: the callback, sync or async.

    Raises:
        AlreadyRegistered: the name is taken (a RuntimeError).
        TypeError: an argument has the wrong type.
    """
    registry.tool_request_intercepts.register(name, priority, fn, break_chain=break_chain)


def deregister_tool_request(name: str) -> bool:
    """Remove it; False when the name is unknown."""
    return registry.tool_request_intercepts.deregister(name)


def register_tool_execution(name: str, priority: int, fn: ToolExecutionIntercept) -> None:
    """Let ``fn`` shape the execution of a tool: ``(context, next) -> ToolExecutionInterceptOutcome``.

    Args:
        name: its own name among registrations of this kind.
        priority: lower ones run first; ties by name.
        fn: the callback, sync or async.

    Raises:
        AlreadyRegistered: the name is taken (a RuntimeError).
        TypeError: an argument has the wrong type.
    """
    registry.tool_execution_intercepts.register(name, priority, fn)


def deregister_tool_execution(name: str) -> bool:
    """Remove it; False when the name is unknown."""
    return registry.tool_execution_intercepts.deregister(name)


def register_llm_request(name: str, priority: int, break_chain: bool, fn: LlmRequestIntercept) -> None:
    """Let ``fn`` shape an LLM request: ``(name, request, annotated) -> LLMRequestInterceptOutcome``;
    ``break_chain`` ends the chain after it.

    Args:
        name: its own name among registrations of this kind.
        priority: lower ones run first; ties by name.
        break_chain: whether later intercepts are skipped once this one has run.
        fn: the callback, sync or async.

    Raises:
        AlreadyRegistered: the name is taken (a RuntimeError).
        TypeError: an argument has the wrong type.
    """
    registry.llm_request_intercepts.register(name, priority, fn, break_chain=break_chain)


def deregister_llm_request(name: str) -> bool:
    """Remove it; False when the name is unknown."""
    return registry.llm_request_intercepts.deregister(name)


def register_llm_execution(name: str, priority: int, fn: LlmExecutionIntercept) -> None:
    """Let ``fn`` shape the execution of an LLM call: ``(name, request, context, next) -> response``.

    Args:
        name: its own name among registrations of this kind.
        priority: lower ones run first; ties by name.
        fn: the callback, sync or async.

    Raises:
        AlreadyRegistered: the name is taken (a RuntimeError).
        TypeError: an argument has the wrong type.
    """
    registry.llm_execution_intercepts.register(name, priority, fn)


def deregister_llm_execution(name: str) -> bool:
    """Remove it; False when the name is unknown."""
    return registry.llm_execution_intercepts.deregister(name)


def register_llm_stream_execution(name: str, priority: int, fn: LlmStreamExecutionIntercept) -> None:
    """Let ``fn`` shape the execution of a streamed LLM call: ``(name, request, context, next) -> async iterator``.

    Args:
        name: its own name among registrations of this kind.
        priority: lower ones run first; ties by name.
        fn: the callback, sync or async.

    Raises:
        AlreadyRegistered: the name is taken (a RuntimeError).
        TypeError: an argument has the wrong type.
    """
    registry.llm_stream_intercepts.register(name, priority, fn)


def deregister_llm_stream_execution(name: str) -> bool:
    """Remove it; False when the name is unknown."""
    return registry.llm_stream_intercepts.deregister(name)
