# SPDX-License-Identifier: Apache-2.0
"""Scenario 54: which skills an agent has, and which it loads."""

from __future__ import annotations

from typing import Any

import deepagents
import pytest
from deepagents.backends.utils import create_file_data

from nemo_relay.integrations.deepagents import (
    NemoRelayDeepAgentsCallbackHandler,
    NemoRelayDeepAgentsMiddleware,
    create_deep_agent,
)
from nemo_relay.testing import CapturedEvents

from .crew import FORKS, Cast, calling, cast_for, crew, marks, named, only, run

SKILL = "---\nname: pdf\ndescription: Work with PDF files.\n---\n\n# PDF\n\nRead it page by page.\n"
CONFIGURED = "DeepAgents Skills Configured"


def asking(**args: Any) -> Cast:
    """A model that reads the instructions of the skill."""
    call = calling(("read_file", {"file_path": "/skills/pdf/SKILL.md", **args}, "r1"))
    return Cast(parts={"start": [call, "all done"]})


def start() -> Any:
    return {"messages": [("user", "start")], "files": {"/skills/pdf/SKILL.md": create_file_data(SKILL)}}


@pytest.mark.parametrize("asynchronous", [False, True])
async def test_s54_a_skill_is_configured_and_loaded(events: CapturedEvents, asynchronous: bool) -> None:
    agent = create_deep_agent(asking(), name="main", skills=["/skills/"])
    result = await run(agent, start(), asynchronous)
    assert "page by page" in result["messages"][-2].content
    (mark,) = marks(only(events, "main"), CONFIGURED)
    assert mark.data == {"agent_name": "main", "skills": ["/skills/"]}
    assert mark.metadata == {
        "integration": "deepagents",
        "deepagents_kind": "skill",
        "phase": "configured",
        "agent_name": "main",
    }
    (loaded,) = only(events, "read_file").marks
    assert (loaded.name, loaded.data) == ("skill.load", {"skill_name": "pdf"})
    assert loaded.metadata == {"skill_load_source": "structured_read", "tool_name": "read_file"}


@pytest.mark.parametrize("part", [{"limit": 3}, {"offset": 2}])
def test_s54_a_part_of_the_file_loads_no_skill(events: CapturedEvents, part: dict[str, int]) -> None:
    create_deep_agent(asking(**part), name="main", skills=["/skills/"]).invoke(start())
    assert only(events, "read_file").outcome == "ok"
    assert only(events, "read_file").marks == []


def test_s54_a_subagent_loads_a_skill_under_its_own_span(events: CapturedEvents) -> None:
    model = cast_for("general-purpose", **{"general-purpose": [asking().parts["start"][0], "read it"]})
    create_deep_agent(**crew(model, skills=["/skills/"])).invoke(start())
    subagent = only(events, "general-purpose")
    assert marks(subagent, CONFIGURED)[0].data["skills"] == ["/skills/"]
    read = next(node for node in subagent.walk() if node.name == "read_file")
    assert [mark.name for mark in read.marks] == ["skill.load"]


def test_s54_the_mark_is_left_even_without_skills_and_at_every_start(events: CapturedEvents) -> None:
    agent = create_deep_agent(cast_for(), name="main")
    agent.invoke({"messages": [("user", "start")]})
    agent.invoke({"messages": [("user", "start")]})
    assert [len(marks(node, CONFIGURED)) for node in named(events, "main")] == [1, 1]


def test_s54_what_the_mark_tells_of_the_setup(events: CapturedEvents) -> None:
    from deepagents import FilesystemPermission
    from langgraph.checkpoint.memory import InMemorySaver

    agent = create_deep_agent(
        **crew(
            cast_for(),
            system_prompt="Be brief.",
            skills=["/skills/"],
            memory=["/AGENTS.md"],
            permissions=[FilesystemPermission(operations=["write"], paths=["/secret/**"], mode="deny")],
            interrupt_on={"search": {"allowed_decisions": ["approve", "reject"]}, "write_file": True},
            checkpointer=InMemorySaver(),
        )
    )
    agent.invoke({"messages": [("user", "start")]}, {"configurable": {"thread_id": "t"}})
    (mark,) = marks(only(events, "main"), CONFIGURED)
    told = mark.data
    assert told["tools"] == ["search"]
    assert told["memory"] == ["/AGENTS.md"]
    assert told["permissions"] == [{"operations": ["write"], "paths": ["/secret/**"], "mode": "deny"}]
    assert told["interrupt_on"] == {"search": ["approve", "reject"], "write_file": True}
    assert len(told["system_prompt_sha256"]) == 64
    assert "Be brief." not in str(told)
    kinds = {spec["name"]: (spec["type"], spec.get("mode")) for spec in told["subagents"]}
    assert kinds == {
        "researcher": ("subagent", None),
        "compiled": ("compiled_subagent", None),
        **({"forked": ("subagent", "fork")} if FORKS else {}),
    }


def test_s54_by_hand_as_with_the_published_middleware(events: CapturedEvents) -> None:
    remote = {"name": "far", "description": "elsewhere", "graph_id": "g1", "url": "http://127.0.0.1:9"}
    own = NemoRelayDeepAgentsMiddleware(
        name="mine", agent_name="main", skills=["/s/"], subagents=[remote], backend_name="StateBackend"
    )
    assert own.name == "mine"
    agent: Any = deepagents.create_deep_agent(cast_for(), name="main", middleware=[own])
    agent.invoke({"messages": [("user", "start")]}, {"callbacks": [NemoRelayDeepAgentsCallbackHandler()]})
    (mark,) = marks(only(events, "main"), CONFIGURED)
    assert mark.data == {
        "agent_name": "main",
        "skills": ["/s/"],
        "subagents": [{"type": "async_subagent", **remote}],
        "backend": "StateBackend",
    }
    assert named(events, "mine.before_agent") == []
