# SPDX-License-Identifier: Apache-2.0
"""Scenario 53 with two processes: one asks and ends, another one, which only has the checkpoint, goes on."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

PROGRAM = '''
import asyncio, json, pickle, sys
from langchain_core.messages import AIMessage
from langchain_core.tools import tool
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.types import Command
from nemo_relay.integrations.deepagents import create_deep_agent
from nemo_relay.integrations.langchain.testing import ScriptedChatModel
from nemo_relay.testing import capture_events

@tool
def publish(text: str) -> str:
    """Publish."""
    return "published " + text

calls = [{"name": "publish", "args": {"text": text}, "id": text} for text in ("p1", "p2")]
model = ScriptedChatModel(script=[AIMessage("", tool_calls=calls), "all done"])
what, path, asynchronous, value = json.loads(sys.argv[1])
saver = InMemorySaver()
if what == "resume":
    with open(path, "rb") as file:
        storage, writes, blobs = pickle.load(file)
    for thread, spaces in storage.items():
        for space, found in spaces.items():
            saver.storage[thread][space].update(found)
    for key, found in writes.items():
        saver.writes[key].update(found)
    saver.blobs.update(blobs)
agent = create_deep_agent(model, [publish], name="main", interrupt_on={"publish": True}, checkpointer=saver)
config = {"configurable": {"thread_id": "t"}}
given = Command(resume=value) if what == "resume" else value
with capture_events() as events:
    asyncio.run(agent.ainvoke(given, config)) if asynchronous else agent.invoke(given, config)
if what == "start":
    stored = saver.storage.items()
    plain = {thread: {space: dict(found) for space, found in spaces.items()} for thread, spaces in stored}
    with open(path, "wb") as file:
        pickle.dump((plain, {key: dict(found) for key, found in saver.writes.items()}, dict(saver.blobs)), file)
print(json.dumps([[mark.name, mark.data] for mark in events.marks()]))
'''


def marks(*given: Any) -> dict[str, Any]:
    """The marks of one process, by name."""
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, json.dumps(given)], capture_output=True, text=True, timeout=50, check=False
    )
    assert done.returncode == 0, done.stderr
    return dict(json.loads(done.stdout.splitlines()[-1]))


@pytest.mark.timeout(120)
def test_s53_another_process_goes_on(tmp_path: Path) -> None:
    path = str(tmp_path / "checkpoint")
    asked = marks("start", path, False, {"messages": [["user", "start"]]})
    (question,) = asked["DeepAgents Human In The Loop Interrupt"]["interrupts"]
    assert [action["tool_call_id"] for action in question["value"]["action_requests"]] == ["p1", "p2"]
    answer = {"decisions": [{"type": "reject"}, {"type": "approve"}]}
    told = marks("resume", path, True, answer)["DeepAgents Human In The Loop Resume"]
    assert "resumed_run_uuid" not in told
    assert told["decisions"] == [
        {"type": "reject", "tool_name": "publish", "tool_call_id": "p1", "interrupt_id": question["id"]},
        {"type": "approve", "tool_name": "publish", "tool_call_id": "p2", "interrupt_id": question["id"]},
    ]
