# SPDX-License-Identifier: Apache-2.0
"""What the component ``guard`` costs a tool call: a call without it, and with 100 rules, in alternation.

python benchmarks/bench_guard.py
"""

from __future__ import annotations

import asyncio
import statistics
import time
from typing import Any

from nemo_relay import plugin, tools

CALLS = 2_000
ARGS = {"command": "git status --short", "path": "/tmp/x.txt", "url": "https://example.com/a", "n": 3}
TESTS: list[dict[str, Any]] = [
    {"path": "/command", "regex": r"\brm\s+-rf\b"},
    {"path": "/command", "contains": "mkfs"},
    {"path": "/url", "host_in": ["*.evil.example"]},
    {"path": "/command", "glob": "sudo *"},
    {"path": "/n", "in": [7, 8, 9]},
]


def rules(kind: str) -> list[dict[str, Any]]:
    """A hundred rules, of which five are for the tool that is called, all of them are, or all are patterns."""
    made = []
    for number in range(100):
        rule = {"name": f"r{number}", "on": "tool", "where": [TESTS[number % len(TESTS)]], "verdict": "deny"}
        if kind == "patterns":
            rule["where"] = [{"path": "/command", "regex": rf"\bforbidden-{number}\s+-rf\b"}]
        if kind == "some" and number >= 5:
            rule["tools"] = [f"tool-{number}", f"other-{number}*"]
        made.append(rule)
    return made


async def once(document: dict[str, Any] | None) -> float:
    """Microseconds of processor time a call."""

    async def tool(args: Any) -> str:
        return "ok"

    async def calls() -> float:
        for _ in range(200):
            await tools.execute("bash", ARGS, tool)
        began = time.process_time_ns()
        for _ in range(CALLS):
            await tools.execute("bash", ARGS, tool)
        return (time.process_time_ns() - began) / CALLS / 1_000

    if document is None:
        return await calls()
    async with plugin.activate(document):
        return await calls()


async def main() -> None:
    kinds = ("some", "mixed", "patterns")
    documents = {kind: {"components": [{"kind": "guard", "config": {"rules": rules(kind)}}]} for kind in kinds}
    found: dict[str, list[float]] = {"none": [], **{kind: [] for kind in kinds}}
    for _ in range(5):
        found["none"].append(await once(None))
        for kind, document in documents.items():
            found[kind].append(await once(document))
    base = statistics.median(found["none"])
    for kind, times in found.items():
        median = statistics.median(times)
        print(f"{kind:10}{median:8.1f} us a call, {median - base:8.1f} us of them the guard's")


asyncio.run(main())
