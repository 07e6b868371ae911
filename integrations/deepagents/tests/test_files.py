# SPDX-License-Identifier: Apache-2.0
"""Scenario 55: the filesystem tools, what they touch, and what their permissions refuse."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from deepagents import FilesystemPermission
from deepagents.backends import FilesystemBackend
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.types import Command

from nemo_relay.integrations.deepagents import create_deep_agent
from nemo_relay.testing import CapturedEvents

from .crew import START, Cast, calling, cast_for, crew, marks, named, only, run

CALLS: tuple[tuple[str, dict[str, Any]], ...] = (
    ("write_file", {"file_path": "/notes.txt", "content": "größe"}),
    ("read_file", {"file_path": "/notes.txt"}),
    ("edit_file", {"file_path": "/notes.txt", "old_string": "größe", "new_string": "size"}),
    ("glob", {"pattern": "*.txt", "path": "/"}),
    ("grep", {"pattern": "size", "path": "/"}),
    ("ls", {"path": "/"}),
)


def one_by_one(*calls: tuple[str, dict[str, Any]]) -> Cast:
    """A model that makes these calls, each in a turn of its own."""
    turns = [calling((name, args, f"f{number}")) for number, (name, args) in enumerate(calls)]
    return Cast(parts={"start": [*turns, "all done"]})


@pytest.mark.parametrize("asynchronous", [False, True])
async def test_s55_each_operation(events: CapturedEvents, asynchronous: bool) -> None:
    await run(create_deep_agent(one_by_one(*CALLS), name="main"), START, asynchronous)
    tools = [node for node in only(events, "main").walk() if node.category == "tool"]
    assert [(node.name, node.outcome) for node in tools] == [(name, "ok") for name, _ in CALLS]
    assert [node.input for node in tools] == [args for _, args in CALLS]
    resources = {node.name: node.metadata["resource"] for node in tools}
    assert resources["write_file"] == {"path": "/notes.txt", "operation": "write", "bytes": 7}
    assert resources["edit_file"] == {"path": "/notes.txt", "operation": "edit", "bytes": 4}
    assert [resources[name]["operation"] for name in ("read_file", "glob", "grep", "ls")] == [
        "read",
        "search",
        "search",
        "list",
    ]
    assert resources["read_file"]["bytes"] == len(tools[1].output["content"].encode())


def test_s55_the_backend_is_named(events: CapturedEvents, tmp_path: Path) -> None:
    backend = FilesystemBackend(root_dir=tmp_path, virtual_mode=True)
    model = cast_for("general-purpose", **{"general-purpose": one_by_one(*CALLS[:2]).parts["start"]})
    create_deep_agent(**crew(model, backend=backend)).invoke(START)
    assert (tmp_path / "notes.txt").read_text(encoding="utf-8") == "größe"
    assert only(events, "write_file").metadata["resource"]["backend"] == "FilesystemBackend"
    assert only(events, "write_file").metadata["resource"]["path"] == "/notes.txt"


@pytest.mark.parametrize("asynchronous", [False, True])
async def test_s55_permission_denied(events: CapturedEvents, asynchronous: bool) -> None:
    rule = FilesystemPermission(operations=["write", "read"], paths=["/secret/**"], mode="deny")
    calls = (
        ("write_file", {"file_path": "/secret/a.txt", "content": "x"}),
        ("read_file", {"file_path": "/secret/a.txt"}),
        ("read_file", {"file_path": "/missing.txt"}),
    )
    await run(create_deep_agent(one_by_one(*calls), name="main", permissions=[rule]), START, asynchronous)
    tools = [node for node in only(events, "main").walk() if node.category == "tool"]
    assert [(node.outcome, node.metadata["error.code"]) for node in tools] == [
        ("tool_error", "permission_denied"),
        ("tool_error", "permission_denied"),
        ("tool_error", "tool_error"),
    ]
    assert {node.metadata["otel.status_code"] for node in tools} == {"UNSET"}


@pytest.mark.parametrize("asynchronous", [False, True])
async def test_s55_permission_interrupt(events: CapturedEvents, asynchronous: bool) -> None:
    rule = FilesystemPermission(operations=["write"], paths=["/guarded/**"], mode="interrupt")
    calls = (
        ("write_file", {"file_path": "/free.txt", "content": "x"}),
        ("write_file", {"file_path": "/guarded/a.txt", "content": "x"}),
    )
    agent = create_deep_agent(one_by_one(*calls), name="main", permissions=[rule], checkpointer=InMemorySaver())
    config = {"configurable": {"thread_id": "t"}}
    await run(agent, START, asynchronous, config)
    answer = {"decisions": [{"type": "reject", "message": "no"}]}
    result = await run(agent, Command(resume=answer), asynchronous, config)
    assert "/guarded/a.txt" not in result["files"]
    first, second = named(events, "main")
    (mark,) = marks(first, "DeepAgents Human In The Loop Interrupt")
    (action,) = mark.data["interrupts"][0]["value"]["action_requests"]
    assert (action["name"], action["tool_call_id"]) == ("write_file", "f1")
    (skipped,) = marks(second, "tool.skipped")
    assert (skipped.data["tool_name"], skipped.data["tool_call_id"]) == ("write_file", "f1")
    assert len(named(events, "write_file")) == 1
