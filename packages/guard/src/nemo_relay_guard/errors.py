# SPDX-License-Identifier: Apache-2.0
"""What a guard raises.

::

    nemo_relay.errors.GuardrailRejected   RuntimeError
    └── BudgetExceeded                    a call would break a budget
"""

from __future__ import annotations

from nemo_relay.errors import GuardrailRejected
from nemo_relay.guardrails import Reason


class BudgetExceeded(GuardrailRejected):
    """A call was refused before it was made: it would break a budget.

    Attributes:
        budget: the name of the budget.
        limit_kind: ``usd``, ``tokens``, ``llm_calls``, ``tool_calls``, ``seconds``, ``depth`` or ``repeats``.
        limit: how much there is.
        spent: how much is spent, with what is under way.
    """

    budget: str
    limit_kind: str
    limit: float
    spent: float


class Overspent(Reason):
    """The reason of a ``BudgetExceeded``."""

    budget: str
    limit_kind: str
    limit: float
    spent: float

    @classmethod
    def of(cls, budget: str, limit_kind: str, limit: float, spent: float, *, asks: bool) -> Overspent:
        """The reason why a call would break ``budget``."""
        kind = limit_kind.replace("_", " ")
        text = f"the budget {budget!r} allows {limit:g} {kind}, and {spent:g} are spent or under way"
        made = cls(text, guardrail=f"guard:{budget}", asks=asks)
        made.budget, made.limit_kind, made.limit, made.spent = budget, limit_kind, limit, spent
        return made

    def rejection(self, guardrail: str, target: str, kind: str) -> BudgetExceeded:
        """The error that the caller gets."""
        error = BudgetExceeded(self, guardrail=self.guardrail or guardrail, target=target, kind=kind)
        error.budget, error.limit_kind = self.budget, self.limit_kind
        error.limit, error.spent = self.limit, self.spent
        return error
