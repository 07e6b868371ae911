# SPDX-License-Identifier: Apache-2.0
"""The adapter's account of itself."""

from __future__ import annotations

from nemo_relay.integrations.langchain._failures import callback_failures
from nemo_relay.integrations.langchain._guards import gates
from nemo_relay.integrations.langchain._guards.gates import Status


def status() -> Status:
    """Whether guardrails and intercepts that are registered can act on what LangChain does in this process.

    A gate is a ``RelayMiddleware``, a wrapped tool or model, a tool node of ``create_tool_node``, or, for guardrails,
    a callback handler that enforces. Registrations of a single scope are not looked at.

    Returns:
        ``degraded``, with the reason, when something is registered that no gate leads to. It is logged once, too.

    >>> from nemo_relay import guardrails
    >>> from nemo_relay.integrations.langchain import RelayMiddleware, status
    >>> middleware = RelayMiddleware()
    >>> guardrails.register_tool_conditional_execution("no-rm", 10, lambda name, args: None)
    >>> status().state
    'ok'
    >>> guardrails.deregister_tool_conditional_execution("no-rm")
    True
    """
    missing = gates.unreached()
    return Status(
        state="degraded" if missing else "ok",
        reason=gates.explained(missing) if missing else None,
        registered=gates.registered(),
        gates=gates.live(),
        failures=callback_failures(),
    )
