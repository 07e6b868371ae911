# SPDX-License-Identifier: Apache-2.0
"""A human decides about a tool call that a guardrail stopped: the question, the answers, and what they allow."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any

from nemo_relay.errors import GuardrailRejected
from nemo_relay.guardrails import approved, approving
from nemo_relay.runtime_registrations import (
    RuntimeRegistrationKind,
    deregister_conditional_middleware_guardrail,
    register_conditional_middleware_guardrail,
)

DECISIONS = ["approve", "edit", "reject", "respond"]
_TOOL_GUARDRAIL = RuntimeRegistrationKind.TOOL_CONDITIONAL_EXECUTION_GUARDRAIL


class CannotPause(Exception):
    """There is no run that could wait for a human."""


def question(refusal: GuardrailRejected, name: str, args: Any) -> dict[str, Any]:
    """The payload of the interrupt, in the shape of LangChain's human-in-the-loop middleware."""
    asked = {"name": name, "args": args, "description": f"{refusal.guardrail}: {refusal.reason}"}
    return {
        "action_requests": [asked],
        "review_configs": [{"action_name": name, "allowed_decisions": list(DECISIONS)}],
    }


def ask(refusal: GuardrailRejected, name: str, args: Any) -> dict[str, Any]:
    """Pause the run for a human; when it is resumed, the decision.

    Raises:
        GraphInterrupt: the run pauses here.
        CannotPause: the call is not made by a node of a graph.
        ValueError: the answer is no decision.
    """
    try:
        from langgraph.types import interrupt

        answer = interrupt(question(refusal, name, args))
    except (ImportError, KeyError, RuntimeError) as error:  # no graph around: nobody could ever answer
        raise CannotPause from error
    decisions = answer.get("decisions") if isinstance(answer, dict) else None
    decision = decisions[0] if isinstance(decisions, list) and len(decisions) == 1 else answer
    if not isinstance(decision, dict) or decision.get("type") not in DECISIONS:
        raise ValueError(
            f"the answer to the review of {name!r} must be {{'decisions': [{{'type': 'approve' | 'edit' | 'reject' |"
            f" 'respond', ...}}]}}, got {answer!r}"
        )
    return decision


@contextmanager
def overruling(guardrails: frozenset[str]) -> Iterator[None]:
    """Let the call inside the block pass these guardrails: a human approved it."""
    _open_gates(guardrails)
    try:
        with approving(guardrails):
            yield
    finally:
        _close_gates(guardrails)


# How many approved calls need the gate of a guardrail; a gate that stayed would slow every later call of the process.
_in_use: Counter[str] = Counter()
_lock = threading.Lock()


def _open_gates(guardrails: frozenset[str]) -> None:
    with _lock:
        for name in guardrails:
            if not _in_use[name]:
                register_conditional_middleware_guardrail(_gate(name), {_TOOL_GUARDRAIL}, name, _is_overruled)
            _in_use[name] += 1


def _close_gates(guardrails: frozenset[str]) -> None:
    with _lock:
        for name in guardrails:
            _in_use[name] -= 1
            if not _in_use[name]:
                deregister_conditional_middleware_guardrail(_gate(name))
                del _in_use[name]


def _gate(guardrail: str) -> str:
    return f"nemo_relay.integrations.langchain.approved:{guardrail}"


def nothing_overruled() -> AbstractContextManager[None]:
    """What runs inside an approved call was not approved with it."""
    return approving(frozenset())


def _is_overruled(_kinds: object, name: str) -> str | None:
    return "approved by a human" if name in approved() else None
