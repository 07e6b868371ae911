# SPDX-License-Identifier: Apache-2.0
"""Reads the receipts of a recorded run: which calls had a guard that should have looked at them, and no receipt.

All of it is ``nemo_relay_guard``, a distribution of its own (the extra ``guard``); without it any name asked for here
raises ``MissingExtra``, an ImportError.

>>> from nemo_relay.audit import audit
>>> audit([]).ok
True
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from nemo_relay.siblings import names_of

if TYPE_CHECKING:
    from nemo_relay_guard import AuditReport, BudgetExceeded, audit

__all__ = ["AuditReport", "BudgetExceeded", "audit"]
__getattr__ = names_of("nemo_relay_guard", "guard", __all__, globals())


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
