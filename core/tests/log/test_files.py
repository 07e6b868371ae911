# SPDX-License-Identifier: Apache-2.0
"""Log files: written by a thread of their own, complete at exit, rotated, bounded."""

from __future__ import annotations

import errno
import os
import threading
from pathlib import Path

import pytest

from nemo_relay._runtime.log.config import SinkSettings
from nemo_relay._runtime.log.outputs import FileOutput
from nemo_relay._runtime.log.record import TRACE, Record
from nemo_relay_records.files.append import AppendFile
from nemo_relay_records.files.places import Place
from nemo_relay_records.files.rotation import Rotation

from .processes import config, records, run

needs_fork = pytest.mark.skipif(not hasattr(os, "fork"), reason="the platform has no fork")


def made(path: Path, **settings: object) -> FileOutput:
    return FileOutput(SinkSettings(str(path), TRACE, **settings), 0)  # type: ignore[arg-type]


def rotating(path: Path, max_bytes: int, keep: int) -> AppendFile:
    return AppendFile(Place.of(path), rotation=Rotation(max_bytes, keep=keep))


def record(message: str) -> Record:
    return Record(0, 0, "t", "", {}, message, "01a2032d")


def messages(path: Path) -> list[str]:
    return [one["message"] for one in records(path.read_text(encoding="utf-8"))]


def test_everything_is_in_the_file_at_exit(tmp_path: Path) -> None:
    path, log = config(tmp_path, ""), tmp_path / "made" / "relay.log"
    config(
        tmp_path,
        '[logging]\nlevel = "info"\nstderr_enabled = false\nflush_interval_millis = 0\n'
        f'[[logging.sinks]]\npath = "{log}"\n',
    )
    code = "import nemo_relay\nfor i in range(500): nemo_relay.info(f'm{i}')\nnemo_relay.debug('not shown')"
    done = run(code, NEMO_RELAY_LOG_CONFIG_PATH=path)
    assert (done.returncode, done.stderr) == (0, "")
    assert '"event":"logging_shutdown_started"' in log.read_text(encoding="utf-8")
    found = records(log.read_text(encoding="utf-8"))
    assert [one["message"] for one in found[1:-1]] == [f"m{i}" for i in range(500)]
    assert found[0]["fields"] == {"file_sink_count": 1}
    assert len({one["root_relay_id"] for one in found}) == 1


def test_two_sinks_with_their_own_level_and_format(tmp_path: Path) -> None:
    path = config(
        tmp_path,
        f'[logging]\nstderr_enabled = false\n[[logging.sinks]]\npath = "{tmp_path}/all.log"\nlevel = "trace"\n'
        f'format = "human"\n[[logging.sinks]]\npath = "{tmp_path}/errors.log"\n',
    )
    code = "import nemo_relay\nnemo_relay.trace('fine')\nnemo_relay.error('broken', fields={'why': 'no idea'})"
    run(code, NEMO_RELAY_LOG_CONFIG_PATH=path)
    assert messages(tmp_path / "errors.log") == ["broken"]
    lines = (tmp_path / "all.log").read_text(encoding="utf-8").splitlines()
    assert [line.split(" ", 1)[1].split(" root=")[0] for line in lines] == ["INFO", "TRACE", "ERROR", "INFO"]
    assert lines[2].endswith('why="no idea" broken')


def test_the_oldest_lines_go_when_a_file_rotates(tmp_path: Path) -> None:
    file = rotating(tmp_path / "r.log", 20, 2)
    for number in range(7):
        file.write(f"line {number}\n".encode())  # 7 bytes: two fit
    assert {path.name: path.read_text() for path in tmp_path.iterdir()} == {
        "r.log": "line 6\n",
        "r.1.log": "line 4\nline 5\n",
        "r.2.log": "line 2\nline 3\n",
    }


def test_a_record_longer_than_the_file_gets_one_of_its_own(tmp_path: Path) -> None:
    file = rotating(tmp_path / "r.log", 10, 3)
    for text in ("a\n", f"{'long' * 9}\n", "b\n"):
        file.write(text.encode())
    assert (tmp_path / "r.1.log").read_text().startswith("long")
    assert (tmp_path / "r.2.log").read_text() == "a\n"


def test_two_writers_rotate_once(tmp_path: Path) -> None:
    one, two = (rotating(tmp_path / "r.log", 10, 5) for _ in range(2))
    one.write(b"12345678\n")
    two.write(b"two\n")  # rotates
    one.write(b"one\n")  # finds that somebody has
    assert (tmp_path / "r.log").read_text() == "two\none\n"
    assert not (tmp_path / "r.2.log").exists()


class Slow:
    """A file that takes nothing until it may."""

    def __init__(self) -> None:
        self.dropped = 0
        self.lines: list[bytes] = []
        self.entered = threading.Event()
        self.may = threading.Event()

    def write(self, line: bytes) -> None:
        self.entered.set()
        assert self.may.wait(50)
        self.lines.append(line)

    def sync(self) -> None:
        pass

    def retry(self) -> bool:
        return True


def test_a_full_queue_drops_and_says_so(tmp_path: Path) -> None:
    output = made(tmp_path / "q.log", queue_capacity=3)
    slow = Slow()
    output._file = slow  # type: ignore[assignment]
    output.write(record("first"))
    assert slow.entered.wait(50)
    for number in range(5):
        output.write(record(f"m{number}"))
    assert output.dropped == 2
    slow.may.set()
    output.close(10)
    found = records(b"".join(slow.lines).decode())
    assert [one["message"] for one in found[:4]] == ["first", "m0", "m1", "m2"]
    assert (found[4]["event"], found[4]["fields"]) == ("log_records_dropped", {"count": 2, "queue_capacity": 3})


def test_what_is_logged_after_the_end_is_written_at_once(tmp_path: Path) -> None:
    output = made(tmp_path / "a.log")
    output.write(record("before"))
    output.close(10)
    output.write(record("after"))
    assert messages(tmp_path / "a.log") == ["before", "after"]


def test_a_disk_that_fails_is_reported_once(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    output = made(tmp_path / "a.log")

    def full(fd: int, line: bytes) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr("nemo_relay_records.files.append.write", full)
    for number in range(5):
        output.write(record(f"m{number}"))
    output.close(10)
    assert capsys.readouterr().err.count(f"cannot write the log file {str(tmp_path / 'a.log')!r}") == 1
    assert (output._file.waiting, output.dropped) == (5, 0)
    monkeypatch.undo()
    output.write(record("room again"))
    assert messages(tmp_path / "a.log") == ["m0", "m1", "m2", "m3", "m4", "room again"]


@needs_fork
@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_a_forked_child_logs_too(tmp_path: Path) -> None:
    path = config(
        tmp_path, f'[logging]\nlevel = "info"\nstderr_enabled = false\n[[logging.sinks]]\npath = "{tmp_path}/a.log"\n'
    )
    code = (
        "import os, sys, warnings\nwarnings.simplefilter('ignore')\n"
        "import nemo_relay\nnemo_relay.info('parent before')\n"
        "child = os.fork()\n"
        "nemo_relay.info('child' if child == 0 else 'parent')\n"
        "if child: sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))\n"
    )
    done = run(code, NEMO_RELAY_LOG_CONFIG_PATH=path)
    assert done.returncode == 0, done.stderr
    found = records((tmp_path / "a.log").read_text(encoding="utf-8"))
    roots = {one["message"]: one["root_relay_id"] for one in found}
    assert sorted(one["message"] for one in found if one["event"] == "") == ["child", "parent", "parent before"]
    assert roots["child"] != roots["parent"] == roots["parent before"]
