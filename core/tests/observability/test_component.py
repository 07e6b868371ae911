# SPDX-License-Identifier: Apache-2.0
"""The component as a person uses it: a document, a run, and what is on disk afterwards."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from nat.atif import Trajectory

from nemo_relay import plugin
from nemo_relay.atof import verify_chain

from .conftest import a_run, document, findings, lines

pytestmark = pytest.mark.allow_blocking  # an event is in the kernel's hands before the work that it announces

# The document that the quick start of the published package shows, as it stands there.
EXAMPLE = """
version = 1
[[components]]
kind = "observability"
[components.config.atof]
output_directory = ".nemo-relay/atof"
filename = "events.jsonl"
mode = "overwrite"
[components.config.atif]
output_directory = ".nemo-relay/atif"
filename_template = "trajectory-{session_id}.json"
"""


async def test_the_example_document_records_a_run(folder: Path) -> None:
    (folder / "plugins.toml").write_text(EXAMPLE)
    async with plugin.activate({}, "plugins.toml"):
        await a_run()
    events = lines(folder / ".nemo-relay/atof/events.jsonl")
    assert [event["name"] for event in events] == ["planner", "demo", "demo", "search", "search", "planner"]
    (path,) = (folder / ".nemo-relay/atif").iterdir()
    assert path.name == f"trajectory-{events[0]['uuid']}.json"
    trajectory = Trajectory.model_validate_json(path.read_text())
    assert [step.source for step in trajectory.steps][:2] == ["user", "agent"]


async def test_a_second_run_starts_a_fresh_file_where_it_may(folder: Path) -> None:
    for mode, count in (("overwrite", 6), ("append", 12)):
        atof = {"output_directory": mode, "filename": "events.jsonl", "mode": mode}
        for _ in range(2):
            async with plugin.activate(document(atof=atof)):
                await a_run()
        assert len(lines(folder / mode / "events.jsonl")) == count


async def test_a_section_without_its_library_leaves_the_others_at_work(
    folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from nemo_relay_configuration.observability import extensions

    monkeypatch.setattr(extensions, "load", lambda group, name: None)
    atof = {"output_directory": "out", "filename": "events.jsonl"}
    traces = {"traces": [{"type": "full", "endpoint": "http://127.0.0.1:9/v1/traces"}]}
    async with plugin.activate(document(atof=atof, opentelemetry=traces)):
        await a_run()
    assert len(lines(folder / "out" / "events.jsonl")) == 6
    assert 'pip install --find-links dist "nemo-relay[otel]>=' in capsys.readouterr().err
    with pytest.raises(ImportError, match=r"nemo-relay\[otel\]"):
        await plugin.initialize(document(opentelemetry=traces))


def test_the_program_may_have_no_loop_at_all(folder: Path) -> None:
    (folder / ".nemo-relay").mkdir()
    (folder / ".nemo-relay" / "plugins.toml").write_text(EXAMPLE)
    activation = plugin.autoload()
    assert activation is not None
    asyncio.run(a_run())
    plugin.clear()
    assert len(lines(folder / ".nemo-relay/atof/events.jsonl")) == 6
    assert json.loads(next((folder / ".nemo-relay/atif").iterdir()).read_bytes())["steps"]


async def test_what_became_of_the_events_is_counted_by_destination(folder: Path) -> None:
    sinks = [{"type": "file", "output_directory": "out", "filename": "events.jsonl"}]
    given = document(version=4, atof={"enabled": True, "sinks": sinks}, atif={"enabled": True, "output_directory": "t"})
    async with plugin.activate(given) as activation:
        await a_run()
        path = f"atof {folder / 'out' / 'events.jsonl'}"
        assert activation.counters[path] == {"offered": 6, "written": 6, "dropped": 0, "retried": 0, "waiting": 0}
    assert activation.counters[path]["written"] == 6
    assert activation.counters[f"atif {folder / 't'}"]["written"] == 6


@pytest.mark.parametrize("typed", [True, False])
async def test_a_document_chains_the_lines_and_stores_large_texts_once(folder: Path, typed: bool) -> None:
    file = {"output_directory": "out", "filename": "events.jsonl", "hash_chain": True, "blob_bytes": 300}
    config: dict[str, Any] = {"atof": file}
    if typed:
        config = {"version": 4, "atof": {"enabled": True, "sinks": [{"type": "file", **file}]}}
    assert [found for found in findings(**config) if found[1] != "observability.upgraded_config"] == []
    async with plugin.activate(document(**config)):
        for _ in range(2):
            await a_run("Hello " * 100)
    report = verify_chain(folder / "out" / "events.jsonl")
    assert (report.intact, report.linked) == (True, 12)
    assert len(list((folder / "out" / "blobs").iterdir())) == 1
    small = {"type": "file", "blob_bytes": 10}
    (wrong,) = findings(version=4, atof={"enabled": True, "sinks": [small]})
    assert "blob_bytes must be at least 256" in wrong[2]
