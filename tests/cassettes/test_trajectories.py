# SPDX-License-Identifier: Apache-2.0
"""The trajectory of every recorded agent: valid by the published models, with every model and tool call in it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from nat.atif import Trajectory

import reference_validator
from nemo_relay import convert
from nemo_relay.atif import completeness
from recordings.library import CASSETTE
from recordings.stage import FOLDER, MODES, acts, offline_agent, replay

pytestmark = [pytest.mark.xdist_group("recorded-agents"), pytest.mark.allow_blocking]


async def played(name: str) -> list[dict[str, Any]]:
    """The events of a recorded agent."""
    act = acts()[name]
    offline_agent(act.scene.name, act.provider, True)
    done = await replay(act, MODES[act.wire][-1], FOLDER / name / CASSETTE, observed=True)
    return [event.to_dict() for event in done.captured.events]


def trajectories(events: list[dict[str, Any]], folder: Path) -> list[dict[str, Any]]:
    """The documents of a stream."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "events.jsonl").write_text("".join(json.dumps(event) + "\n" for event in events))
    made = convert.to_atif(folder / "events.jsonl", folder / "out")
    assert made.count and not made.torn and not made.failed
    return [json.loads(path.read_bytes()) for path in made.written]


def refused_by_the_reference_validator(streams: dict[str, list[dict[str, Any]]], folder: Path) -> str:
    """What Harbor has against the trajectories of ``streams``."""
    documents = folder / "documents"
    documents.mkdir()
    for name, events in streams.items():
        for number, document in enumerate(trajectories(events, folder / name)):
            (documents / f"{name.replace('/', '-')}-{number}.json").write_text(json.dumps(document))
    try:
        return reference_validator.complaints(documents)
    except reference_validator.Unavailable as error:
        pytest.skip(str(error))


@pytest.mark.parametrize("name", acts())
async def test_it_is_valid_and_complete(name: str, tmp_path: Path) -> None:
    events = await played(name)
    documents = trajectories(events, tmp_path)
    for document in documents:
        Trajectory.model_validate(document)
    report = completeness(events, documents)
    assert report.llm
    assert report.missing == []


@pytest.mark.slow_install
@pytest.mark.timeout(1200)
async def test_all_are_valid_for_the_reference_validator(tmp_path: Path) -> None:
    streams = {name: await played(name) for name in acts()}
    assert refused_by_the_reference_validator(streams, tmp_path) == ""
