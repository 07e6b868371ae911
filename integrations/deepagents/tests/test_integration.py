# SPDX-License-Identifier: Apache-2.0
"""The published names, and that the adapter changes nothing that the model or the application sees."""

from __future__ import annotations

import copy
import inspect
import pickle
from typing import Any

import deepagents
import pytest
from deepagents import GeneralPurposeSubagentProfile, HarnessProfile
from deepagents.backends import StateBackend
from deepagents.middleware.filesystem import FilesystemMiddleware
from deepagents.middleware.skills import SkillsMiddleware
from deepagents.profiles.harness import harness_profiles
from langchain.agents.middleware import AgentMiddleware
from langgraph.checkpoint.memory import InMemorySaver

from nemo_relay.integrations.deepagents import (
    NemoRelayDeepAgentsCallbackHandler,
    NemoRelayDeepAgentsMiddleware,
    add_nemo_relay_integration,
    create_deep_agent,
)
from nemo_relay.testing import CapturedEvents

from .crew import FORKS, PATHS, START, cast_for, crew, named, run


class Extra(AgentMiddleware[Any, Any, Any]):
    """A middleware of the application, for the main agent only."""


def ours(spec: Any) -> list[str]:
    return [type(item).__name__ for item in spec.get("middleware") or ()]


def test_the_helper_reaches_every_subagent_and_changes_no_argument() -> None:
    remote = {"name": "far", "description": "elsewhere", "graph_id": "g1"}
    given = crew(cast_for())
    given["subagents"].append(remote)
    before = {**given, "subagents": [dict(spec) for spec in given["subagents"]]}
    made = add_nemo_relay_integration(given, name="other")
    assert given == before
    assert made["name"] == "other"
    assert ours(made) == ["NemoRelayDeepAgentsMiddleware"]
    found = {spec["name"]: spec for spec in made["subagents"]}
    forked = ["forked"] if FORKS else []
    assert list(found) == ["researcher", "compiled", *forked, "far", "general-purpose"]
    for name in ("general-purpose", "researcher", *forked):
        assert ours(found[name]) == ["NemoRelayDeepAgentsMiddleware"]
    assert found["far"] is remote
    compiled = given["subagents"][1]["runnable"]
    assert (type(found["compiled"]["runnable"]), found["compiled"]["runnable"] is compiled) == (type(compiled), False)


def test_the_helper_is_idempotent() -> None:
    once = add_nemo_relay_integration(crew(cast_for()))
    assert add_nemo_relay_integration(once) == once


def test_arguments_that_can_be_read_once_only() -> None:
    given = crew(cast_for())
    once = {key: iter(given[key]) for key in ("subagents", "tools")}
    made = add_nemo_relay_integration({**given, **once})
    others = [path for path in PATHS if path != "general-purpose"]
    assert [spec["name"] for spec in made["subagents"]] == [*others, "general-purpose"]
    assert made["tools"] == given["tools"]


def test_without_subagents_only_the_main_agent_is_reached() -> None:
    given = crew(cast_for())
    made = add_nemo_relay_integration(given, instrument_subagents=False)
    assert made["subagents"] is given["subagents"]
    assert ours(made) == ["NemoRelayDeepAgentsMiddleware"]


def test_the_drop_in_has_the_signature_of_the_original() -> None:
    assert inspect.signature(create_deep_agent) == inspect.signature(deepagents.create_deep_agent)
    with pytest.raises(TypeError):
        create_deep_agent(modle="x")  # type: ignore[call-arg]


def test_the_drop_in_returns_what_the_original_returns() -> None:
    original: Any = deepagents.create_deep_agent(**crew(cast_for()))
    instrumented = create_deep_agent(**crew(cast_for()))
    assert type(instrumented) is type(original)
    for key in ("recursion_limit", "metadata"):
        assert instrumented.config[key] == original.config[key]  # type: ignore[index, literal-required]


def test_the_handler_can_be_copied_and_pickled() -> None:
    handler = NemoRelayDeepAgentsCallbackHandler("anything", it="takes")
    for twin in (copy.copy(handler), copy.deepcopy(handler), pickle.loads(pickle.dumps(handler))):
        assert isinstance(twin, NemoRelayDeepAgentsCallbackHandler)


def variants() -> dict[str, dict[str, Any]]:
    """Arguments under which the automatic general-purpose subagent looks different."""
    return {
        "plain": {},
        "prompted": {"system_prompt": "Be brief."},
        "skilled": {"skills": ["/skills/"], "memory": ["/AGENTS.md"]},
        "own skills": {"middleware": [SkillsMiddleware(backend=StateBackend(), sources=["/skills/"])]},
        "custom": {"middleware": [FilesystemMiddleware(tools=["ls", "read_file"]), Extra()]},
        "reviewed": {"interrupt_on": {"write_file": True}, "checkpointer": InMemorySaver()},
        "own": {
            "subagents": [{"name": "general-purpose", "description": "mine", "system_prompt": "Mine.", "tools": []}]
        },
    }


@pytest.mark.parametrize("asynchronous", [False, True])
@pytest.mark.parametrize("variant", variants())
async def test_the_models_see_what_they_would_see_without_the_adapter(variant: str, asynchronous: bool) -> None:
    seen = []
    for build in (deepagents.create_deep_agent, create_deep_agent):
        arguments = {**crew(cast_for(*PATHS)), **variants()[variant]}
        paths = PATHS if variant != "own" else ("general-purpose",)
        arguments["model"] = model = cast_for(*paths)
        result = await run(build(**arguments), START, asynchronous, {"configurable": {"thread_id": "t"}})
        contents = [(type(message).__name__, message.content) for message in result["messages"]]
        seen.append((model.seen, contents, set(result)))
    assert seen[0] == seen[1]
    assert len(seen[0][0]) >= 4


PROFILES = {
    "description": HarnessProfile(general_purpose_subagent=GeneralPurposeSubagentProfile(description="Does it all.")),
    "prompt": HarnessProfile(
        general_purpose_subagent=GeneralPurposeSubagentProfile(system_prompt="Work."), system_prompt_suffix="Briefly."
    ),
    "both prompts": HarnessProfile(
        general_purpose_subagent=GeneralPurposeSubagentProfile(system_prompt="Work."), base_system_prompt="Base."
    ),
    "extra": HarnessProfile(extra_middleware=[Extra()], excluded_tools=frozenset({"grep"})),
}


@pytest.mark.parametrize("profile", PROFILES)
def test_the_same_under_a_harness_profile(profile: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(harness_profiles._HARNESS_PROFILES, "scripted", PROFILES[profile])
    seen = []
    for build in (deepagents.create_deep_agent, create_deep_agent):
        model = cast_for("general-purpose")
        build(**{**crew(model), "middleware": [Extra()]}).invoke(START)
        seen.append(model.seen)
    assert seen[0] == seen[1]


def test_a_profile_without_the_general_purpose_subagent(monkeypatch: pytest.MonkeyPatch) -> None:
    disabled = HarnessProfile(general_purpose_subagent=GeneralPurposeSubagentProfile(enabled=False))
    monkeypatch.setitem(harness_profiles._HARNESS_PROFILES, "scripted", disabled)
    assert "subagents" not in add_nemo_relay_integration(model=cast_for())


def test_a_library_that_has_changed_keeps_its_automatic_subagent(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delattr(harness_profiles, "_harness_profile_for_model")
    made = add_nemo_relay_integration(model=cast_for())
    assert "subagents" not in made
    told = capsys.readouterr().err
    assert "integrations.deepagents" in told and "leaves the general-purpose subagent to Deep Agents" in told


def test_an_application_that_names_the_adapter_itself_keeps_its_own() -> None:
    own = NemoRelayDeepAgentsMiddleware(name="mine")
    made = add_nemo_relay_integration(crew(cast_for()), middleware=[own])
    assert made["middleware"] == [own]


def test_a_span_for_each_agent_and_none_for_the_adapter(events: CapturedEvents) -> None:
    create_deep_agent(**crew(cast_for(*PATHS))).invoke(START)
    assert not [node for node in events.tree().walk() if "NemoRelay" in node.name]
    assert len(named(events, "main")) == 1
