# SPDX-License-Identifier: Apache-2.0
"""Conditional guardrails: the first step of a managed call. Each one shows as a scope of its own."""

from __future__ import annotations

from typing import Any

from nemo_relay._runtime import clock
from nemo_relay._runtime.awaitables import block_on
from nemo_relay._runtime.emission import emit
from nemo_relay._runtime.enums import ScopeType
from nemo_relay._runtime.guard import blame
from nemo_relay._runtime.log import faults
from nemo_relay._runtime.managed.call import ManagedCall
from nemo_relay._runtime.managed.scope import is_cancellation
from nemo_relay._runtime.registry import registry
from nemo_relay._runtime.registry.questions import Question, Reason, asked
from nemo_relay._runtime.registry.registration import Entry
from nemo_relay._runtime.tree.spans import ScopeHandle
from nemo_relay.errors import CallbackError, GuardrailRejected
from nemo_relay_records.encoding import encode


async def check(call: ManagedCall, guardrails: tuple[Entry, ...], *, mark: bool = True) -> None:
    """Ask ``guardrails`` in order; the first that answers with a reason ends the call.

    Raises:
        GuardrailRejected: one of them refused.
        CallbackError: one of them answered with something that is neither None nor a string.
    """
    arguments = call.middleware.question(call)
    call.later = []
    question = Question(call.span, mark, call.later)
    for entry in guardrails:
        span = _start(call, entry)
        token = asked.set(question)
        try:
            reason = entry.fn(*arguments)
            if hasattr(type(reason), "__await__"):
                reason = block_on(reason) if call.sync else await reason
            if reason is not None and not isinstance(reason, str):
                got = type(reason).__name__
                kind = "LLM" if call.kind == "llm" else call.kind
                raise CallbackError(
                    f"{kind} conditional guardrail returned unexpected type: TypeError:"
                    f" '{got}' object is not an instance of 'str'"
                )
        except BaseException as error:
            _end(span, _failed(error))
            blame(error, "guardrail", entry.name, f"that was asked about the {call.kind} call {call.name!r}")
            raise
        finally:
            asked.reset(token)
        if reason is None:
            _end(span, {"allowed": True, "rejected": False})
            continue
        _end(span, {"allowed": False, "rejected": True, "rejection_reason": reason})
        if mark:
            data = {"rejected": True, "rejection_reason": reason}
            emit.mark(call.name, call.parent, data=data, metadata=call.metadata)
        if isinstance(reason, Reason):
            raise reason.rejection(entry.name, call.name, call.kind)
        raise GuardrailRejected(reason, guardrail=entry.name, target=call.name, kind=call.kind)


def _start(call: ManagedCall, entry: Entry) -> ScopeHandle:
    parent = call.parent
    span = ScopeHandle(entry.name, ScopeType.Guardrail, parent, parent.stack, metadata=call.metadata)
    audience = registry.audience(parent)
    if audience is not None:
        emit.start(span, audience, clock.source(), encode(call.middleware.subject(call)))
    return span


def _end(span: ScopeHandle, verdict: dict[str, Any]) -> None:
    span.is_open = False
    audience = registry.audience(span)
    if audience is not None:
        emit.end(span, audience, emit.end_time(span), encode(verdict), None)


def _failed(error: BaseException) -> dict[str, Any]:
    if is_cancellation(error) or isinstance(error, GeneratorExit):
        return {"allowed": False, "cancelled": True, "error": "guardrail evaluation cancelled"}
    shown = str(error) if isinstance(error, CallbackError) else f"internal error: {faults.describe(error)}"
    return {"allowed": False, "error": shown}
