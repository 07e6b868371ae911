# SPDX-License-Identifier: Apache-2.0
"""Policies on what agents may do: the component ``guard``.

Rules in a configuration allow, deny, ask, rewrite and redact tool and model calls; budgets refuse the call that would
break them. Each guard that ran leaves a receipt, and ``audit`` reads them.
"""

from __future__ import annotations

try:
    from nemo_relay.siblings import expect_core
except ImportError as error:
    raise ImportError(
        "nemo-relay-guard needs the nemo-relay of its own version, and found another package of that name: "
        'pip install --find-links dist "nemo-relay[guard]>=0.12"'
    ) from error
else:
    expect_core("nemo-relay-guard")

from nemo_relay_guard.audit import AuditReport, audit
from nemo_relay_guard.errors import BudgetExceeded

__all__ = ["AuditReport", "BudgetExceeded", "audit"]
