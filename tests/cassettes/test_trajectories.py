# SPDX-License-Identifier: Apache-2.0
"""The trajectory of every recorded agent: valid by the published models, with every model and tool call in it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from nat.atif import Trajectory

from nemo_relay import convert
from nemo_relay.atif import completeness
from recordings.library import CASSETTE
from recordings.stage import FOLDER, MODES, acts, offline_agent, replay

pytestmark = [pytest.mark.xdist_group("recorded-agents"), pytest.mark.allow_blocking]


@pytest.mark.parametrize("name", acts())
async def test_it_is_valid_and_complete(name: str, tmp_path: Path) -> None:
    act = acts()[name]
    offline_agent(act.scene.name, act.provider, True)
    played = await replay(act, MODES[act.wire][-1], FOLDER / name / CASSETTE, observed=True)
    events = [event.to_dict() for event in played.captured.events]
    (tmp_path / "events.jsonl").write_text("".join(json.dumps(event) + "\n" for event in events))
    made = convert.to_atif(tmp_path / "events.jsonl", tmp_path / "out")
    assert made.count and not made.torn and not made.failed
    documents = [json.loads(path.read_bytes()) for path in made.written]
    for document in documents:
        Trajectory.model_validate(document)
    report = completeness(events, documents)
    assert report.llm
    assert report.missing == []
