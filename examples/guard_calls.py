# SPDX-License-Identifier: Apache-2.0
"""Policies from a configuration: a rule refuses a command, another masks what a tool gets, a budget ends a loop."""

from __future__ import annotations

import asyncio
import tomllib
from typing import Any

from nemo_relay import ScopeType, plugin, scope, tools
from nemo_relay.audit import BudgetExceeded, audit
from nemo_relay.errors import GuardrailRejected
from nemo_relay.testing import capture_events

DOCUMENT = tomllib.loads(r"""
[[components]]
kind = "guard"

[[components.config.rules]]
name = "no-rm"
on = "tool"
tools = ["bash"]
where = [{ path = "/command", regex = '\brm\s+-rf\b' }]
verdict = "deny"
reason = "deleting trees is not allowed here"

[[components.config.rules]]
name = "no-mail-addresses"
on = "tool"
verdict = "redact"
detectors = ["email"]
replacement = "<{name}>"

[[components.config.budgets]]
name = "per-run"
limit = { tool_calls = 3 }
""")


async def bash(args: dict[str, Any]) -> str:
    return f"ran {args['command']}"


async def main() -> None:
    with capture_events() as captured:
        async with plugin.activate(DOCUMENT):
            with scope.scope("builder", ScopeType.Agent):
                for command in ("ls", "rm -rf /", "mail jane@example.com", "pwd", "whoami"):
                    try:
                        print(await tools.execute("bash", {"command": command}, bash))
                    except BudgetExceeded as broken:
                        print(f"{broken.budget}: {broken.reason}")
                    except GuardrailRejected as refusal:
                        print(f"{refusal.guardrail}: {refusal.reason}")
    report = audit(captured.events, DOCUMENT)
    print(f"{report.calls} calls, {report.receipts} receipts, {len(report.missing)} missing")
    assert report.ok


asyncio.run(main())
