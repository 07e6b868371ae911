# SPDX-License-Identifier: Apache-2.0
"""`skill.load` marks: which calls load a skill, answered as the published package answers them, and their shape."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from nemo_relay import ToolExecutionResult, guardrails, intercepts, tools
from nemo_relay._runtime.emission.skills import skill_loads

from ..conftest import Driver, Ear

VECTORS = [json.loads(line) for line in Path(__file__).with_name("skill_loads.jsonl").read_text().splitlines()]


@pytest.mark.parametrize("vector", VECTORS, ids=lambda vector: f"{vector['tool']} {vector['args']}"[:60])
def test_what_loads_a_skill(vector: Any) -> None:
    found = skill_loads(vector["tool"], vector["args"], vector["metadata"])
    assert [list(pair) for pair in found] == vector["skills"]


def test_a_mark_follows_the_start_at_the_same_time(run: Driver, ear: Ear) -> None:
    run.tool("read_file", {"paths": ["/skills/pdf/SKILL.md", "/skills/xlsx/SKILL.md"]}, lambda args: 1)
    assert ear.names() == ["start read_file", "mark skill.load", "mark skill.load", "end read_file"]
    start = ear.start("read_file")
    first, second = ear.marks()
    assert first["data"] == {"skill_name": "pdf"}
    assert first["metadata"] == {"skill_load_source": "structured_read", "tool_name": "read_file"}
    assert second["data"] == {"skill_name": "xlsx"}
    for mark in (first, second):
        assert (mark["parent_uuid"], mark["timestamp"]) == (start["uuid"], start["timestamp"])
        assert (mark["category"], mark["category_profile"], mark["data_schema"]) == (None, None, None)


def test_manual_calls_have_marks_too(ear: Ear) -> None:
    tools.call_end(tools.call("skill", {"name": "pdf"}), ToolExecutionResult(1))
    assert ear.names() == ["start skill", "mark skill.load", "end skill"]


def test_the_arguments_that_count_are_those_the_tool_gets(run: Driver, ear: Ear) -> None:
    intercepts.register_tool_request("i", 0, False, lambda name, args: {"path": "/skills/pdf/SKILL.md"})
    run.tool("read", {"path": "/etc/hosts"}, lambda args: 1)
    assert [mark["data"] for mark in ear.marks()] == [{"skill_name": "pdf"}]


def test_the_application_may_say_it_itself(ear: Ear) -> None:
    loads = [{"skill_name": "own", "source": "skill_tool"}]
    args = {"path": "/skills/pdf/SKILL.md"}
    tools.call("anything", {}, metadata={"nemo_relay.skill_loads": loads})
    tools.call("read", args, metadata={"nemo_relay.skill_load_handled": True})
    assert [mark["data"]["skill_name"] for mark in ear.marks()] == ["own"]


def test_marks_pass_the_mark_sanitizers(ear: Ear) -> None:
    guardrails.register_mark_sanitize("a", 0, lambda event, fields: {**fields, "data": None})
    tools.call("skill", {"name": "secret project"})
    assert ear.one("skill.load")["data"] is None


class Hostile(dict[str, Any]):
    """A dict that cannot be walked."""

    def items(self) -> Any:
        raise RuntimeError("no")


def cyclic() -> Any:
    made: dict[str, Any] = {"path": "/skills/pdf/SKILL.md"}
    made["self"] = [made, made]
    return made


def deep() -> Any:
    made: Any = {}
    for _ in range(100_000):
        made = {"a": made}
    return made


def test_odd_arguments_never_fail_a_call(ear: Ear) -> None:
    assert skill_loads("read", cyclic()) == [("pdf", "structured_read")]
    for args in (Hostile(path="/skills/pdf/SKILL.md"), deep(), {1: "x"}, object(), None):
        assert tools.execute_sync("read", args, lambda args: args) is args
    assert len(ear.events()) == 10
