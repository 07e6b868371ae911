# SPDX-License-Identifier: Apache-2.0
"""Scenario 63: recorded agents on real OpenAI and Anthropic clients, replayed with the network dead."""

from __future__ import annotations

import pytest

from nemo_relay.testing import check_lifecycles
from nemo_relay_projections.expectations.spec import parse
from recordings.golden import golden
from recordings.library import CASSETTE, differences, golden_of
from recordings.stage import FOLDER, MODES, Played, acts, offline_agent, replay

from .comparing import plain

pytestmark = pytest.mark.xdist_group("recorded-agents")  # what is built once is shared
RUNS = [
    pytest.param(name, mode, marks=() if mode.startswith("a") else pytest.mark.allow_blocking, id=f"{name}-{mode}")
    for name, act in acts().items()
    for mode in MODES[act.wire]
]


def offline(played: Played) -> Played:
    assert played.attempts == []
    assert not played.unused, "the client left out a request that was recorded"
    return played


@pytest.fixture
def agents(name: str) -> None:
    """Builds them before there is a loop to block."""
    for observed in (False, True):
        offline_agent(acts()[name].scene.name, acts()[name].provider, observed)


@pytest.mark.usefixtures("agents")
@pytest.mark.parametrize(("name", "mode"), RUNS)
async def test_s63_the_recorded_run(name: str, mode: str) -> None:
    act, cassette = acts()[name], FOLDER / name / CASSETTE
    played = offline(await replay(act, mode, cassette, observed=True))
    assert (played.error is not None) is name.startswith("tool-raises")
    if mode in ("invoke", "astream"):  # one of the two modes that share a cassette
        bare = offline(await replay(act, mode, cassette, observed=False))
        assert plain(played.result) == plain(bare.result)
        assert repr(played.error) == repr(bare.error)
        assert len(bare.captured) == 0
    check_lifecycles(played.captured.events)
    found = differences(golden_of(FOLDER / name), golden(played.captured))
    if found:
        pytest.fail(f"{name} ({mode}) is not what was recorded; `make cassettes` if it should not be\n{found}", False)


def test_s63_every_scene_with_each_provider_and_over_each_wire() -> None:
    played = {(act.scene.name, part) for act in acts().values() for part in (act.provider, act.wire)}
    scenes = {act.scene.name for act in acts().values()}
    assert played == {(scene, part) for scene in scenes for part in ("openai", "anthropic", "unary", "sse")}
    assert sorted(scenes) == sorted(
        "tool parallel-tools tool-error tool-raises structured-tool structured-native send-fan-out deep-agent".split()
    )


@pytest.mark.parametrize("name", acts())
def test_s63_a_golden_tree_tells_of_usage_and_models(name: str) -> None:
    tree = golden_of(FOLDER / name)[0]
    calls = [line.strip() for line in tree.splitlines() if line.strip().startswith("llm:")]
    provider, streamed = acts()[name].provider, acts()[name].wire == "sse"
    assert calls
    assert all(call.startswith(f"llm:{provider} {{ok, model=scripted-1, usage=") for call in calls)
    assert all(("relay.streaming" in call) is streamed for call in calls)
    assert parse(tree).children, "the tree is in the notation of expect_tree"
