# SPDX-License-Identifier: Apache-2.0
"""What scenario 63 rests on: a dead network that tells of attempts, and golden files whose differences can be read."""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
from pathlib import Path
from typing import Any

import pytest
from vcr.request import Request

from nemo_relay import ScopeType, scope
from nemo_relay.testing import CapturedEvents, capture_events
from recordings import dead, tape
from recordings.golden import difference, golden
from recordings.library import CASSETTE
from recordings.scenes import SCENES
from recordings.stage import FOLDER, acts, client, perform, replay


@pytest.mark.allow_blocking
async def test_s63_a_client_without_a_cassette_is_caught() -> None:
    with dead.network() as attempts:
        for provider in ("openai", "anthropic"):
            for mode in ("invoke", "ainvoke"):
                scene, before = SCENES["tool"], len(attempts)
                with pytest.raises(Exception, match=r"."):
                    await perform(scene.bare(client(provider, dead.endpoint())), scene.given, mode)
                assert len(attempts) > before, f"{provider} {mode} was not noticed"


def test_s63_an_attempt_is_noted_even_when_its_error_is_hidden() -> None:
    with dead.network() as attempts, socket.socket() as plain:
        for reach in (socket.create_connection, plain.connect):
            with contextlib.suppress(dead.NetworkUsed):
                reach(("127.0.0.1", 9))
    assert [attempt.split()[0] for attempt in attempts] == ["getaddrinfo", "connect"]


async def test_s63_nothing_listens_at_the_dead_address() -> None:
    with pytest.raises(ConnectionRefusedError):
        await asyncio.open_connection("127.0.0.1", int(dead.endpoint().rpartition(":")[2]))


async def test_s63_another_request_is_not_answered(tmp_path: Path) -> None:
    act = acts()["tool-openai-unary"]
    recorded = (FOLDER / act.name / CASSETTE).read_text(encoding="utf-8")
    changed = tmp_path / CASSETTE
    changed.write_text(recorded.replace("Be brief.", "Be verbose."), encoding="utf-8")
    played = await replay(act, "ainvoke", changed, observed=True)
    assert played.error is not None and played.unused and played.attempts == []
    assert "Be verbose." in str(played.error), "the error shows what differs"


def test_s63_what_is_kept_of_a_request_and_a_response() -> None:
    headers = {"X-Api-Key": "k", "Authorization": "Bearer k", "Host": "h", "Content-Type": "application/json"}
    asked = tape.scrub_request(Request("POST", "https://me:pass@api.example.com:8443/v1/messages?beta=1", b"", headers))
    assert (asked.uri, asked.headers) == (
        "http://provider.invalid/v1/messages?beta=1",
        {"content-type": "application/json"},
    )
    answer = {"headers": {"Date": ["d"], "Set-Cookie": ["c"], "openai-organization": ["o"], "Content-Type": ["t"]}}
    assert tape.scrub_response(answer) == {"headers": {"content-type": ["t"]}}
    assert len(answer["headers"]) == 4, "the client gets what the provider sent"


def test_s63_a_cassette_does_not_show_which_answer_came_first() -> None:
    calls = [{"request": {"uri": "u", "body": body}, "response": {}} for body in ("b", "a")]
    assert tape.serialize({"interactions": calls}) == tape.serialize({"interactions": calls[::-1]})


# --- golden files


def side_by_side(order: list[str], *, measured: float) -> CapturedEvents:
    """Two tools of one superstep, in the order in which threads happened to start them."""
    with capture_events() as captured, scope.scope("agent", ScopeType.Agent, metadata={"ttft_ms": measured}):
        handles = {name: scope.start(name, ScopeType.Tool, metadata={"langgraph_step": 2}) for name in order}
        for name in reversed(order):
            scope.end(handles[name], output=name)
    return captured


def test_s63_a_golden_file_does_not_show_ids_times_or_the_order_of_threads() -> None:
    assert golden(side_by_side(["a", "b"], measured=1.5)) == golden(side_by_side(["b", "a"], measured=2.5))


def test_s63_a_golden_file_shows_the_order_of_steps() -> None:
    def steps(*order: int) -> str:
        with capture_events() as captured, scope.scope("agent", ScopeType.Agent):
            for step in order:
                with scope.scope(f"node {step}", ScopeType.Function, metadata={"langgraph_step": step}):
                    pass
        return golden(captured)[0]

    assert steps(1, 2) != steps(2, 1)


def test_s63_repeated_and_long_values_stay_told_apart() -> None:
    def kept(*told: Any) -> list[Any]:
        with capture_events() as captured, scope.scope("agent", ScopeType.Agent):
            for data in told:
                scope.event("said", data=data)
        return [json.loads(line)["data"] for line in golden(captured)[1].splitlines()[1:-1]]

    prompt, rest = {"messages": ["one " * 10, "two " * 10]}, "three " * 100
    first, again, other = kept(prompt, prompt, {**prompt, "more": 1})
    assert first == prompt
    assert again.startswith("[as before, sha256 ")
    assert other == {"messages": kept(prompt, prompt["messages"])[1], "more": 1}
    (long,) = kept(rest)
    assert long.startswith("three three ") and "... [600 characters, sha256 " in long and len(long) < 120
    assert kept(rest) != kept(rest + "!")


def test_s63_a_difference_can_be_read() -> None:
    tree = "agent:a {ok}\n    llm:b {ok, usage=3}\n"
    assert difference(tree, tree, "tree.golden") == ""
    assert difference(tree, tree.replace("usage=3", "usage=4"), "tree.golden").splitlines() == [
        "--- tree.golden (golden)",
        "+++ tree.golden (now)",
        "@@ -1,2 +1,2 @@",
        " agent:a {ok}",
        "-    llm:b {ok, usage=3}",
        "+    llm:b {ok, usage=4}",
    ]


def test_s63_a_changed_event_shows_what_it_is_and_what_changed() -> None:
    event = json.dumps({"kind": "scope", "scope_category": "end", "name": "b", "data": {"usage": 3}}) + "\n"
    assert difference(event, event.replace("3", "4"), "events.golden").splitlines()[3:] == [
        " === scope end b",
        " {",
        '  "data": {',
        '-  "usage": 3',
        '+  "usage": 4',
        "  },",
        '  "kind": "scope",',
        '  "name": "b",',
        '  "scope_category": "end"',
    ]
