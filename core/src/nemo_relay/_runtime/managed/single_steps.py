# SPDX-License-Identifier: Apache-2.0
"""Single steps of a managed call on their own: only the guardrails, only the request intercepts."""

from __future__ import annotations

from typing import Any

from nemo_relay._runtime.awaitables import running_loop
from nemo_relay._runtime.managed.call import Edits, ManagedCall
from nemo_relay._runtime.managed.guardrails import check
from nemo_relay._runtime.managed.layers import drive
from nemo_relay._runtime.managed.results import LLMRequestInterceptOutcome
from nemo_relay._runtime.registry import registry
from nemo_relay._runtime.tree import propagation
from nemo_relay_codecs.request import LLMRequest


def _run(call: ManagedCall, steps: Any, name: str) -> Any:
    call.sync = running_loop() is None
    if call.sync:
        return drive(steps)
    steps.__qualname__ = name  # Python names a coroutine that nobody awaits
    return steps


def rewrite(call: ManagedCall) -> Any:
    """What the request intercepts make of the call's argument."""

    async def steps() -> Any:
        await call.middleware.rewrite(call)
        return call.argument

    return _run(call, steps(), "tools.request_intercepts")


def rewrite_request(call: ManagedCall) -> Any:
    """What the request intercepts make of an LLM request, as a complete outcome."""

    async def steps() -> Any:
        await call.middleware.rewrite(call)
        request = call.argument
        header = propagation.traceparent(call.parent)
        if header is not None and propagation.send_header:
            request = LLMRequest({**request.headers, "traceparent": header}, request.content)
        edits = call.edits or Edits()
        return LLMRequestInterceptOutcome(request, edits.annotated, edits.marks, edits.contributions)

    return _run(call, steps(), "llm.request_intercepts")


def check_guardrails(call: ManagedCall) -> Any:
    """Whether the guardrails let the call through; raises GuardrailRejected when one does not."""

    async def steps() -> Any:
        await check(call, registry.visible(call.middleware.guardrails, call.parent), mark=False)

    return _run(call, steps(), f"{'llm' if call.kind == 'llm' else 'tools'}.conditional_execution")
