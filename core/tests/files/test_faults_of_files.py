# SPDX-License-Identifier: Apache-2.0
"""Files of ours under attack: each test carries the number of the fault that it keeps away."""

from __future__ import annotations

import gzip
import json
import os
import socket
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from nemo_relay import AtofExporter, AtofExporterConfig, AtofExporterMode, scope
from nemo_relay._runtime.log.config import SinkSettings
from nemo_relay._runtime.log.outputs import FileOutput
from nemo_relay.errors import LoggingError, SinkError
from nemo_relay.recording import record
from nemo_relay_records.files import append
from nemo_relay_records.files.append import AppendFile
from nemo_relay_records.files.places import Place
from nemo_relay_records.files.rotation import Rotation
from nemo_relay_records.files.whole import replace

Opener = Callable[[Path], object]


def atof(path: Path, mode: AtofExporterMode = AtofExporterMode.Append) -> AtofExporter:
    config = AtofExporterConfig()
    config.output_directory = path.parent
    config.filename = path.name
    config.mode = mode
    return AtofExporter(config)


def log(path: Path) -> FileOutput:
    return FileOutput(SinkSettings(str(path), 0), 0)


def whole(path: Path) -> None:
    replace(Place.of(path), lambda file: file.write(b"{}"))


EVERY_FILE = pytest.mark.parametrize("opened", [atof, log, whole], ids=["events", "log", "document"])


def names(path: Path) -> list[str]:
    return [json.loads(line)["name"] for line in path.read_text().splitlines()]


def plant(path: Path, kind: str) -> None:
    if kind == "fifo":
        os.mkfifo(path)
    elif kind == "socket":
        here = os.getcwd()
        os.chdir(path.parent)  # the path of a socket is short
        try:
            with socket.socket(socket.AF_UNIX) as made:
                made.bind(path.name)
        finally:
            os.chdir(here)
    elif kind == "link":
        (path.parent / "victim").write_text("precious\n")
        path.symlink_to("victim")
    else:
        path.symlink_to("nowhere")


@EVERY_FILE
@pytest.mark.parametrize("kind", ["fifo", "socket", "link", "dangling"])
def test_r7_r13_what_is_no_file_of_ours_is_refused_at_once(tmp_path: Path, opened: Opener, kind: str) -> None:
    path = tmp_path / "f.jsonl"
    plant(path, kind)
    with pytest.raises((SinkError, LoggingError, OSError)) as caught:
        opened(path)
    assert "regular file" in str(caught.value) or "symlinked" in str(caught.value)
    if kind == "link":
        assert (tmp_path / "victim").read_text() == "precious\n"


@pytest.mark.parametrize("kind", ["fifo", "link"])
def test_r7_the_same_when_it_appears_later(tmp_path: Path, kind: str) -> None:
    sink = atof(tmp_path / "f.jsonl")
    sink.register("r7")
    scope.event("before")
    os.unlink(tmp_path / "f.jsonl")
    plant(tmp_path / "f.jsonl", kind)
    scope.event("meanwhile")
    assert (sink.written, sink.dropped) == (1, 0)  # it waits
    os.unlink(tmp_path / "f.jsonl")
    scope.event("after")
    with pytest.raises(SinkError):
        sink.shutdown()
    assert names(tmp_path / "f.jsonl") == ["meanwhile", "after"]
    assert (sink.written, sink.dropped) == (3, 0)


@EVERY_FILE
def test_r13_a_file_that_is_there_is_tightened_and_new_ones_are_private(tmp_path: Path, opened: Opener) -> None:
    path = tmp_path / "new" / "deep" / "f.jsonl"
    before = os.umask(0)
    try:
        opened(path)
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert {stat.S_IMODE(folder.stat().st_mode) for folder in (path.parent, path.parent.parent)} == {0o700}
        path.chmod(0o666)
        opened(path)
    finally:
        os.umask(before)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


@pytest.mark.parametrize("filename", ["link/e.jsonl", "deep/link/e.jsonl", "/tmp/e.jsonl", "a\0b", "a/../../e.jsonl"])
def test_r13_no_name_leads_out_of_the_folder(tmp_path: Path, filename: str) -> None:
    (tmp_path / "elsewhere").mkdir()
    folder = tmp_path / "named"
    (folder / "deep").mkdir(parents=True)
    (folder / "link").symlink_to(tmp_path / "elsewhere")
    (folder / "deep" / "link").symlink_to(tmp_path / "elsewhere")
    config = AtofExporterConfig()
    config.output_directory = folder
    config.filename = filename
    with pytest.raises(SinkError):
        AtofExporter(config)
    assert list((tmp_path / "elsewhere").iterdir()) == []


def test_r13_the_folder_that_the_user_named_may_be_a_link(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "named").symlink_to(tmp_path / "real")
    atof(tmp_path / "named" / "e.jsonl").shutdown()
    assert (tmp_path / "real" / "e.jsonl").exists()


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="only root can give a file away")
@EVERY_FILE
def test_r13_a_file_of_another_user_is_refused(tmp_path: Path, opened: Opener) -> None:
    path = tmp_path / "f.jsonl"
    path.write_text("theirs\n")
    os.chown(path, 12345, -1)
    with pytest.raises((SinkError, LoggingError, OSError), match="belongs to another user"):
        opened(path)
    assert path.read_text() == "theirs\n"


def test_r13_a_planted_draft_is_not_written_through(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from itertools import count

    from nemo_relay_records.files import whole as documents

    monkeypatch.setattr(documents, "_numbers", count(7))
    (tmp_path / "victim").write_text("precious")
    (tmp_path / f".d.json.{os.getpid()}.7").symlink_to("victim")
    replace(Place.of(tmp_path / "d.json"), lambda file: file.write(b"{}"))
    assert (tmp_path / "d.json").read_text() == "{}"
    assert (tmp_path / "victim").read_text() == "precious"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["d.json", "victim"]


def test_r18_a_relative_folder_stays_where_it_was_given(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for folder in ("one", "two"):
        (tmp_path / folder).mkdir()
    monkeypatch.chdir(tmp_path / "one")
    config = AtofExporterConfig()
    config.output_directory, config.filename = "events", "e.jsonl"
    sink = AtofExporter(config)
    sink.register("r18")
    output = FileOutput(SinkSettings("relay.log", 0), 0)
    monkeypatch.chdir(tmp_path / "two")
    os.unlink(tmp_path / "one" / "events" / "e.jsonl")
    os.unlink(tmp_path / "one" / "relay.log")
    scope.event("moved")
    output._file.write(b"line\n")
    sink.shutdown()
    assert names(tmp_path / "one" / "events" / "e.jsonl") == ["moved"]
    assert (tmp_path / "one" / "relay.log").read_text() == "line\n"
    assert list((tmp_path / "two").iterdir()) == []


def moved(path: Path) -> None:
    path.rename(path.with_name("e.jsonl.1"))


def replaced(path: Path) -> None:
    (path.parent / "other").write_text("")
    os.replace(path.parent / "other", path)


def parent_moved(path: Path) -> None:
    path.parent.rename(path.parent.with_name("rotated"))


@pytest.mark.parametrize("change", [moved, replaced, os.unlink], ids=["renamed", "replaced", "deleted"])
@pytest.mark.parametrize("told", [True, False], ids=["inotify", "stat"])
def test_r11_what_happens_to_the_file_is_noticed_before_the_next_line(
    tmp_path: Path, change: Callable[[Path], None], told: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not told:
        monkeypatch.setattr(append.notices, "watch", lambda fd, path: [])
    path = tmp_path / "events" / "e.jsonl"
    sink = atof(path)
    sink.register("r11")
    for number in range(5):
        scope.event(f"before {number}")
        change(path)
        scope.event(f"after {number}")
        assert names(path) == [f"after {number}"]
    assert sink.force_flush() is True
    assert (sink.written, sink.dropped) == (10, 0)
    sink.shutdown()


def test_r11_a_folder_that_is_renamed_is_noticed(tmp_path: Path) -> None:
    path = tmp_path / "events" / "deep" / "e.jsonl"
    sink = atof(path)
    sink.register("r11")
    scope.event("before")
    parent_moved(path.parent)
    scope.event("after")
    assert names(path) == ["after"]
    sink.shutdown()


def test_r11_a_truncated_file_goes_on_at_its_new_end(tmp_path: Path) -> None:
    sink = atof(tmp_path / "e.jsonl")
    sink.register("r11")
    scope.event("before")
    os.truncate(tmp_path / "e.jsonl", 0)
    scope.event("after")
    sink.shutdown()
    assert names(tmp_path / "e.jsonl") == ["after"]


class Emitters:
    """Threads that emit until they are told to stop."""

    def __init__(self, count: int, emit: Callable[[], None]) -> None:
        self._over = threading.Event()
        self._threads = [threading.Thread(target=self._run, args=(emit,)) for _ in range(count)]

    def _run(self, emit: Callable[[], None]) -> None:
        while not self._over.is_set():
            emit()

    def __enter__(self) -> None:
        for thread in self._threads:
            thread.start()

    def __exit__(self, *_: object) -> None:
        self._over.set()
        for thread in self._threads:
            thread.join()


@contextmanager
def fast_switching() -> Iterator[None]:
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    try:
        yield
    finally:
        sys.setswitchinterval(before)


def victims(folder: Path, shut: Callable[[], None], rounds: int) -> int:
    """How many files that were opened right after a shutdown got anything written to them."""
    hit = 0
    for _ in range(rounds):
        shut()
        fds = [os.open(folder / f"victim{k}", os.O_RDWR | os.O_CREAT | os.O_TRUNC) for k in range(3)]
        time.sleep(0.001)
        hit += sum(os.fstat(fd).st_size > 0 for fd in fds)
        for fd in fds:
            os.close(fd)
    return hit


def test_r2_events_never_land_in_the_file_that_got_the_descriptor_next(tmp_path: Path) -> None:
    def shut() -> None:
        sink = atof(tmp_path / "e.jsonl")
        sink.register("r2")
        time.sleep(0.001)
        sink.shutdown()

    with fast_switching(), Emitters(4, lambda: scope.event("leak", data={"pad": "x" * 50})):
        assert victims(tmp_path, shut, 40) == 0
    names(tmp_path / "e.jsonl")  # every line is whole


def test_r2_the_same_for_a_recording_and_for_a_log(tmp_path: Path) -> None:
    output = log(tmp_path / "relay.log")

    def shut() -> None:
        nonlocal output
        record(tmp_path / "run").stop()
        output._file.close()
        output = log(tmp_path / "relay.log")

    def emit() -> None:
        scope.event("leak")
        output._file.write(b"{}\n")

    with fast_switching(), Emitters(3, emit):
        assert victims(tmp_path, shut, 20) == 0
    names(tmp_path / "run" / "atof" / "events.jsonl")
    output._file.close()


def test_r1_a_log_whose_rotation_fails_touches_no_descriptor_of_the_application(tmp_path: Path) -> None:
    folder = tmp_path / "logs"
    file = AppendFile(Place.of(folder / "relay.log"), rotation=Rotation(100, keep=1))
    file.write(b"x" * 90 + b"\n")
    (folder / "relay.log").unlink()
    folder.rmdir()
    folder.write_text("in the way")
    for _ in range(5):
        file.write(b"y" * 90 + b"\n")
    fds = [os.open(tmp_path / f"db{k}", os.O_RDWR | os.O_CREAT) for k in range(4)]
    for _ in range(5):
        file.write(b"z" * 90 + b"\n")
    file.close()
    assert [os.fstat(fd).st_size for fd in fds] == [0] * 4
    for fd in fds:
        os.close(fd)
    assert (file.written, file.dropped) == (1, 10)


def test_what_waits_for_the_disk_is_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(append, "MAX_WAITING_LINES", 3)
    file = AppendFile(Place.of(tmp_path / "e.jsonl"))
    (tmp_path / "e.jsonl").unlink()
    (tmp_path / "e.jsonl").mkdir()
    for number in range(5):
        file.write(b"%d\n" % number)
    assert (file.written, file.waiting, file.dropped) == (0, 3, 2)
    (tmp_path / "e.jsonl").rmdir()
    file.write(b"5\n")
    assert (tmp_path / "e.jsonl").read_text() == "0\n1\n2\n5\n"
    assert (file.written, file.retried, file.waiting, file.dropped) == (4, 3, 0, 2)
    file.close()


BOTH = """
import sys, time
from nemo_relay import AtofExporter, AtofExporterConfig, AtofExporterMode, scope
for k in range(int(sys.argv[3])):
    config = AtofExporterConfig()
    config.output_directory, config.filename = sys.argv[1], "e.jsonl"
    config.mode = getattr(AtofExporterMode, sys.argv[2])
    sink = AtofExporter(config)
    sink.register("x")
    scope.event(sys.argv[2], data={"pad": "y" * 3000})
    sink.shutdown()
    assert (sink.written, sink.dropped) == (1, 0)
"""


def test_r20_processes_that_open_one_path_at_the_same_moment_all_start(tmp_path: Path) -> None:
    modes = ("Overwrite", "Append", "Overwrite", "Append")
    running = [
        subprocess.Popen([sys.executable, "-c", BOTH, str(tmp_path), mode, "100"], stderr=subprocess.PIPE, text=True)
        for mode in modes
    ]
    for process in running:
        _, errors = process.communicate(timeout=100)
        assert (process.returncode, errors) == (0, "")
    for path in tmp_path.iterdir():
        assert set(names(path)) <= {"Overwrite", "Append"}


def test_an_overwritten_run_says_where_its_file_is_now(tmp_path: Path) -> None:
    first = atof(tmp_path / "e.jsonl", AtofExporterMode.Overwrite)
    first.register("first")
    scope.event("one")
    second = atof(tmp_path / "e.jsonl", AtofExporterMode.Overwrite)
    scope.event("two")
    assert first.path == str(tmp_path / "e.1.jsonl")
    first.shutdown()
    second.shutdown()
    assert names(tmp_path / "e.1.jsonl") == ["one", "two"]


def test_files_step_aside_and_are_compressed(tmp_path: Path) -> None:
    file = AppendFile(Place.of(tmp_path / "e.jsonl"), rotation=Rotation(20, keep=2, compress=True))
    for number in range(7):
        file.write(b"line %d\n" % number)
        for thread in threading.enumerate():
            if thread.name == "nemo-relay-gzip":
                thread.join()
    file.close()
    found = {path.name: gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
             for path in tmp_path.iterdir()}  # fmt: skip
    assert found == {
        "e.jsonl": b"line 6\n",
        "e.1.jsonl.gz": b"line 4\nline 5\n",
        "e.2.jsonl.gz": b"line 2\nline 3\n",
    }


@pytest.mark.skipif(not hasattr(os, "fork"), reason="the platform has no fork")
@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_r6_a_forked_child_writes_its_own_lines_and_notices_for_itself(tmp_path: Path) -> None:
    file = AppendFile(Place.of(tmp_path / "e.jsonl"))
    file.write(b"parent\n")
    child = os.fork()
    if child == 0:
        try:
            os.rename(tmp_path / "e.jsonl", tmp_path / "old")
            file.write(b"child\n")
        finally:
            os._exit(0)
    os.waitpid(child, 0)
    file.write(b"parent again\n")
    assert (tmp_path / "old").read_text() == "parent\n"
    assert (tmp_path / "e.jsonl").read_text() == "child\nparent again\n"
    file.close()
