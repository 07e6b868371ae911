# SPDX-License-Identifier: Apache-2.0
"""The managed call: what happens around a tool or LLM call, in which order.

The order is written once, in ``steps``, as a coroutine that an asynchronous call awaits in its own task. A synchronous
call runs the very same to its end without an event loop (``drive``): whatever could be awaited in it is waited for
on the spot, so it never suspends, and neither can drift from the other.
"""

from __future__ import annotations

from typing import Any

from nemo_relay._runtime.awaitables import block_on
from nemo_relay._runtime.log import faults
from nemo_relay._runtime.managed.call import ManagedCall
from nemo_relay._runtime.managed.guardrails import check
from nemo_relay._runtime.managed.layers import Raised, descend, unwrap
from nemo_relay._runtime.managed.scope import is_cancellation
from nemo_relay._runtime.registry import registry
from nemo_relay._runtime.tree import context
from nemo_relay._runtime.tree.spans import Span
from nemo_relay.errors import CallbackError, InvalidArgument

_get = context.position.get
_set = context.position.set


async def steps(call: ManagedCall) -> Any:
    """Guardrails, request intercepts, start event, execution intercepts around the callback, end event."""
    span = call.span
    options, middleware = call.options, call.middleware
    guardrails = registry.visible(middleware.guardrails, span.parent_span) if options.conditional_execution else ()
    if guardrails:
        await check(call, guardrails)
    if options.request_intercepts:
        await middleware.rewrite(call)
    call.events.start_shaped(call)
    for act in call.later or ():
        act()
    before = _get()
    if registry.activity.owners:
        registry.remember_place(span)
    _set(span)
    layers = registry.visible(middleware.layers, span) if options.execution_intercepts else ()
    try:
        if layers:
            produced = await descend(call, layers, 0, call.argument)
            if type(produced) is Raised:
                unwrap(produced)
        else:
            raw = call.func(call.argument)
            if hasattr(type(raw), "__await__"):
                raw = block_on(raw) if call.sync else await raw
            produced = middleware.produced(raw)
    except BaseException as error:
        _set(before)
        call.events.end_failed(span, error)
        if call.sync:
            return Raised(error)
        raise
    _set(before)
    return call.events.end_shaped(call, produced)


def failure(span: Span, error: BaseException) -> dict[str, Any]:
    """The end metadata of a call that raised ``error``."""
    if isinstance(error, GeneratorExit) or (is_cancellation(error) and _is_cancelling()):
        label = "LLM" if span.category == "llm" else "tool"
        return {"otel.status_code": "ERROR", "otel.status_description": f"{label} execution cancelled"}
    given = span.given_metadata if isinstance(span.given_metadata, dict) else {}
    status: dict[str, Any] = {"otel.status_code": "ERROR"}
    if isinstance(error, (InvalidArgument, CallbackError)):
        kind = "invalid_argument" if isinstance(error, InvalidArgument) else "internal_error"
        status |= {"otel.status_description": faults.text(error), "error.type": kind}
    else:
        name = type(error).__name__
        status |= {
            "otel.status_description": f"internal error: {faults.describe(error)}",
            "error.type": "internal_error",
            "exception.type": name,
        }
    return {key: given.get(key, value) if "." in key and key[0] == "e" else value for key, value in status.items()}


def _is_cancelling() -> bool:
    """Whether somebody cancelled this task; otherwise the callback raised CancelledError by itself."""
    import asyncio

    try:
        task = asyncio.current_task()
    except RuntimeError:
        return False
    return task is not None and task.cancelling() > 0
