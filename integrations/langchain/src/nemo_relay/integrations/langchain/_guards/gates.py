# SPDX-License-Identifier: Apache-2.0
"""Whether what was registered is asked: a guardrail that no gate of the framework leads to guards nothing."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any, Literal
from weakref import WeakKeyDictionary

from nemo_relay import logs
from nemo_relay.integrations.langchain._failures import TARGET
from nemo_relay.runtime_registrations import RuntimeRegistrationKind, list_runtime_registrations

Passage = Literal["tool guardrail", "llm guardrail", "tool intercept", "llm intercept"]

GUARDRAIL_PASSAGES: tuple[Passage, ...] = ("tool guardrail", "llm guardrail")
TOOL_PASSAGES: tuple[Passage, ...] = ("tool guardrail", "tool intercept")
LLM_PASSAGES: tuple[Passage, ...] = ("llm guardrail", "llm intercept")

_KINDS: dict[RuntimeRegistrationKind, Passage] = {
    RuntimeRegistrationKind.TOOL_CONDITIONAL_EXECUTION_GUARDRAIL: "tool guardrail",
    RuntimeRegistrationKind.LLM_CONDITIONAL_EXECUTION_GUARDRAIL: "llm guardrail",
    RuntimeRegistrationKind.TOOL_REQUEST_INTERCEPT: "tool intercept",
    RuntimeRegistrationKind.TOOL_EXECUTION_INTERCEPT: "tool intercept",
    RuntimeRegistrationKind.LLM_REQUEST_INTERCEPT: "llm intercept",
    RuntimeRegistrationKind.LLM_EXECUTION_INTERCEPT: "llm intercept",
    RuntimeRegistrationKind.LLM_STREAM_EXECUTION_INTERCEPT: "llm intercept",
}
# As long as somebody holds the middleware, handler, tool or model.
_gates: WeakKeyDictionary[Any, tuple[Passage, ...]] = WeakKeyDictionary()
_reported: set[tuple[Passage, str]] = set()


@dataclass(frozen=True, slots=True)
class Status:
    """What holds in this process.

    Attributes:
        state: ``"degraded"`` when something is registered that nothing asks.
        reason: what, and what to do about it; None when all is well.
        registered: names of guardrails and intercepts, by what they decide about.
        gates: what leads LangChain's calls to them, with how many of each there are.
        failures: callbacks that failed; see ``callback_failures``.
    """

    state: Literal["ok", "degraded"]
    reason: str | None
    registered: dict[Passage, list[str]] = field(default_factory=dict)
    gates: dict[Passage, dict[str, int]] = field(default_factory=dict)
    failures: dict[str, int] = field(default_factory=dict)


def open_gate(gate: Any, *passages: Passage) -> None:
    """``gate`` leads calls of the framework to what is registered, for as long as it lives.

    Args:
        gate: an object of the application, such as a wrapped tool; it is not kept alive.
        *passages: what can be asked through it.
    """
    _gates[gate] = passages


def close_gate(gate: Any) -> None:
    """``gate`` does not do so yet, or any more."""
    _gates.pop(gate, None)


def live() -> dict[Passage, dict[str, int]]:
    """The gates there are, by what they lead to: how many of each class."""
    found: dict[Passage, Counter[str]] = {}
    for gate, passages in list(_gates.items()):
        name = gate.__name__ if isinstance(gate, type) else type(gate).__name__
        for passage in passages:
            found.setdefault(passage, Counter())[name] += 1
    return {passage: dict(count) for passage, count in found.items()}


def registered() -> dict[Passage, list[str]]:
    """The names of what is registered globally."""
    found: dict[Passage, list[str]] = {}
    for known in list_runtime_registrations(set(_KINDS)):
        found.setdefault(_KINDS[known.kind], []).append(known.effective_name)
    return found


def unreached() -> list[tuple[Passage, str]]:
    """What is registered, and nothing asks; each is logged the first time."""
    reached = live()
    found = [(passage, name) for passage, names in registered().items() for name in names if passage not in reached]
    for passage, name in found:
        if (passage, name) not in _reported:
            _reported.add((passage, name))
            # At a level that is shown where nothing is configured: it guards nothing.
            logs.error(explained([(passage, name)]), target=TARGET, fields={"event": "nothing_asks", "name": name})
    return found


def explained(missing: list[tuple[Passage, str]]) -> str:
    """What is not asked, and the remedy."""
    named = ", ".join(f"{passage} {name!r}" for passage, name in missing)
    return (
        f"nothing in LangChain asks the {named}: give agents RelayMiddleware, or wrap the tools and models "
        "(wrap_tools, wrap_chat_model); for guardrails the callback handler or instrument() is enough"
    )
