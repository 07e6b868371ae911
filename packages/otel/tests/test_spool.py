# SPDX-License-Identifier: Apache-2.0
"""Events on disk: they outlive the collector's absence, the process, and stay within their bound."""

from __future__ import annotations

import json
import os
import random
import signal
import stat
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from conftest import Export
from receiver import Answer, Receiver, attributes, http_receiver

from nemo_relay import ScopeType, scope, tools
from nemo_relay_otel import from_config
from small_disk import fill, small_disk

PROGRAM = Path(__file__).with_name("agent_program.py")


def section(receiver_url: str, folder: Path, **more: Any) -> dict[str, Any]:
    return {
        "traces": [{"type": "full", "endpoint": receiver_url, **more}],
        "spool": {"directory": str(folder)},
    }


def run(calls: int = 5, name: str = "planner") -> None:
    with scope.scope(name, ScopeType.Agent):
        for number in range(calls):
            tools.execute_sync("search", {"number": number}, lambda arguments: arguments)


def files(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]


def test_what_a_dead_collector_did_not_take_arrives_after_the_next_start(tmp_path: Path) -> None:
    with http_receiver() as receiver:
        port = int(receiver.url.rpartition(":")[2])
    first = from_config(section(f"http://127.0.0.1:{port}", tmp_path))
    first.register("first")
    run(5, "one")
    assert not first.force_flush(1)
    assert not first.shutdown(0.3)
    assert files(tmp_path)
    with http_receiver(port=port) as receiver:
        second = from_config(section(receiver.url, tmp_path))
        second.register("second")
        receiver.wait(lambda r: len(r.spans) >= 6)
        run(1, "two")
        assert second.shutdown(10)
        assert Counter(span.name for span in receiver.spans) == {"search": 6, "one": 1, "two": 1}
        assert len({span.span_id for span in receiver.spans}) == 8
        (counters,) = second.counters().values()
        assert (counters.recovered, counters.dropped) == (12, 0)
    assert not files(tmp_path)


def test_files_are_for_their_owner_only(tmp_path: Path, export: Export) -> None:
    folder = tmp_path / "a" / "spool"
    exporters = export(section("http://127.0.0.1:9", folder))
    run()
    exporters.force_flush(1)
    found = files(folder)
    assert {path.suffix for path in found} >= {".jsonl", ".lock"}
    assert {stat.S_IMODE(path.stat().st_mode) for path in found} == {0o600}
    folders = [folder, folder.parent, *(path for path in folder.rglob("*") if path.is_dir())]
    assert {stat.S_IMODE(path.stat().st_mode) for path in folders} == {0o700}


def test_a_span_of_a_process_that_died_arrives_as_incomplete(tmp_path: Path) -> None:
    code = (
        "import os, sys\n"
        "from nemo_relay import ScopeType, scope, tools\n"
        "from nemo_relay_otel import from_config\n"
        "e = from_config({'traces': [{'type': 'full', 'endpoint': 'http://127.0.0.1:9'}],"
        " 'spool': {'directory': sys.argv[1]}})\n"
        "e.register('otel')\n"
        "with scope.scope('planner', ScopeType.Agent):\n"
        "    tools.execute_sync('search', {}, lambda a: os.kill(os.getpid(), 9))\n"
    )
    ended = subprocess.run([sys.executable, "-c", code, str(tmp_path)], timeout=60)
    assert ended.returncode == -signal.SIGKILL
    with http_receiver() as receiver:
        # The address decides which spool is whose: the one of the next start is another.
        (old,) = tmp_path.iterdir()
        exporters = from_config(section(receiver.url, tmp_path))
        (new,) = [path for path in tmp_path.iterdir() if path != old]
        for path in old.iterdir():
            path.rename(new / path.name)
        exporters.register("next")
        receiver.wait(lambda r: len(r.spans) >= 2)
        assert exporters.shutdown(10)
        tool, agent = receiver.named("search"), receiver.named("planner")
        assert tool.parent_span_id == agent.span_id
        for span in (tool, agent):
            assert attributes(span)["nemo_relay.incomplete"] is True
            assert span.status.code == 0


@pytest.mark.timeout(1200)
@pytest.mark.parametrize("kills", [5, pytest.param(50, marks=pytest.mark.backends)])
def test_killed_at_any_moment_every_span_arrives_once(tmp_path: Path, kills: int) -> None:
    """Processes that are killed somewhere in a run of 5,000 events; the last one lives to the end."""
    random_moment = random.Random(kills)
    spool, events = tmp_path / "spool", tmp_path / "events"
    with http_receiver() as receiver:
        receiver.answer = lambda number: Answer(503) if number % 5 == 0 else Answer()
        for number in range(kills):
            with started(receiver.url, spool, events, f"{number}.jsonl", 2_499) as process:
                time.sleep(random_moment.uniform(0, 0.6))
                process.kill()
        with started(receiver.url, spool, events, "last.jsonl", 5) as process:
            out, _ = process.communicate(timeout=120)
            assert out == b"done True\n"
        announced = [event for path in sorted(events.iterdir()) for event in read(path)]
        begun = {span_id(event) for event in announced if event["scope_category"] == "start"}
        ended = {span_id(event) for event in announced if event["scope_category"] == "end"}
        by_id: dict[str, list[Any]] = {}
        for span in receiver.spans:
            by_id.setdefault(span.span_id.hex(), []).append(span)
        # What the file announced has arrived, and what it says has ended has its end.
        assert begun <= by_id.keys()
        whole = {key for key, spans in by_id.items() if any(not is_incomplete(span) for span in spans)}
        assert ended <= whole
        # The spool comes before the file: a kill between the two leaves one event more.
        assert len(by_id.keys() - begun) <= kills
        # A kill between an answer and the note of it sends a batch again; a back end knows it by its ids.
        assert all(len({span.SerializeToString() for span in spans}) == 1 for spans in by_id.values())
        assert len(begun) > 10 * kills
    assert not [path for path in files(spool) if path.suffix == ".jsonl"]


def started(url: str, spool: Path, events: Path, name: str, calls: int) -> subprocess.Popen[bytes]:
    command = [sys.executable, str(PROGRAM), url, str(spool), str(events), name, str(calls)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE)
    assert process.stdout is not None
    assert process.stdout.readline() == b"ready\n"
    return process


def read(path: Path) -> list[dict[str, Any]]:
    """The events of a file; a kill may have torn its last line."""
    *whole, torn = path.read_bytes().split(b"\n")
    assert not torn or path.name != "last.jsonl"
    return [json.loads(line) for line in whole]


def is_incomplete(span: Any) -> bool:
    return bool(attributes(span).get("nemo_relay.incomplete"))


def span_id(event: dict[str, Any]) -> str:
    uuid: str = event["uuid"]
    return uuid[19:23] + uuid[24:]


def test_a_folder_that_cannot_be_made_is_told_and_events_wait_in_memory(
    tmp_path: Path, receiver: Receiver, export: Export
) -> None:
    (tmp_path / "spool").write_text("a file is in the way")
    exporters = export(section(receiver.url, tmp_path / "spool"))
    run(1)
    assert exporters.force_flush()
    assert len(receiver.spans) == 2
    assert [each.code for each in exporters.diagnostics()] == ["otel.spool_unavailable"]


def test_a_disk_that_is_full_while_the_collector_is_away_loses_nothing(tmp_path: Path) -> None:
    with small_disk(tmp_path / "small", 400) as disk:
        with http_receiver() as receiver:
            port = int(receiver.url.rpartition(":")[2])
        exporters = from_config(section(f"http://127.0.0.1:{port}", disk / "spool"))
        exporters.register("otel")
        run(50, "before")
        fill(disk)
        run(500, "full")
        assert not exporters.force_flush(1)
        assert "otel.spool_write_failed" in {each.code for each in exporters.diagnostics()}
        with http_receiver(port=port) as receiver:
            while not exporters.force_flush(20):
                pass
            assert exporters.shutdown(20)
            assert len({span.span_id for span in receiver.spans}) == len(receiver.spans) == 552
        (counters,) = exporters.counters().values()
        assert (counters.offered, counters.written, counters.dropped) == (1104, 552, 0)
        assert counters.spooled < 1104


def test_a_folder_that_cannot_be_written_is_named_and_events_wait_in_memory(
    tmp_path: Path, receiver: Receiver, export: Export
) -> None:
    with small_disk(tmp_path / "small", 64, "ro") as disk:
        exporters = export(section(receiver.url, disk / "spool"))
        run(1)
        assert exporters.force_flush()
        assert len(receiver.spans) == 2
        (told,) = exporters.diagnostics()
        assert told.code == "otel.spool_unavailable"
        assert str(disk) in told.message


def test_a_spool_that_is_full_loses_its_oldest_names_and_counts_them(tmp_path: Path) -> None:
    with http_receiver() as receiver:
        port = int(receiver.url.rpartition(":")[2])
    config = section(f"http://127.0.0.1:{port}", tmp_path)
    config["spool"]["max_bytes"] = 1 << 20
    exporters = from_config(config)
    exporters.register("otel")
    for number in range(30):
        run(100, f"agent-{number}")
    assert not exporters.force_flush(1)
    (counters,) = exporters.counters().values()
    lost = counters.lost
    assert (counters.offered, counters.dropped) == (30 * 202, lost)
    assert 0 < lost < counters.offered
    assert {each.code: each.count for each in exporters.diagnostics()}["otel.spool_full"] == lost
    assert sum(path.stat().st_size for path in files(tmp_path)) < 1.5 * (1 << 20)
    with http_receiver(port=port) as receiver:
        while not exporters.force_flush(20):
            pass
        assert exporters.shutdown(20)
        assert {span.name for span in receiver.spans} >= {"search", "agent-29"}


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork")
@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # a fork beside threads: exactly what is tested
def test_a_forked_child_has_a_journal_of_its_own(tmp_path: Path, receiver: Receiver, export: Export) -> None:
    exporters = export(section(receiver.url, tmp_path, scheduled_delay_millis=20))
    run(1, "before")
    assert exporters.force_flush()
    child = os.fork()
    if child == 0:
        try:
            run(1, "child")
            os._exit(0 if exporters.force_flush(20) else 1)
        except BaseException:
            os._exit(2)
    run(1, "parent")
    assert os.waitpid(child, 0)[1] == 0
    assert exporters.force_flush(20)
    assert {span.name for span in receiver.spans} == {"before", "child", "parent", "search"}
    assert len({span.span_id for span in receiver.spans}) == len(receiver.spans) == 6


def test_spans_that_are_open_at_the_end_are_kept_where_they_cannot_be_sent(tmp_path: Path) -> None:
    with http_receiver() as receiver:
        port = int(receiver.url.rpartition(":")[2])
        exporters = from_config(section(receiver.url, tmp_path))
        exporters.register("first")
        open_scope = scope.start("still open", ScopeType.Agent)
        assert exporters.force_flush()
    assert not exporters.shutdown(0.5)
    with http_receiver(port=port) as receiver:
        second = from_config(section(receiver.url, tmp_path))
        second.register("second")
        receiver.wait(lambda r: len(r.spans) >= 1)
        assert second.shutdown(10)
        assert attributes(receiver.named("still open"))["nemo_relay.incomplete"] is True
    scope.end(open_scope)
    assert not files(tmp_path)


def test_destinations_share_the_time_of_closing(tmp_path: Path) -> None:
    with http_receiver() as receiver:
        traces = [{"type": "full", "endpoint": url} for url in ("http://127.0.0.1:9", receiver.url)]
        exporters = from_config({"traces": traces, "spool": {"enabled": False}})
        exporters.register("both")
        run(1)
        assert not exporters.shutdown(1.0)
        assert len(receiver.spans) == 2
