# SPDX-License-Identifier: Apache-2.0
"""Managed tool calls: an intercept mends one, a guardrail refuses another, and all of it is recorded."""

from __future__ import annotations

from typing import Any

from nemo_relay import ScopeType, guardrails, intercepts, scope, tools
from nemo_relay.errors import GuardrailRejected
from nemo_relay.testing import capture_events


def delete_files(args: dict[str, Any]) -> dict[str, Any]:
    return {"deleted": args["paths"]}


def not_outside(name: str, args: dict[str, Any]) -> str | None:
    outside = [path for path in args["paths"] if not path.startswith("build/")]
    return f"{name} may not touch {outside}" if outside else None


def without_repeats(name: str, args: dict[str, Any]) -> dict[str, Any]:
    return {**args, "paths": sorted(set(args["paths"]))}


guardrails.register_tool_conditional_execution("not-outside", 0, not_outside)
intercepts.register_tool_request("without-repeats", 0, False, without_repeats)

with capture_events() as captured, scope.scope("cleaner", ScopeType.Agent):
    print(tools.execute_sync("delete_files", {"paths": ["build/b", "build/a", "build/b"]}, delete_files))
    try:
        tools.execute_sync("delete_files", {"paths": ["build/a", "/etc/passwd"]}, delete_files)
    except GuardrailRejected as refusal:
        print(refusal)

for event in captured.events:
    print(event.kind, event.category, event.name, event.data)
