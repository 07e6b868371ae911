# SPDX-License-Identifier: Apache-2.0
"""Registrations that a scope owns: they apply to the scope and what happens in it, and go when it ends.

The functions are those of ``guardrails``, ``intercepts``, ``event_metadata`` and ``subscribers`` with the owning
scope as
first argument. The same name may be used on several scopes and globally at once. A closed scope raises NotFound.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from nemo_relay._runtime.exports import borrowed
from nemo_relay._runtime.registry import registry
from nemo_relay._runtime.tree.spans import Span

if TYPE_CHECKING:
    from nemo_relay.types import (
        Event,
        EventMetadataInjectorCallback,
        EventSanitizeGuardrail,
        LlmConditionalExecutionGuardrail,
        LlmExecutionIntercept,
        LlmRequestIntercept,
        LlmSanitizeRequestGuardrail,
        LlmSanitizeResponseGuardrail,
        LlmStreamExecutionIntercept,
        ToolConditionalExecutionGuardrail,
        ToolExecutionIntercept,
        ToolRequestIntercept,
        ToolSanitizeGuardrail,
    )

__all__ = [
    "deregister_event_metadata_injector",
    "deregister_llm_conditional_execution",
    "deregister_llm_execution",
    "deregister_llm_request",
    "deregister_llm_sanitize_request",
    "deregister_llm_sanitize_response",
    "deregister_llm_stream_execution",
    "deregister_mark_sanitize",
    "deregister_scope_sanitize_end",
    "deregister_scope_sanitize_start",
    "deregister_subscriber",
    "deregister_tool_conditional_execution",
    "deregister_tool_execution",
    "deregister_tool_request",
    "deregister_tool_sanitize_request",
    "deregister_tool_sanitize_response",
    "register_event_metadata_injector",
    "register_llm_conditional_execution",
    "register_llm_execution",
    "register_llm_request",
    "register_llm_sanitize_request",
    "register_llm_sanitize_response",
    "register_llm_stream_execution",
    "register_mark_sanitize",
    "register_scope_sanitize_end",
    "register_scope_sanitize_start",
    "register_subscriber",
    "register_tool_conditional_execution",
    "register_tool_execution",
    "register_tool_request",
    "register_tool_sanitize_request",
    "register_tool_sanitize_response",
]

__getattr__ = borrowed(
    __name__,
    {
        "nemo_relay": "ScopeHandle",
        "nemo_relay.types": (
            "EventMetadataInjectorCallback EventSanitizeGuardrail LlmConditionalExecutionGuardrail"
            " LlmSanitizeRequestGuardrail LlmSanitizeResponseGuardrail ToolConditionalExecutionGuardrail"
            " ToolSanitizeGuardrail LlmExecutionIntercept LlmRequestIntercept LlmStreamExecutionIntercept"
            " ToolExecutionIntercept ToolRequestIntercept"
        ),
    },
)


def register_event_metadata_injector(
    scope_handle: Span, name: str, priority: int, injector: EventMetadataInjectorCallback
) -> None:
    """Let ``injector`` add metadata to events while the scope is open: ``(event) -> dict``.

    Args:
        scope_handle: the owning scope; it must be open.
        name: its own name among registrations of this kind.
        priority: lower ones run first; ties by name.
        injector: the callback, sync or async.

    Raises:
        AlreadyRegistered: the name is taken (a RuntimeError).
        NotFound: the scope has ended (a RuntimeError).
        TypeError: an argument has the wrong type.
    """
    registry.injectors.register(name, priority, injector, scope=scope_handle)


def deregister_event_metadata_injector(scope_handle: Span, name: str) -> bool:
    """Remove it; False when the name is unknown.

    Args:
        scope_handle: the owning scope; it must be open.
        name: the name it was registered under.

    Returns:
        Whether there was one of that name.
    """
    return registry.injectors.deregister(name, scope_handle)


def register_subscriber(scope_handle: Span, name: str, callback: Callable[[Event], Any]) -> None:
    """Let ``callback`` hear the events of the scope and of all that happens in it, its own end included.

    Args:
        scope_handle: the owning scope; it must be open.
        name: its own name among registrations of this kind.
        callback: the callback, sync or async.

    Raises:
        AlreadyRegistered: the name is taken (a RuntimeError).
        NotFound: the scope has ended (a RuntimeError).
        TypeError: an argument has the wrong type.
    """
    registry.subscribers.register(name, 0, callback, scope=scope_handle)


def deregister_subscriber(scope_handle: Span, name: str) -> bool:
    """Remove it; False when the name is unknown.

    Args:
        scope_handle: the owning scope; it must be open.
        name: the name it was registered under.

    Returns:
        Whether there was one of that name.
    """
    return registry.subscribers.deregister(name, scope_handle)


def register_mark_sanitize(scope_handle: Span, name: str, priority: int, guardrail: EventSanitizeGuardrail) -> None:
    """Let ``guardrail`` decide while the scope is open marks on their way to subscribers: ``(event, fields) ->
    fields``.

    Args:
        scope_handle: the owning scope; it must be open.
        name: its own name among registrations of this kind.
        priority: lower ones run first; ties by name.
        guardrail: the callback, sync or async.

    Raises:
        AlreadyRegistered: the name is taken (a RuntimeError).
        NotFound: the scope has ended (a RuntimeError).
        TypeError: an argument has the wrong type.
    """
    registry.mark_sanitizers.register(name, priority, guardrail, scope=scope_handle)


def deregister_mark_sanitize(scope_handle: Span, name: str) -> bool:
    """Remove it; False when the name is unknown.

    Args:
        scope_handle: the owning scope; it must be open.
        name: the name it was registered under.

    Returns:
        Whether there was one of that name.
    """
    return registry.mark_sanitizers.deregister(name, scope_handle)


def register_scope_sanitize_start(
    scope_handle: Span, name: str, priority: int, guardrail: EventSanitizeGuardrail
) -> None:
    """Let ``guardrail`` decide while the scope is open start events on their way to subscribers: ``(event, fields)
    -> fields``.

    Args:
        scope_handle: the owning scope; it must be open.
        name: its own name among registrations of this kind.
        priority: lower ones run first; ties by name.
        guardrail: the callback, sync or async.

    Raises:
        AlreadyRegistered: the name is taken (a RuntimeError).
        NotFound: the scope has ended (a RuntimeError).
        TypeError: an argument has the wrong type.
    """
    registry.start_sanitizers.register(name, priority, guardrail, scope=scope_handle)


def deregister_scope_sanitize_start(scope_handle: Span, name: str) -> bool:
    """Remove it; False when the name is unknown.

    Args:
        scope_handle: the owning scope; it must be open.
        name: the name it was registered under.

    Returns:
        Whether there was one of that name.
    """
    return registry.start_sanitizers.deregister(name, scope_handle)


def register_scope_sanitize_end(
    scope_handle: Span, name: str, priority: int, guardrail: EventSanitizeGuardrail
) -> None:
    """Let ``guardrail`` decide while the scope is open end events on their way to subscribers: ``(event, fields)
    -> fields``.

    Args:
        scope_handle: the owning scope; it must be open.
        name: its own name among registrations of this kind.
        priority: lower ones run first; ties by name.
        guardrail: the callback, sync or async.

    Raises:
        AlreadyRegistered: the name is taken (a RuntimeError).
        NotFound: the scope has ended (a RuntimeError).
        TypeError: an argument has the wrong type.
    """
    registry.end_sanitizers.register(name, priority, guardrail, scope=scope_handle)


def deregister_scope_sanitize_end(scope_handle: Span, name: str) -> bool:
    """Remove it; False when the name is unknown.

    Args:
        scope_handle: the owning scope; it must be open.
        name: the name it was registered under.

    Returns:
        Whether there was one of that name.
    """
    return registry.end_sanitizers.deregister(name, scope_handle)


def register_tool_sanitize_request(
    scope_handle: Span, name: str, priority: int, guardrail: ToolSanitizeGuardrail
) -> None:
    """Let ``guardrail`` decide while the scope is open the arguments that events show of a tool call:
    ``(tool_name, args) -> args``.

    Args:
        scope_handle: the owning scope; it must be open.
        name: its own name among registrations of this kind.
        priority: lower ones run first; ties by name.
        guardrail: the callback, sync or async.

    Raises:
        AlreadyRegistered: the name is taken (a RuntimeError).
        NotFound: the scope has ended (a RuntimeError).
        TypeError: an argument has the wrong type.
    """
    registry.tool_request_sanitizers.register(name, priority, guardrail, scope=scope_handle)


def deregister_tool_sanitize_request(scope_handle: Span, name: str) -> bool:
    """Remove it; False when the name is unknown.

    Args:
        scope_handle: the owning scope; it must be open.
        name: the name it was registered under.

    Returns:
        Whether there was one of that name.
    """
    return registry.tool_request_sanitizers.deregister(name, scope_handle)


def register_tool_sanitize_response(
    scope_handle: Span, name: str, priority: int, guardrail: ToolSanitizeGuardrail
) -> None:
    """Let ``guardrail`` decide while the scope is open the result that events show of a tool call: ``(tool_name,
    result) -> result``.

    Args:
        scope_handle: the owning scope; it must be open.
        name: its own name among registrations of this kind.
        priority: lower ones run first; ties by name.
        guardrail: the callback, sync or async.

    Raises:
        AlreadyRegistered: the name is taken (a RuntimeError).
        NotFound: the scope has ended (a RuntimeError).
        TypeError: an argument has the wrong type.
    """
    registry.tool_response_sanitizers.register(name, priority, guardrail, scope=scope_handle)


def deregister_tool_sanitize_response(scope_handle: Span, name: str) -> bool:
    """Remove it; False when the name is unknown.

    Args:
        scope_handle: the owning scope; it must be open.
        name: the name it was registered under.

    Returns:
        Whether there was one of that name.
    """
    return registry.tool_response_sanitizers.deregister(name, scope_handle)


def register_tool_conditional_execution(
    scope_handle: Span, name: str, priority: int, guardrail: ToolConditionalExecutionGuardrail
) -> None:
    """Let ``guardrail`` decide while the scope is open whether a tool call may run: ``(tool_name, args) -> reason
    | None``.

    Args:
        scope_handle: the owning scope; it must be open.
        name: its own name among registrations of this kind.
        priority: lower ones run first; ties by name.
        guardrail: the callback, sync or async.

    Raises:
        AlreadyRegistered: the name is taken (a RuntimeError).
        NotFound: the scope has ended (a RuntimeError).
        TypeError: an argument has the wrong type.
    """
    registry.tool_guardrails.register(name, priority, guardrail, scope=scope_handle)


def deregister_tool_conditional_execution(scope_handle: Span, name: str) -> bool:
    """Remove it; False when the name is unknown.

    Args:
        scope_handle: the owning scope; it must be open.
        name: the name it was registered under.

    Returns:
        Whether there was one of that name.
    """
    return registry.tool_guardrails.deregister(name, scope_handle)


def register_llm_sanitize_request(
    scope_handle: Span, name: str, priority: int, guardrail: LlmSanitizeRequestGuardrail
) -> None:
    """Let ``guardrail`` decide while the scope is open the request that events show of an LLM call: ``(request,
    context) -> request | None``.

    Args:
        scope_handle: the owning scope; it must be open.
        name: its own name among registrations of this kind.
        priority: lower ones run first; ties by name.
        guardrail: the callback, sync or async.

    Raises:
        AlreadyRegistered: the name is taken (a RuntimeError).
        NotFound: the scope has ended (a RuntimeError).
        TypeError: an argument has the wrong type.
    """
    registry.llm_request_sanitizers.register(name, priority, guardrail, scope=scope_handle)


def deregister_llm_sanitize_request(scope_handle: Span, name: str) -> bool:
    """Remove it; False when the name is unknown.

    Args:
        scope_handle: the owning scope; it must be open.
        name: the name it was registered under.

    Returns:
        Whether there was one of that name.
    """
    return registry.llm_request_sanitizers.deregister(name, scope_handle)


def register_llm_sanitize_response(
    scope_handle: Span, name: str, priority: int, guardrail: LlmSanitizeResponseGuardrail
) -> None:
    """Let ``guardrail`` decide while the scope is open the response that events show of an LLM call: ``(response,
    context) -> response | None``.

    Args:
        scope_handle: the owning scope; it must be open.
        name: its own name among registrations of this kind.
        priority: lower ones run first; ties by name.
        guardrail: the callback, sync or async.

    Raises:
        AlreadyRegistered: the name is taken (a RuntimeError).
        NotFound: the scope has ended (a RuntimeError).
        TypeError: an argument has the wrong type.
    """
    registry.llm_response_sanitizers.register(name, priority, guardrail, scope=scope_handle)


def deregister_llm_sanitize_response(scope_handle: Span, name: str) -> bool:
    """Remove it; False when the name is unknown.

    Args:
        scope_handle: the owning scope; it must be open.
        name: the name it was registered under.

    Returns:
        Whether there was one of that name.
    """
    return registry.llm_response_sanitizers.deregister(name, scope_handle)


def register_llm_conditional_execution(
    scope_handle: Span, name: str, priority: int, guardrail: LlmConditionalExecutionGuardrail
) -> None:
    """Let ``guardrail`` decide while the scope is open whether an LLM call may run: ``(request) -> reason | None``.

    Args:
        scope_handle: the owning scope; it must be open.
        name: its own name among registrations of this kind.
        priority: lower ones run first; ties by name.
        guardrail: the callback, sync or async.

    Raises:
        AlreadyRegistered: the name is taken (a RuntimeError).
        NotFound: the scope has ended (a RuntimeError).
        TypeError: an argument has the wrong type.
    """
    registry.llm_guardrails.register(name, priority, guardrail, scope=scope_handle)


def deregister_llm_conditional_execution(scope_handle: Span, name: str) -> bool:
    """Remove it; False when the name is unknown.

    Args:
        scope_handle: the owning scope; it must be open.
        name: the name it was registered under.

    Returns:
        Whether there was one of that name.
    """
    return registry.llm_guardrails.deregister(name, scope_handle)


def register_tool_request(
    scope_handle: Span, name: str, priority: int, break_chain: bool, fn: ToolRequestIntercept
) -> None:
    """Let ``fn`` shape while the scope is open a tool's arguments: ``(tool_name, args) -> args``; ``break_chain``
    ends the chain after it.

    Args:
        scope_handle: the owning scope; it must be open.
        name: its own name among registrations of this kind.
        priority: lower ones run first; ties by name.
        break_chain: whether later intercepts are skipped once this one has run.
        fn: the callback, sync or async.

    Raises:
        AlreadyRegistered: the name is taken (a RuntimeError).
        NotFound: the scope has ended (a RuntimeError).
        TypeError: an argument has the wrong type.
    """
    registry.tool_request_intercepts.register(name, priority, fn, break_chain=break_chain, scope=scope_handle)


def deregister_tool_request(scope_handle: Span, name: str) -> bool:
    """Remove it; False when the name is unknown.

    Args:
        scope_handle: the owning scope; it must be open.
        name: the name it was registered under.

    Returns:
        Whether there was one of that name.
    """
    return registry.tool_request_intercepts.deregister(name, scope_handle)


def register_tool_execution(scope_handle: Span, name: str, priority: int, fn: ToolExecutionIntercept) -> None:
    """Let ``fn`` shape while the scope is open the execution of a tool: ``(context, next) ->
    ToolExecutionInterceptOutcome``.

    Args:
        scope_handle: the owning scope; it must be open.
        name: its own name among registrations of this kind.
        priority: lower ones run first; ties by name.
        fn: the callback, sync or async.

    Raises:
        AlreadyRegistered: the name is taken (a RuntimeError).
        NotFound: the scope has ended (a RuntimeError).
        TypeError: an argument has the wrong type.
    """
    registry.tool_execution_intercepts.register(name, priority, fn, scope=scope_handle)


def deregister_tool_execution(scope_handle: Span, name: str) -> bool:
    """Remove it; False when the name is unknown.

    Args:
        scope_handle: the owning scope; it must be open.
        name: the name it was registered under.

    Returns:
        Whether there was one of that name.
    """
    return registry.tool_execution_intercepts.deregister(name, scope_handle)


def register_llm_request(
    scope_handle: Span, name: str, priority: int, break_chain: bool, fn: LlmRequestIntercept
) -> None:
    """Let ``fn`` shape while the scope is open an LLM request: ``(name, request, annotated) ->
    LLMRequestInterceptOutcome``; ``break_chain`` ends the chain after it.

    Args:
        scope_handle: the owning scope; it must be open.
        name: its own name among registrations of this kind.
        priority: lower ones run first; ties by name.
        break_chain: whether later intercepts are skipped once this one has run.
        fn: the callback, sync or async.

    Raises:
        AlreadyRegistered: the name is taken (a RuntimeError).
        NotFound: the scope has ended (a RuntimeError).
        TypeError: an argument has the wrong type.
    """
    registry.llm_request_intercepts.register(name, priority, fn, break_chain=break_chain, scope=scope_handle)


def deregister_llm_request(scope_handle: Span, name: str) -> bool:
    """Remove it; False when the name is unknown.

    Args:
        scope_handle: the owning scope; it must be open.
        name: the name it was registered under.

    Returns:
        Whether there was one of that name.
    """
    return registry.llm_request_intercepts.deregister(name, scope_handle)


def register_llm_execution(scope_handle: Span, name: str, priority: int, fn: LlmExecutionIntercept) -> None:
    """Let ``fn`` shape while the scope is open the execution of an LLM call: ``(name, request, context, next) ->
    response``.

    Args:
        scope_handle: the owning scope; it must be open.
        name: its own name among registrations of this kind.
        priority: lower ones run first; ties by name.
        fn: the callback, sync or async.

    Raises:
        AlreadyRegistered: the name is taken (a RuntimeError).
        NotFound: the scope has ended (a RuntimeError).
        TypeError: an argument has the wrong type.
    """
    registry.llm_execution_intercepts.register(name, priority, fn, scope=scope_handle)


def deregister_llm_execution(scope_handle: Span, name: str) -> bool:
    """Remove it; False when the name is unknown.

    Args:
        scope_handle: the owning scope; it must be open.
        name: the name it was registered under.

    Returns:
        Whether there was one of that name.
    """
    return registry.llm_execution_intercepts.deregister(name, scope_handle)


def register_llm_stream_execution(
    scope_handle: Span, name: str, priority: int, fn: LlmStreamExecutionIntercept
) -> None:
    """Let ``fn`` shape while the scope is open the execution of a streamed LLM call: ``(name, request, context,
    next) -> async iterator``.

    Args:
        scope_handle: the owning scope; it must be open.
        name: its own name among registrations of this kind.
        priority: lower ones run first; ties by name.
        fn: the callback, sync or async.

    Raises:
        AlreadyRegistered: the name is taken (a RuntimeError).
        NotFound: the scope has ended (a RuntimeError).
        TypeError: an argument has the wrong type.
    """
    registry.llm_stream_intercepts.register(name, priority, fn, scope=scope_handle)


def deregister_llm_stream_execution(scope_handle: Span, name: str) -> bool:
    """Remove it; False when the name is unknown.

    Args:
        scope_handle: the owning scope; it must be open.
        name: the name it was registered under.

    Returns:
        Whether there was one of that name.
    """
    return registry.llm_stream_intercepts.deregister(name, scope_handle)
