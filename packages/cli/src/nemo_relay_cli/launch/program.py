# SPDX-License-Identifier: Apache-2.0
"""Any program on an SDK of OpenAI, Anthropic or Gemini: the SDKs read where their provider is from the environment."""

from __future__ import annotations

from collections.abc import Sequence

from nemo_relay_cli.launch.plan import Plan, Run, from_environment

AGENT = "program"
HOST = None
_BASES = {
    "OPENAI_BASE_URL": "openai",
    "OPENAI_API_BASE": "openai",
    "ANTHROPIC_BASE_URL": "anthropic",
    "GOOGLE_GEMINI_BASE_URL": "gemini",
}


def upstream(arguments: Sequence[str]) -> dict[str, str]:
    """Where the user's own providers are."""
    return from_environment(_BASES)


def plan(command: list[str], arguments: list[str], run: Run) -> Plan:
    """How a program is started.

    Args:
        command: the program.
        arguments: its own.
        run: the gateway that its SDK talks to.
    """
    environment = {
        "OPENAI_BASE_URL": f"{run.base('openai')}/v1",
        "OPENAI_API_BASE": f"{run.base('openai')}/v1",
        "ANTHROPIC_BASE_URL": run.base("anthropic"),
        "GOOGLE_GEMINI_BASE_URL": run.base("gemini"),
        "NEMO_RELAY_GATEWAY_URL": run.url,
    }
    return Plan(AGENT, [*command, *arguments], environment)
