# SPDX-License-Identifier: Apache-2.0
"""Conversion of recorded events: of whole runs, of dead ones, and by the same code as live."""

from __future__ import annotations

import asyncio
import gzip
import json
import subprocess
import sys
from pathlib import Path

import pytest
from nat.atif import Trajectory

from nemo_relay import convert, errors, plugin
from nemo_relay._observability.command import main

from .conftest import a_run, document


@pytest.fixture
def recorded(folder: Path) -> Path:
    """A file of two runs, with their live trajectories beside it."""

    async def record() -> None:
        atof = {"output_directory": "atof", "filename": "events.jsonl"}
        async with plugin.activate(document(atof=atof, atif={"output_directory": "live"})):
            await a_run()
            await a_run("Goodbye")

    asyncio.run(record())
    return folder / "atof" / "events.jsonl"


def test_it_is_what_live_export_makes(recorded: Path, folder: Path) -> None:
    agent = {"name": "NeMo Relay", "model_name": "unknown"}
    template = "nemo-relay-atif-{session_id}.json"
    made = convert.to_atif(recorded, "out", filename_template=template, agent=agent, include_observed_events=True)
    assert (made.count, made.events, made.torn, made.failed) == (2, 12, 0, {})
    assert sorted(path.name for path in made.written) == sorted(path.name for path in (folder / "live").iterdir())
    for path in made.written:
        converted, live = json.loads(path.read_bytes()), json.loads((folder / "live" / path.name).read_bytes())
        live["agent"].pop("version"), converted["agent"].pop("version")
        assert converted == live
        Trajectory.model_validate(json.loads(path.read_bytes()))


def test_a_dead_run_is_converted_as_far_as_it_went(recorded: Path) -> None:
    whole = recorded.read_bytes()
    recorded.write_bytes(whole[: len(whole) - 40])
    made = convert.to_atif(recorded, "out")
    assert (made.count, made.events, made.torn) == (2, 12, 1)
    unfinished = json.loads(made.written[-1].read_bytes())
    assert [step["source"] for step in unfinished["steps"]][:2] == ["user", "agent"]
    recorded.write_bytes(b'{"half": \n\xff\xfe\n[1]\n\n' + whole)
    assert (convert.to_atif(recorded, "again").torn) == 3


def test_a_compressed_file_is_read(recorded: Path, folder: Path) -> None:
    (folder / "events.jsonl.gz").write_bytes(gzip.compress(recorded.read_bytes()))
    assert convert.to_atif("events.jsonl.gz", "out").count == 2


def test_what_cannot_be_read_is_named(folder: Path) -> None:
    with pytest.raises(errors.SinkError, match="there is no events file 'no.jsonl'"):
        convert.to_atif("no.jsonl", "out")
    with pytest.raises(errors.InvalidValue, match="must contain"):
        convert.to_atif("no.jsonl", "out", filename_template="x")


def test_spans_go_into_a_file(recorded: Path, folder: Path) -> None:
    pytest.importorskip("nemo_relay_otel")
    counters = convert.to_spans(recorded, {"file_sinks": [{"type": "full", "output_directory": "spans"}]})
    (one,) = counters.values()
    assert (one.dropped, one.written) == (0, 6)
    (path,) = (folder / "spans").iterdir()
    names = [
        span["name"]
        for line in path.read_text().splitlines()
        for resource_spans in json.loads(line)["resourceSpans"]
        for scope_spans in resource_spans["scopeSpans"]
        for span in scope_spans["spans"]
    ]
    assert sorted(names) == sorted(["planner", "demo", "search"] * 2)


def test_without_the_distribution_it_says_what_to_install(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from nemo_relay_configuration.observability import extensions

    monkeypatch.setattr(extensions, "load", lambda group, name: None)
    with pytest.raises(errors.MissingExtra, match=r"nemo-relay\[otel\]"):
        convert.to_spans("x.jsonl", {})


def test_the_command(recorded: Path, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(convert.to_atif, convert.to_spans, [str(recorded), "--atif", "cli"]) == 0
    assert capsys.readouterr().out == "2 trajectories in cli, from 12 events\n"
    assert main(convert.to_atif, convert.to_spans, ["no.jsonl", "--atif", "cli"]) == 1
    assert "there is no events file" in capsys.readouterr().err
    pytest.importorskip("nemo_relay_otel")
    assert main(convert.to_atif, convert.to_spans, [str(recorded), "--spans-file", "cli-spans", "--type", "full"]) == 0
    assert "written=6" in capsys.readouterr().out


LONG = """
import json, resource, sys
from nemo_relay import convert
made = convert.to_atif(sys.argv[1], sys.argv[2])
print(made.count, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""


def test_memory_does_not_grow_with_the_file(recorded: Path, folder: Path) -> None:
    """A file of thousands of sessions is converted in the memory of a few."""
    runs = recorded.read_text().splitlines()[:6]
    uuid = json.loads(runs[0])["uuid"]
    peaks = []
    for count in (50, 2_000):
        many = folder / f"{count}.jsonl"
        with many.open("w") as file:
            for number in range(count):
                for line in runs:
                    file.write(line.replace(uuid, f"{number:08x}{uuid[8:]}") + "\n")
        command = [sys.executable, "-c", LONG, many, folder / f"out{count}"]
        run = subprocess.run(command, capture_output=True, text=True)
        made, peak = run.stdout.split()
        assert int(made) == count, run.stderr
        peaks.append(int(peak))
    assert peaks[1] - peaks[0] < 20_000, f"{peaks} KiB"
