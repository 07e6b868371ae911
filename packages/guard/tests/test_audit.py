# SPDX-License-Identifier: Apache-2.0
"""Receipts, and what an audit of them finds."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from nemo_relay import ScopeType, atof, plugin, scope, tools
from nemo_relay.audit import audit
from nemo_relay.errors import GuardrailRejected

from .conftest import Json, guarded

RULES: list[Json] = [
    {
        "name": "no-rm",
        "on": "tool",
        "tools": ["bash"],
        "where": [{"path": "/command", "contains": "rm"}],
        "verdict": "deny",
    },
    {"name": "out", "on": "tool_result", "verdict": "redact", "detectors": ["email"]},
]
DOCUMENT: Json = {"components": [{"kind": "guard", "config": {"rules": RULES}}]}


async def calls() -> None:
    with scope.scope("agent", ScopeType.Agent):
        await tools.execute("bash", {"command": "ls"}, lambda args: "jane@example.com", tool_call_id="c1")
        with pytest.raises(GuardrailRejected):
            await tools.execute("bash", {"command": "rm"}, lambda args: 1, tool_call_id="c2")
        await tools.execute("other", {}, lambda args: 1)


async def test_receipts_stand_under_the_call_or_under_its_parent_where_it_was_refused() -> None:
    async with guarded(*RULES) as seen:
        await calls()
    agent, bash = (next(e for e in seen.events if e["name"] == name) for name in ("agent", "bash"))
    shown = [
        (one["data"]["guard"], one["data"]["on"], one["data"]["verdict"], one["parent_uuid"]) for one in seen.receipts()
    ]
    other = next(e for e in seen.events if e["name"] == "other")
    assert shown == [
        ("guard:no-rm", "tool", "allow", bash["uuid"]),
        ("guard:out", "tool_result", "redact", bash["uuid"]),
        ("guard:no-rm", "tool", "deny", agent["uuid"]),
        ("guard:out", "tool_result", "allow", other["uuid"]),
    ]
    first, _, refused, _ = (one["data"] for one in seen.receipts())
    assert first["call"] == bash["uuid"] and first["tool_call_id"] == "c1"
    assert refused["call"] is None and refused["tool_call_id"] == "c2"
    assert first["version"] == refused["version"] and first["version"].startswith("sha256:")
    assert set(first) == {"guard", "version", "on", "verdict", "call", "tool_call_id", "digest", "coverage", "micros"}
    assert "jane" not in json.dumps(seen.receipts()) and "ls" not in json.dumps(first["digest"][7:][:0])


async def test_a_run_with_all_its_receipts_and_one_without() -> None:
    async with guarded(*RULES) as seen:
        await calls()
    events = seen.events
    report = audit(events, DOCUMENT)
    assert report.ok and report.calls == 2 and report.receipts == 4
    without = [e for e in events if not (e["name"].endswith("receipt") and e["data"]["guard"] == "guard:out")]
    missing = audit(without, DOCUMENT).missing
    assert [(one["name"], one["guard"], one["on"]) for one in missing] == [
        ("bash", "guard:out", "tool_result"),
        ("other", "guard:out", "tool_result"),
    ]
    assert audit(without, {"components": []}).ok
    # Without a document a guard is expected wherever it was seen with such a call.
    uuid = next(e["uuid"] for e in events if e["name"] == "bash" and e["kind"] == "scope")
    second = [json.loads(json.dumps(e).replace(uuid, "another")) for e in events if e["name"] == "bash"]
    assert [one["guard"] for one in audit([*events, *second]).missing] == ["guard:no-rm", "guard:out"]


async def test_a_call_that_ran_although_it_was_refused() -> None:
    async with guarded(*RULES, mode="observe") as seen:
        await tools.execute("bash", {"command": "rm"}, lambda args: 1)
    assert [one["guard"] for one in audit(seen.events, DOCUMENT).denied_but_run] == ["guard:no-rm"]


@pytest.mark.allow_blocking
async def test_a_line_that_was_changed(tmp_path: Path) -> None:
    config = atof.AtofExporterConfig()
    config.output_directory, config.filename, config.hash_chain = str(tmp_path), "events.jsonl", True
    exporter = atof.AtofExporter(config)
    exporter.register("file")
    async with plugin.activate(DOCUMENT):
        await calls()
    exporter.deregister("file")
    exporter.shutdown()
    path = tmp_path / "events.jsonl"
    assert audit(path, DOCUMENT).ok
    lines = path.read_bytes().splitlines(keepends=True)
    lines[2] = lines[2].replace(b"allow", b"denyy")
    path.write_bytes(b"".join(lines))
    report = audit(path, DOCUMENT)
    assert report.tampered == 4 and not report.ok
