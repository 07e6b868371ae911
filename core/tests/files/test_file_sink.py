# SPDX-License-Identifier: Apache-2.0
"""The ATOF file: whole lines, whatever happens to the disk, the folder and other writers."""

from __future__ import annotations

import errno
import json
import os
import resource
import signal
import stat
import threading
import time
from pathlib import Path

import pytest

from nemo_relay import AtofExporter, AtofExporterConfig, AtofExporterMode, ScopeType, scope
from nemo_relay._runtime.delivery.file_sink import FileSink
from nemo_relay.errors import AlreadyRegistered, SinkError
from nemo_relay_records.files import append
from nemo_relay_records.files.places import Place


def exporter(
    folder: Path, filename: str = "events.jsonl", mode: AtofExporterMode = AtofExporterMode.Append
) -> AtofExporter:
    config = AtofExporterConfig()
    config.output_directory = str(folder)
    config.filename = filename
    config.mode = mode
    return AtofExporter(config)


def lines(path: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_an_event_is_on_disk_when_the_call_that_emitted_it_returns(tmp_path: Path) -> None:
    sink = exporter(tmp_path)
    sink.register("disk")
    try:
        handle = scope.push("work", ScopeType.Function, input={"z": 1, "a": 2})
        text = (tmp_path / "events.jsonl").read_text()
        assert text.endswith("\n")
        assert json.loads(text)["uuid"] == handle.uuid
        assert '"data":{"z":1,"a":2}' in text  # the application's key order
        scope.pop(handle)
    finally:
        sink.shutdown()
    assert [event["scope_category"] for event in lines(tmp_path / "events.jsonl")] == ["start", "end"]


def test_files_and_folders_are_for_their_owner_only(tmp_path: Path) -> None:
    sink = exporter(tmp_path / "new", "deep/events.jsonl")
    assert stat.S_IMODE(os.stat(sink.path).st_mode) == 0o600
    for folder in (tmp_path / "new", tmp_path / "new" / "deep"):
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    sink.shutdown()


def test_append_keeps_and_overwrite_starts_fresh(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    for mode, expected in ((AtofExporterMode.Append, 1), (AtofExporterMode.Append, 2), (AtofExporterMode.Overwrite, 1)):
        sink = exporter(tmp_path, mode=mode)
        sink.register("disk")
        scope.event("mark")
        sink.shutdown()
        assert len(lines(path)) == expected


def test_overwriting_leaves_a_run_that_is_still_writing_alone(tmp_path: Path) -> None:
    first = exporter(tmp_path, mode=AtofExporterMode.Overwrite)
    first.register("first")
    scope.event("one")
    second = exporter(tmp_path, mode=AtofExporterMode.Overwrite)
    scope.event("two")
    first.shutdown()
    second.register("second")
    scope.event("three")
    second.shutdown()
    assert [event["name"] for event in lines(tmp_path / "events.1.jsonl")] == ["one", "two"]
    assert [event["name"] for event in lines(tmp_path / "events.jsonl")] == ["three"]


def test_a_torn_last_line_does_not_swallow_the_next_record(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    path.write_text('{"whole":1}\n{"torn":')
    sink = exporter(tmp_path)
    sink.register("disk")
    scope.event("after")
    sink.shutdown()
    assert json.loads(path.read_text().splitlines()[0]) == {"whole": 1}
    assert json.loads(path.read_text().splitlines()[-1])["name"] == "after"


def test_a_folder_that_vanishes_comes_back_and_loses_only_what_came_between(tmp_path: Path) -> None:
    folder = tmp_path / "gone"
    sink = FileSink(Place.of(folder / "events.jsonl"))
    sink.write(b'{"n":1}\n')
    (folder / "events.jsonl").unlink()
    folder.rmdir()
    sink.write(b'{"n":2}\n')
    sink.write(b'{"n":3}\n')
    assert (folder / "events.jsonl").read_text() == '{"n":2}\n{"n":3}\n'
    sink.close()


def test_a_full_disk_is_counted_reported_once_and_harmless(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    sink = exporter(tmp_path)
    sink.register("disk")
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    try:
        scope.event("fits")
        size = os.stat(sink.path).st_size
        resource.setrlimit(resource.RLIMIT_FSIZE, (size + 40, before[1]))
        for number in range(5):
            scope.event("too much", data=number)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, handler)
    scope.event("room again")
    assert (sink.written, sink.dropped) == (7, 0)
    assert capsys.readouterr().err.count("atof_file_write_failed") == 1
    with pytest.raises(SinkError, match="previous ATOF export failed"):
        sink.force_flush()
    assert sink.force_flush() is True  # told once
    sink.shutdown()
    readable = []
    for line in Path(sink.path).read_text().splitlines():
        try:
            readable.append(json.loads(line)["name"])
        except ValueError:
            continue
    assert readable == ["fits", *["too much"] * 5, "room again"]  # what the disk did not take at once, it took later


def test_what_the_disk_took_a_part_of_is_never_glued_to_another_threads_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sink = FileSink(Place(tmp_path, "events.jsonl"))
    wanted = [f"{thread}.{number}".ljust(40 + thread, "x") for thread in range(6) for number in range(300)]
    limit = Limit(997)
    monkeypatch.setattr(append, "write", limit.write)

    def emit(thread: int) -> None:
        for name in wanted[300 * thread : 300 * thread + 300]:
            sink.offer(json.dumps(name).encode() + b"\n")

    with limit:
        threads = [threading.Thread(target=emit, args=(thread,)) for thread in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert sink.flush()
    assert (sink.written, sink.dropped) == (len(wanted), 0)
    sink.close()
    whole, fragments = [], []
    for line in (tmp_path / "events.jsonl").read_text().splitlines():
        try:
            whole.append(json.loads(line))
        except ValueError:
            fragments.append(line)
    assert sorted(whole) == sorted(wanted)
    assert fragments  # the disk was full within a line
    assert all(any(json.dumps(name).startswith(line) for name in wanted) for line in fragments)


class Limit:
    """A limit on the size of files that is reached within a line. There is room again before the writer knows."""

    def __init__(self, step: int) -> None:
        self._step = step
        self._before = resource.getrlimit(resource.RLIMIT_FSIZE)

    def write(self, fd: int, line: bytes) -> int:
        try:
            taken = os.write(fd, line)
        except OSError:
            self._raise(fd)
            raise
        if taken != len(line):
            self._raise(fd)
            time.sleep(0.002)  # others have their turn
        return taken

    def _raise(self, fd: int) -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (os.fstat(fd).st_size + self._step, self._before[1]))

    def __enter__(self) -> None:
        self._handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (self._step, self._before[1]))

    def __exit__(self, *_: object) -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, self._before)
        signal.signal(signal.SIGXFSZ, self._handler)


def test_a_line_that_could_not_be_brought_to_the_disk_itself_is_written_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sink = FileSink(Place(tmp_path, "events.jsonl"), sync=True)

    def fail(_fd: int) -> None:
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(os, "fdatasync", fail)
    sink.offer(b"1\n")
    assert isinstance(sink.failure, OSError)
    monkeypatch.undo()
    sink.offer(b"2\n")
    sink.close()
    assert (tmp_path / "events.jsonl").read_bytes() == b"1\n2\n"


@pytest.mark.parametrize(
    ("filename", "reason"),
    [
        ("../events.jsonl", "confined relative file path"),
        ("", "confined relative file path"),
        ("link.jsonl", "refusing symlinked observability file 'link.jsonl'"),
        ("file/events.jsonl", "refusing unsafe observability directory component 'file'"),
    ],
)
def test_a_name_that_leads_elsewhere_is_refused(tmp_path: Path, filename: str, reason: str) -> None:
    (tmp_path / "file").write_text("")
    (tmp_path / "target").write_text("")
    (tmp_path / "link.jsonl").symlink_to(tmp_path / "target")
    with pytest.raises(SinkError, match=reason) as caught:
        exporter(tmp_path, filename)
    assert isinstance(caught.value, RuntimeError)


def test_a_device_is_refused() -> None:
    with pytest.raises(SinkError, match="'full' is not a regular file"):
        exporter(Path("/dev"), "full")


def test_a_second_name_does_not_write_events_twice(tmp_path: Path) -> None:
    sink = exporter(tmp_path)
    sink.register("one")
    sink.register("two")
    with pytest.raises(AlreadyRegistered):
        sink.register("two")
    scope.event("mark")
    sink.shutdown()
    assert len(lines(tmp_path / "events.jsonl")) == 1


def test_after_shutdown_events_are_ignored(tmp_path: Path) -> None:
    sink = exporter(tmp_path)
    sink.register("disk")
    sink.shutdown()
    sink.shutdown()
    scope.event("late")
    assert (tmp_path / "events.jsonl").read_text() == ""
    assert sink.deregister("disk") is False
