# SPDX-License-Identifier: Apache-2.0
"""Guardrails: callbacks that refuse a call, or clean what observers see of it.

A conditional guardrail answers None to let the call run, or a reason to refuse it. A sanitizer changes only events,
never the call, and fails closed: when it raises, what it should have cleaned is left out. Lower priorities run first.

>>> from nemo_relay import guardrails
>>> guardrails.register_tool_conditional_execution("no-rm", 10, lambda name, args: "not here" if name == "rm" else None)
>>> guardrails.deregister_tool_conditional_execution("no-rm")
True
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from nemo_relay._runtime.exports import borrowed, claim
from nemo_relay._runtime.registry import registry
from nemo_relay._runtime.registry.questions import Question, Reason, approved, approving, question

if TYPE_CHECKING:
    from nemo_relay.types import (
        EventSanitizeGuardrail,
        LlmConditionalExecutionGuardrail,
        LlmSanitizeRequestGuardrail,
        LlmSanitizeResponseGuardrail,
        ToolConditionalExecutionGuardrail,
        ToolSanitizeGuardrail,
    )

__all__ = [
    "Question",
    "Reason",
    "approved",
    "approving",
    "deregister_llm_conditional_execution",
    "deregister_llm_sanitize_request",
    "deregister_llm_sanitize_response",
    "deregister_mark_sanitize",
    "deregister_scope_sanitize_end",
    "deregister_scope_sanitize_start",
    "deregister_tool_conditional_execution",
    "deregister_tool_sanitize_request",
    "deregister_tool_sanitize_response",
    "question",
    "register_llm_conditional_execution",
    "register_llm_sanitize_request",
    "register_llm_sanitize_response",
    "register_mark_sanitize",
    "register_scope_sanitize_end",
    "register_scope_sanitize_start",
    "register_tool_conditional_execution",
    "register_tool_sanitize_request",
    "register_tool_sanitize_response",
]

__getattr__ = borrowed(
    __name__,
    {
        "nemo_relay.types": (
            "EventSanitizeGuardrail LlmConditionalExecutionGuardrail LlmSanitizeRequestGuardrail"
            " LlmSanitizeResponseGuardrail ToolConditionalExecutionGuardrail ToolSanitizeGuardrail"
        ),
    },
)


def register_mark_sanitize(name: str, priority: int, guardrail: EventSanitizeGuardrail) -> None:
    """Let ``guardrail`` decide marks on their way to subscribers: ``(event, fields) -> fields``.

    Args:
        name: its own name among registrations of this kind.
        priority: lower ones run first; ties by name.
        guardrail: the callback, sync or async.

    Raises:
        AlreadyRegistered: the name is taken (a RuntimeError).
        TypeError: an argument has the wrong type.
    """
    registry.mark_sanitizers.register(name, priority, guardrail)


def deregister_mark_sanitize(name: str) -> bool:
    """Remove it; False when the name is unknown."""
    return registry.mark_sanitizers.deregister(name)


def register_scope_sanitize_start(name: str, priority: int, guardrail: EventSanitizeGuardrail) -> None:
    """Let ``guardrail`` decide start events on their way to subscribers: ``(event, fields) -> fields``.

    Args:
        name: its own name among registrations of this kind.
        priority: lower ones run first; ties by name.
        guardrail: the callback, sync or async.

    Raises:
        AlreadyRegistered: the name is taken (a RuntimeError).
        TypeError: an argument has the wrong type.
    """
    registry.start_sanitizers.register(name, priority, guardrail)


def deregister_scope_sanitize_start(name: str) -> bool:
    """Remove it; False when the name is unknown."""
    return registry.start_sanitizers.deregister(name)


def register_scope_sanitize_end(name: str, priority: int, guardrail: EventSanitizeGuardrail) -> None:
    """Let ``guardrail`` decide end events on their way to subscribers: ``(event, fields) -> fields``.

    Args:
        name: its own name among registrations of this kind.
        priority: lower ones run first; ties by name.
        guardrail: the callback, sync or async.

    Raises:
        AlreadyRegistered: the name is taken (a RuntimeError).
        TypeError: an argument has the wrong type.
    """
    registry.end_sanitizers.register(name, priority, guardrail)


def deregister_scope_sanitize_end(name: str) -> bool:
    """Remove it; False when the name is unknown."""
    return registry.end_sanitizers.deregister(name)


def register_tool_sanitize_request(name: str, priority: int, guardrail: ToolSanitizeGuardrail) -> None:
    """Let ``guardrail`` decide the arguments that events show of a tool call: ``(tool_name, args) -> args``.

    Args:
        name: its own name among registrations of this kind.
        priority: lower ones run first; ties by name.
        guardrail: the callback, sync or async.

    Raises:
        AlreadyRegistered: the name is taken (a RuntimeError).
        TypeError: an argument has the wrong type.
    """
    registry.tool_request_sanitizers.register(name, priority, guardrail)


def deregister_tool_sanitize_request(name: str) -> bool:
    """Remove it; False when the name is unknown."""
    return registry.tool_request_sanitizers.deregister(name)


def register_tool_sanitize_response(name: str, priority: int, guardrail: ToolSanitizeGuardrail) -> None:
    """Let ``guardrail`` decide the result that events show of a tool call: ``(tool_name, result) -> result``.

    Args:
        name: its own name among registrations of this kind.
        priority: lower ones run first; ties by name.
        guardrail: the callback, sync or async.

    Raises:
        AlreadyRegistered: the name is taken (a RuntimeError).
        TypeError: an argument has the wrong type.
    """
    registry.tool_response_sanitizers.register(name, priority, guardrail)


def deregister_tool_sanitize_response(name: str) -> bool:
    """Remove it; False when the name is unknown."""
    return registry.tool_response_sanitizers.deregister(name)


def register_tool_conditional_execution(name: str, priority: int, guardrail: ToolConditionalExecutionGuardrail) -> None:
    """Let ``guardrail`` decide whether a tool call may run: ``(tool_name, args) -> reason | None``.

    Args:
        name: its own name among registrations of this kind.
        priority: lower ones run first; ties by name.
        guardrail: the callback, sync or async.

    Raises:
        AlreadyRegistered: the name is taken (a RuntimeError).
        TypeError: an argument has the wrong type.
    """
    registry.tool_guardrails.register(name, priority, guardrail)


def deregister_tool_conditional_execution(name: str) -> bool:
    """Remove it; False when the name is unknown."""
    return registry.tool_guardrails.deregister(name)


def register_llm_sanitize_request(name: str, priority: int, guardrail: LlmSanitizeRequestGuardrail) -> None:
    """Let ``guardrail`` decide the request that events show of an LLM call: ``(request, context) -> request |
    None``.

    Args:
        name: its own name among registrations of this kind.
        priority: lower ones run first; ties by name.
        guardrail: the callback, sync or async.

    Raises:
        AlreadyRegistered: the name is taken (a RuntimeError).
        TypeError: an argument has the wrong type.
    """
    registry.llm_request_sanitizers.register(name, priority, guardrail)


def deregister_llm_sanitize_request(name: str) -> bool:
    """Remove it; False when the name is unknown."""
    return registry.llm_request_sanitizers.deregister(name)


def register_llm_sanitize_response(name: str, priority: int, guardrail: LlmSanitizeResponseGuardrail) -> None:
    """Let ``guardrail`` decide the response that events show of an LLM call: ``(response, context) -> response |
    None``.

    Args:
        name: its own name among registrations of this kind.
        priority: lower ones run first; ties by name.
        guardrail: the callback, sync or async.

    Raises:
        AlreadyRegistered: the name is taken (a RuntimeError).
        TypeError: an argument has the wrong type.
    """
    registry.llm_response_sanitizers.register(name, priority, guardrail)


def deregister_llm_sanitize_response(name: str) -> bool:
    """Remove it; False when the name is unknown."""
    return registry.llm_response_sanitizers.deregister(name)


def register_llm_conditional_execution(name: str, priority: int, guardrail: LlmConditionalExecutionGuardrail) -> None:
    """Let ``guardrail`` decide whether an LLM call may run: ``(request) -> reason | None``.

    Args:
        name: its own name among registrations of this kind.
        priority: lower ones run first; ties by name.
        guardrail: the callback, sync or async.

    Raises:
        AlreadyRegistered: the name is taken (a RuntimeError).
        TypeError: an argument has the wrong type.
    """
    registry.llm_guardrails.register(name, priority, guardrail)


def deregister_llm_conditional_execution(name: str) -> bool:
    """Remove it; False when the name is unknown."""
    return registry.llm_guardrails.deregister(name)


claim(globals())
