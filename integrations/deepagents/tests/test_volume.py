# SPDX-License-Identifier: Apache-2.0
"""A deep agent that works on files: what its events repeat."""

from __future__ import annotations

from typing import Any

from langchain_core.messages import AIMessage

from nemo_relay.integrations.deepagents import create_deep_agent
from nemo_relay.integrations.langchain import unfold
from nemo_relay.integrations.langchain.testing import ScriptedChatModel
from nemo_relay.testing import CapturedEvents, capture_events


def record(turns: int) -> CapturedEvents:
    """A run that writes a file in every turn."""
    texts = {f"/f{turn:02}.md": f"{turn:02} " * 300 for turn in range(turns)}
    calls = [
        {"name": "write_file", "args": {"file_path": path, "content": text}, "id": path} for path, text in texts.items()
    ]
    script: list[Any] = [*(AIMessage("", tool_calls=[call]) for call in calls), "done"]
    with capture_events() as captured:
        agent = create_deep_agent(ScriptedChatModel(script=script))
        agent.invoke({"messages": [("user", "write")]}, {"recursion_limit": 1_000})
    return captured


def test_s65_volume_is_linear_in_turns() -> None:
    sizes = {turns: sum(len(event.to_json()) for event in record(turns).events) for turns in (5, 10, 20)}
    assert (sizes[20] - sizes[10]) / 10 < 1.02 * (sizes[10] - sizes[5]) / 5


def test_every_node_s_files_can_be_had_back() -> None:
    captured = record(4)
    nodes = [event for event in captured.starts() if event.name == "model"]
    assert nodes[-1].data["files"].keys() == {"$from", "set"}
    whole = {
        event["uuid"]: event["data"] for event in unfold(captured.events) if event.get("scope_category") == "start"
    }
    files = [sorted(whole[node.uuid].get("files") or {}) for node in nodes]
    assert files == [[f"/f{turn:02}.md" for turn in range(count)] for count in range(5)]
