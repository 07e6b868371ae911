# SPDX-License-Identifier: Apache-2.0
"""Streams that the published package wrote: each converts to valid trajectories with every call in them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from nat.atif import Trajectory

from nemo_relay import convert
from nemo_relay.atif import completeness
from workspace import ROOT

EXAMPLES = ROOT.parent / "shared" / "data" / "obs-examples"
STREAMS = sorted(EXAMPLES.rglob("*.atof.jsonl"))


@pytest.mark.skipif(not STREAMS, reason=f"{EXAMPLES} is not here")
@pytest.mark.parametrize("path", STREAMS, ids=lambda path: f"{path.parent.name}/{path.name}")
def test_it_is_valid_and_complete(path: Path, tmp_path: Path) -> None:
    made = convert.to_atif(path, tmp_path)
    events = [json.loads(line) for line in path.read_bytes().splitlines()]
    documents = [json.loads(one.read_bytes()) for one in made.written]
    for document in documents:
        Trajectory.model_validate(document)
    # One model call that a hook and the gateway both saw is one step; the other of its spans is in the report.
    twice = 1 if path.name.startswith("a22_hook_gateway_dedupe") else 0
    assert len(completeness(events, documents).missing) == twice
