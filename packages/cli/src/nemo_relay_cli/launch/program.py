# SPDX-License-Identifier: Apache-2.0
"""Any program on an SDK of OpenAI, Anthropic or Gemini: the SDKs read where their provider is from the environment."""

from __future__ import annotations

from nemo_relay_cli.launch.plan import Plan, Run

AGENT = "program"


def plan(command: list[str], arguments: list[str], run: Run) -> Plan:
    """How a program is started.

    Args:
        command: the program.
        arguments: its own.
        run: the gateway that its SDK talks to.
    """
    base = f"{run.url}/run/{run.token}"
    environment = {
        "OPENAI_BASE_URL": f"{base}/openai/v1",
        "OPENAI_API_BASE": f"{base}/openai/v1",
        "ANTHROPIC_BASE_URL": f"{base}/anthropic",
        "GOOGLE_GEMINI_BASE_URL": f"{base}/gemini",
        "NEMO_RELAY_GATEWAY_URL": run.url,
    }
    return Plan(AGENT, [*command, *arguments], environment)
