# SPDX-License-Identifier: Apache-2.0
"""The ``atif`` section: names, agent, storage, and what is said of what went wrong."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from nemo_relay import LLMRequest, ScopeType, llm, plugin, scope
from nemo_relay._observability import uploads
from nemo_relay.observability import AtofFileSinkConfig
from nemo_relay_configuration.observability import extensions
from nemo_relay_configuration.observability.templates import Unnamed, rendered

from .conftest import a_run, document

pytestmark = pytest.mark.allow_blocking

NAMES: list[tuple[str, Any, str]] = [
    ("{session_id}.json", None, "s.json"),
    ("{metadata.a.b}-{session_id}", {"a": {"b": "x"}}, "x-s"),
    ("{metadata.a:-none}-{session_id}", {}, "none-s"),
    ("{metadata.a}-{session_id}", {"a": "tenant-a/session-123"}, "tenant-a-session-123-s"),
    ("{metadata.a}-{session_id}", {"a": "../../etc/passwd"}, "-etc-passwd-s"),
    ("{metadata.a}-{session_id}", {"a": "é"}, "--s"),
    ("{metadata.a}-{session_id}", {"a": "."}, "--s"),
    ("{metadata.a}-{session_id}", {"a": "{session_id}"}, "-session_id--s"),
    ("{other}-{session_id}", {}, "{other}-s"),
]


@pytest.mark.parametrize(("template", "metadata", "name"), NAMES)
def test_names_are_made_of_what_the_session_says(template: str, metadata: Any, name: str) -> None:
    assert rendered(template, "s", metadata) == name


@pytest.mark.parametrize(
    ("metadata", "text"),
    [
        (None, "must resolve to a string"),
        ({"a": 5}, "traversed a non-object value"),
        ({"a": {"b": 5}}, "resolved to a non-string value"),
        ({"a": {"b": ""}}, "must be a path-safe relative fragment"),
    ],
)
def test_a_session_that_has_no_name_says_why(metadata: Any, text: str) -> None:
    with pytest.raises(Unnamed, match=text):
        rendered("{metadata.a.b}-{session_id}", "s", metadata)


async def test_the_document_says_what_the_section_says(folder: Path) -> None:
    atif = {
        "output_directory": "out",
        "filename_template": "by-team/{metadata.team:-none}/{session_id}.json",
        "agent_name": "Planner",
        "agent_version": "7",
        "extra": {"team": "red"},
        "include_observed_events": False,
        "include_llm_requests": False,
    }
    async with plugin.activate(document(atif=atif)):
        with scope.scope("planner", ScopeType.Agent, metadata={"team": "../red"}):
            pass
        await a_run()
    made = sorted(path.relative_to(folder / "out").as_posix() for path in (folder / "out").rglob("*.json"))
    assert [name.split("/")[:2] for name in made] == [["by-team", "-red"], ["by-team", "none"]]
    trajectory = json.loads((folder / "out" / made[1]).read_bytes())
    assert (trajectory["agent"]["name"], trajectory["agent"]["version"]) == ("Planner", "7")
    assert trajectory["agent"]["extra"] == {"team": "red"}
    assert "observed_events" not in trajectory.get("extra", {})
    assert not any("llm_request" in step.get("extra", {}) for step in trajectory["steps"])


async def test_a_session_without_a_name_is_written_all_the_same_and_told(folder: Path) -> None:
    atif = {"output_directory": "out", "filename_template": "{metadata.team}-{session_id}.json"}
    async with plugin.activate(document(atif=atif)) as activation:
        await a_run()
    (found,) = activation.report["config"]["runtime_diagnostics"]
    assert (found["code"], found["field"]) == ("atif.destination_render_failed", "filename_template")
    assert len(list((folder / "out").iterdir())) == 1


class Stores:
    """A type of storage, as a distribution would bring it; it fails as often as it is told to."""

    def __init__(self) -> None:
        self.taken: list[tuple[str, bytes, str]] = []
        self.failures = 0

    def diagnose(self, entry: Any) -> list[Any]:
        return []

    def open(self, entry: Any) -> Stores:
        return self

    def put(self, name: str, content: bytes, session_id: str) -> None:
        if self.failures:
            self.failures -= 1
            raise OSError("away")
        self.taken.append((name, content, session_id))


@pytest.fixture
def stores(monkeypatch: pytest.MonkeyPatch) -> Stores:
    made = Stores()
    found = extensions.load
    monkeypatch.setattr(extensions, "load", lambda group, name: made if name == "http" else found(group, name))
    monkeypatch.setattr(uploads, "BACKOFF_SECONDS", 0.001)
    return made


ATIF = {"output_directory": "out", "storage": [{"type": "http", "endpoint": "http://127.0.0.1:9"}]}


async def test_trajectories_are_sent_to_every_store_and_stay_here(folder: Path, stores: Stores) -> None:
    stores.failures = 2
    async with plugin.activate(document(atif=ATIF)) as activation:
        await a_run()
    (path,) = (folder / "out").iterdir()
    name, content, session = stores.taken[-1]
    assert (name, content) == (path.name, path.read_bytes())
    assert session in name
    assert "runtime_diagnostics" not in activation.report["config"]


async def test_what_a_store_does_not_take_is_told_and_stays_here(folder: Path, stores: Stores) -> None:
    stores.failures = 1_000
    async with plugin.activate(document(atif=ATIF)) as activation:
        await a_run()
    (found,) = activation.report["config"]["runtime_diagnostics"]
    assert (found["code"], found["field"], found["message"]) == ("atif.remote_delivery_failed", "storage[0]", "away")
    assert len(list((folder / "out").iterdir())) == 1


async def test_a_reload_keeps_open_sessions_whole(folder: Path) -> None:
    """A section that is the same goes on with the sessions it has, whatever else changes."""
    atif = {"output_directory": "out"}
    async with plugin.activate(document(atif=atif)) as activation:
        with scope.scope("planner", ScopeType.Agent):
            scope.event("before")
            await activation.reconfigure(document(atif=atif, atof={"output_directory": "atof", "filename": "e"}))
            scope.event("after")
    (path,) = (folder / "out").iterdir()
    events = json.loads(path.read_bytes())["extra"]["observed_events"]
    assert [event["name"] for event in events] == ["planner", "before", "after", "planner"]


async def test_secrets_are_masked_in_every_file_unless_it_is_switched_off(folder: Path) -> None:
    for redaction, shown in ((True, False), (False, True), ({"keys": ["nickname"]}, False)):
        name = f"d{shown:d}{isinstance(redaction, dict):d}"
        sections: dict[str, Any] = {
            "atof": {"output_directory": name, "filename": "events.jsonl"},
            "atif": {"output_directory": name},
            "redaction": redaction,
        }
        async with plugin.activate(document(**sections)):
            with scope.scope("planner", ScopeType.Agent, input={"password": "canary-pw", "nickname": "canary-nick"}):
                pass
        for path in (folder / name).iterdir():
            text = path.read_text()
            assert ("canary-pw" in text) is shown
            assert ("canary-nick" in text) is not isinstance(redaction, dict)


async def test_a_file_of_events_has_a_masking_of_its_own_that_changes_with_the_document(folder: Path) -> None:
    def sections(*keys: str) -> dict[str, Any]:
        typed = AtofFileSinkConfig(output_directory="typed", filename="e").to_dict()
        own = {**typed, "output_directory": "own", "redact": {"keys": list(keys), "replacement": "#"}}
        return {"atof": {"enabled": True, "sinks": [typed, own]}, "redaction": {"keys": ["nickname"]}}

    said = {"password": "p-w", "nickname": "n-n", "iban": "i-b", "bic": "b-c"}
    async with plugin.activate(document(**sections("iban"))) as activation:
        scope.event("one", data=said)
        await activation.reconfigure(document(**sections("bic")))
        scope.event("two", data=said)
    masked = [json.loads(line)["data"] for line in (folder / "own" / "e").read_text().splitlines()]
    assert masked == [{**said, "password": "#", "iban": "#"}, {**said, "password": "#", "bic": "#"}]
    for line in (folder / "typed" / "e").read_text().splitlines():
        assert json.loads(line)["data"] == {**said, "password": "[REDACTED]", "nickname": "[REDACTED]"}


async def test_a_document_is_written_at_the_end_of_each_turn_while_events_go_on(folder: Path) -> None:
    atif = {"enabled": True, "output_directory": "out", "filename_template": "{session_id}.json"}

    def answers() -> list[str]:
        if not (folder / "out").exists():
            return []
        (document,) = [json.loads(path.read_bytes()) for path in (folder / "out").glob("*.json")] or [{"steps": []}]
        return [step["message"] for step in document["steps"] if step["source"] == "agent"]

    async with plugin.activate(document(version=4, atif=atif)):
        with scope.scope("planner", ScopeType.Agent):
            for turn in ("one", "two"):
                await llm.execute("m", LLMRequest({}, {"prompt": turn}), lambda request, turn=turn: {"content": turn})
                while turn not in answers():
                    scope.event("busy")
                    await asyncio.sleep(0)
    assert answers() == ["one", "two"]
