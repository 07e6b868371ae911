# SPDX-License-Identifier: Apache-2.0
"""What a conditional guardrail may know about the call it is asked about, and answer besides a plain reason."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import NamedTuple, Self

from nemo_relay._runtime.tree.spans import Span
from nemo_relay.errors import GuardrailRejected


class Question(NamedTuple):
    """The call that a guardrail is asked about.

    Attributes:
        span: of the call; it has not begun. Its ``parent`` is what it will belong to.
        runs: whether the call goes on from here when nobody refuses; False where only the guardrails were asked.
        later: functions to call once it has begun, such as one that emits a mark under it. They must not raise.
    """

    span: Span
    runs: bool
    later: list[Callable[[], None]]


class Reason(str):
    """A reason to refuse a call that says more than its text.

    Attributes:
        guardrail: who refuses, where that is not the name of the registration.
        asks: whether a human may overrule it. Where nobody can be asked it is a refusal like any other.

    >>> Reason("not on a Sunday", guardrail="calendar").guardrail
    'calendar'
    """

    guardrail: str
    asks: bool

    def __new__(cls, text: str, *, guardrail: str = "", asks: bool = False) -> Self:
        made = super().__new__(cls, text)
        made.guardrail = guardrail
        made.asks = asks
        return made

    def rejection(self, guardrail: str, target: str, kind: str) -> GuardrailRejected:
        """The error that the caller gets.

        Args:
            guardrail: the name of the registration.
            target: the tool or the provider.
            kind: ``tool`` or ``llm``.

        Returns:
            A ``GuardrailRejected``; a subclass may make one of its own.
        """
        return GuardrailRejected(self, guardrail=self.guardrail or guardrail, target=target, kind=kind)


asked: ContextVar[Question | None] = ContextVar("nemo_relay_asked", default=None)
_approved: ContextVar[frozenset[str]] = ContextVar("nemo_relay_approved", default=frozenset())


def question() -> Question | None:
    """The call that the guardrail running here is asked about.

    Returns:
        The call; None outside a conditional guardrail.
    """
    return asked.get()


def approved() -> frozenset[str]:
    """The guardrails that a human has overruled for the call that is made here.

    Returns:
        Their names, as ``GuardrailRejected.guardrail`` has them.
    """
    return _approved.get()


@contextmanager
def approving(guardrails: frozenset[str]) -> Iterator[None]:
    """Let what is called inside the block pass these guardrails, and no others: a human has decided.

    Args:
        guardrails: their names, as ``GuardrailRejected.guardrail`` has them.
    """
    token = _approved.set(guardrails)
    try:
        yield
    finally:
        _approved.reset(token)
