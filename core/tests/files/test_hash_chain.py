# SPDX-License-Identifier: Apache-2.0
"""Each line names the one before it: through rotation, restarts, processes, crashes; and what does not fit is found."""

from __future__ import annotations

import errno
import gzip
import json
import os
import random
import resource
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from nemo_relay import ScopeType, scope
from nemo_relay._runtime.delivery.file_sink import FileSink
from nemo_relay.atof import AtofExporter, AtofExporterConfig, ChainReport, verify_chain
from nemo_relay.errors import SinkError
from nemo_relay.recording import record
from nemo_relay_records.files.chain import unlinked
from nemo_relay_records.files.places import Place, alone
from nemo_relay_records.files.rotation import Rotation


def line(number: int, size: int = 10) -> bytes:
    return json.dumps({"n": number, "text": "x" * size}).encode() + b"\n"


def sink_in(folder: Path, rotation: Rotation | None = None, overwrite: bool = False) -> FileSink:
    return FileSink(Place(folder, "events.jsonl"), chained=True, rotation=rotation, overwrite=overwrite)


def write(folder: Path, numbers: range, rotation: Rotation | None = None) -> None:
    sink = sink_in(folder, rotation)
    for number in numbers:
        sink.offer(line(number))
    sink.close()


def checked(folder: Path) -> ChainReport:
    return verify_chain(folder / "events.jsonl")


def numbers(folder: Path) -> list[int]:
    files = sorted(folder.glob("events*.jsonl"), key=lambda path: path.name, reverse=True)
    files.sort(key=lambda path: path.name != "events.jsonl", reverse=True)
    return [json.loads(one)["n"] for path in files for one in path.read_bytes().splitlines()]


def test_a_recording_is_chained_and_its_documents_know_nothing_of_it(tmp_path: Path) -> None:
    for _ in range(2):
        with record(tmp_path, hash_chain=True) as recording, scope.scope("planner", ScopeType.Agent):
            scope.event("mark")
    assert len(recording.trajectories) == 1
    report = verify_chain(recording.events_path)
    assert (report.intact, report.lines, report.linked, report.continues) == (True, 6, 6, None)
    events = [json.loads(one) for one in recording.events_path.read_bytes().splitlines()]
    assert events[0]["prev"] is None
    assert events[1]["prev"].startswith("sha256:")
    assert "prev" not in recording.trajectories[0].read_text()


@pytest.mark.parametrize("kind", ["changed", "taken out", "added", "swapped", "copied", "first taken out", "spaces"])
def test_the_first_line_that_does_not_fit_is_named(tmp_path: Path, kind: str) -> None:
    write(tmp_path, range(10))
    path = tmp_path / "events.jsonl"
    lines = path.read_bytes().splitlines(keepends=True)
    expected = 6
    if kind == "changed":
        lines[4] = lines[4].replace(b'"n": 4', b'"n": 5')
    elif kind == "taken out":
        del lines[4]
        expected = 5
    elif kind == "added":
        lines.insert(4, b'{"n": 99}\n')
        expected = 5
    elif kind == "swapped":
        lines[4], lines[5] = lines[5], lines[4]
        expected = 5
    elif kind == "copied":
        lines.insert(5, lines[4])
    elif kind == "spaces":
        lines[4] = lines[4][:-1] + b" \n"
    else:
        del lines[0]
        path.write_bytes(b"".join(lines))
        assert checked(tmp_path).continues is not None  # in front of it something is gone
        return
    path.write_bytes(b"".join(lines))
    report = checked(tmp_path)
    assert not report.intact
    assert report.misfit is not None
    assert (report.misfit.path, report.misfit.line) == (path, expected)


def test_lines_taken_from_the_end_show_when_one_asks_for_the_head_noted_before(tmp_path: Path) -> None:
    write(tmp_path, range(5))
    head = checked(tmp_path).head
    write(tmp_path, range(5, 8))
    assert verify_chain(tmp_path / "events.jsonl", head=head).intact
    path = tmp_path / "events.jsonl"
    path.write_bytes(b"".join(path.read_bytes().splitlines(keepends=True)[:4]))
    assert checked(tmp_path).intact
    report = verify_chain(path, head=head)
    assert report.misfit is not None
    assert (report.misfit.line, str(head) in report.misfit.reason) == (0, True)


def test_a_chain_goes_on_through_restarts_and_rotation_and_over_what_was_kept(tmp_path: Path) -> None:
    rotation = Rotation(max_bytes=500, keep=3)
    for start in range(0, 60, 20):
        write(tmp_path, range(start, start + 20), rotation)
    report = checked(tmp_path)
    assert report.misfit is None
    assert report.continues is not None  # the oldest files are gone, and that is told
    assert numbers(tmp_path) == list(range(60 - report.lines, 60))


def test_a_chain_goes_on_from_an_older_file_that_was_compressed(tmp_path: Path) -> None:
    write(tmp_path, range(5))
    path = tmp_path / "events.jsonl"
    (tmp_path / "events.1.jsonl.gz").write_bytes(gzip.compress(path.read_bytes()))
    path.unlink()
    write(tmp_path, range(5, 8), Rotation(max_bytes=10_000))
    report = checked(tmp_path)
    assert (report.intact, report.lines) == (True, 8)


def test_a_chain_begins_behind_lines_that_have_none(tmp_path: Path) -> None:
    (tmp_path / "events.jsonl").write_bytes(line(0) + line(1))
    write(tmp_path, range(2, 4))
    report = checked(tmp_path)
    assert (report.intact, report.unlinked, report.linked) == (True, 2, 2)
    assert not checked_after_change(tmp_path / "events.jsonl", 1).intact  # the last of them is named


def checked_after_change(path: Path, number: int) -> ChainReport:
    lines = path.read_bytes().splitlines(keepends=True)
    lines[number] = lines[number].replace(b"x", b"y")
    path.write_bytes(b"".join(lines))
    return verify_chain(path)


def test_a_torn_line_is_named_as_it_is(tmp_path: Path) -> None:
    write(tmp_path, range(3))
    path = tmp_path / "events.jsonl"
    with path.open("ab") as file:
        file.write(b'{"n": 3, "te')
    assert (checked(tmp_path).intact, checked(tmp_path).torn) == (True, 1)
    write(tmp_path, range(4, 6))
    report = checked(tmp_path)
    assert (report.intact, report.torn, report.lines) == (True, 1, 6)
    assert not checked_after_change(path, 2).intact  # the line before the torn one has no other that names it


@pytest.mark.parametrize("cut", range(1, 60))
def test_wherever_a_line_is_torn_the_chain_goes_on(tmp_path: Path, cut: int) -> None:
    path = tmp_path / "events.jsonl"
    sink = sink_in(tmp_path)
    for _ in range(2):
        sink.offer(b'{"a":{"b":{"c":1},"d":[{}]}}\n')
    sink.close()
    os.truncate(path, path.stat().st_size - cut)
    write(tmp_path, range(2))
    report = checked(tmp_path)
    assert (report.misfit, report.lines) == (None, 4)


def test_a_file_removed_truncated_or_renamed_underneath_does_not_end_the_chain(tmp_path: Path) -> None:
    sink = sink_in(tmp_path)
    path = tmp_path / "events.jsonl"
    sink.offer(line(0))
    head = checked(tmp_path).head
    path.rename(tmp_path / "moved")
    sink.offer(line(1))
    assert (checked(tmp_path).misfit, checked(tmp_path).continues) == (None, head)
    head = checked(tmp_path).head
    os.truncate(path, 0)
    sink.offer(line(2))
    sink.close()
    assert (checked(tmp_path).continues, checked(tmp_path).lines) == (head, 1)


def test_a_run_that_overwrites_begins_a_chain_and_the_one_beside_it_goes_on(tmp_path: Path) -> None:
    first = sink_in(tmp_path, overwrite=True)
    first.offer(line(0))
    second = sink_in(tmp_path, overwrite=True)
    for number in range(1, 4):
        first.offer(line(number))
        second.offer(line(100 + number))
    first.close()
    second.close()
    assert verify_chain(tmp_path / "events.1.jsonl").lines == 4
    assert verify_chain(tmp_path / "events.1.jsonl").intact
    assert checked(tmp_path).intact


def test_threads_and_sinks_of_one_process_take_turns(tmp_path: Path) -> None:
    sinks = [sink_in(tmp_path), sink_in(tmp_path)]

    def emit(sink: FileSink) -> None:
        for number in range(50):
            sink.offer(line(number))

    threads = [threading.Thread(target=emit, args=(sink,)) for sink in sinks * 2]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for sink in sinks:
        sink.close()
    report = checked(tmp_path)
    assert (report.intact, report.lines) == (True, 200)


WRITER = """
import os, sys, time
sys.path[:0] = [sys.argv[2]]
from pathlib import Path
from test_hash_chain import line, sink_in
from nemo_relay_records.files.rotation import Rotation

rotation = Rotation(max_bytes=20_000) if sys.argv[3] == "rotate" else None
sink = sink_in(Path(sys.argv[1]), rotation)
child = os.fork()
print("running", flush=True)
number = 0
while sys.argv[4] == "endless" or number < 200:
    sink.offer(line(number, 200))
    number += 1
while not sink.flush():
    time.sleep(0.01)
if child:
    os.waitpid(child, 0)
"""


def started(folder: Path, rotation: str, how_long: str) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-c", WRITER, str(folder), str(Path(__file__).parent), rotation, how_long]
    return subprocess.Popen(command, stdout=subprocess.PIPE, start_new_session=True)


@pytest.mark.parametrize("rotation", ["rotate", "grow"])
def test_processes_and_their_children_share_one_chain(tmp_path: Path, rotation: str) -> None:
    processes = [started(tmp_path, rotation, "200") for _ in range(3)]
    assert [process.wait(60) for process in processes] == [0, 0, 0]
    for process in processes:
        assert process.stdout is not None
        process.stdout.close()
    report = checked(tmp_path)
    assert (report.misfit, report.lines, report.continues) == (None, 1_200, None)


def test_processes_that_are_killed_at_random_leave_a_chain_that_others_go_on_with(tmp_path: Path) -> None:
    chance = random.Random(1)
    for _ in range(5):
        process = started(tmp_path, "grow", "endless")
        assert process.stdout is not None
        with process, process.stdout:
            process.stdout.readline()
            before = (tmp_path / "events.jsonl").stat().st_size
            while (tmp_path / "events.jsonl").stat().st_size < before + chance.randrange(1, 200_000):
                pass
            os.killpg(process.pid, signal.SIGKILL)
            process.wait(50)
    write(tmp_path, range(3))
    report = checked(tmp_path)
    assert report.misfit is None
    assert report.lines > 10


def test_a_process_that_does_not_let_go_holds_one_line_up_and_none_is_lost(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("nemo_relay_records.files.append.LOCK_SECONDS", 0.01)
    sink = sink_in(tmp_path)
    with Place(tmp_path, "events.jsonl").opened() as folder, alone(folder) as held:
        assert held
        for number in range(3):
            sink.offer(line(number))
        assert sink.counters().waiting == 3
    assert sink.flush()
    sink.close()
    assert numbers(tmp_path) == [0, 1, 2]
    assert checked(tmp_path).intact


def test_what_is_no_object_is_written_as_it_is_and_a_field_of_that_name_stays(tmp_path: Path) -> None:
    for odd in (b"[1]\n", b"\n", b'{"uuid":"1","data":{"x":1,"prev":null}}\n', b'{"prev":7}\n', b"}\n"):
        assert unlinked(odd) == odd
    sink = sink_in(tmp_path)
    sink.offer(b'{"data":{"x":1,"prev":null}}\n')
    sink.close()
    assert unlinked((tmp_path / "events.jsonl").read_bytes()) == b'{"data":{"x":1,"prev":null}}\n'


def test_no_file_and_no_chain_are_told(tmp_path: Path) -> None:
    with pytest.raises(SinkError, match="cannot read the events"):
        checked(tmp_path)
    (tmp_path / "events.jsonl").write_bytes(line(1))
    assert not checked(tmp_path).intact


def test_a_line_that_the_disk_did_not_take_is_named_by_none(tmp_path: Path) -> None:
    sink = sink_in(tmp_path)
    for size in (0, 20):
        whole = (tmp_path / "events.jsonl").stat().st_size
        resource.setrlimit(resource.RLIMIT_FSIZE, (whole + size, resource.RLIM_INFINITY))
        try:
            sink.offer(line(1))
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
        sink.offer(line(2))
        assert sink.flush()
    sink.close()
    report = checked(tmp_path)
    assert (report.misfit, report.linked, report.torn) == (None, 4, 1)


@pytest.mark.parametrize("durability", ["write", "fsync", "buffered"])
def test_every_durability_chains(tmp_path: Path, durability: str) -> None:
    config = AtofExporterConfig()
    config.output_directory, config.filename = tmp_path, "events.jsonl"
    config.hash_chain, config.blob_bytes, config.durability = True, 300, durability
    exporter = AtofExporter(config)
    exporter.register("chained")
    for number in range(5):
        scope.event("noted", data={"number": number, "text": "x" * 400})
    assert exporter.force_flush(30)
    exporter.shutdown()
    report = checked(tmp_path)
    assert (report.intact, report.linked, len(list((tmp_path / "blobs").iterdir()))) == (True, 5, 1)


def test_a_file_system_without_locks_has_chains_all_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def none(fd: int, how: int) -> None:
        raise OSError(errno.ENOTSUP, "no locks here")

    monkeypatch.setattr("nemo_relay_records.files.places.fcntl.flock", none)
    write(tmp_path, range(3))
    assert (checked(tmp_path).intact, numbers(tmp_path)) == (True, [0, 1, 2])
