# SPDX-License-Identifier: Apache-2.0
"""R10: a signal handler emits, logs and flushes on the thread that does so itself, at whatever line it comes."""

from __future__ import annotations

import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

# Runs `operation` again and again, each time with `action` in front of the next line of the code in question.
PROGRAM = """
import sys
from pathlib import Path
PLACES = ("/delivery/dispatcher.py", "/delivery/sinks.py", "/log/outputs.py", "/_runtime/threads.py", "/threading.py")

def interrupted(operation, action, number):
    count, fired = 0, False
    def trace(frame, event, _arg):
        nonlocal count, fired
        if fired or not frame.f_code.co_filename.endswith(PLACES):
            return None
        if event == "line":
            count += 1
            if count > number:
                fired = True
                action()
        return trace
    sys.settrace(trace)
    try:
        operation()
    finally:
        sys.settrace(None)
    return fired

def everywhere(make):
    for number in range(1_000):
        operation, action, check = make(number)
        fired = interrupted(operation, action, number)
        check(fired)
        if not fired:
            return number
"""
DISPATCHER = """
from nemo_relay._runtime.delivery.dispatcher import Dispatcher
def make(number):
    ours, ran = Dispatcher(), []
    def check(fired):
        assert ours.flush(None)
        assert ran.count("operation") == 1 and ran.count("action") == fired, ran
    def action():
        ours.call(lambda: ran.append("action"))
        ours.flush(None)
    return lambda: ours.call(lambda: ran.append("operation")), action, check
"""
BUFFERED = """
from nemo_relay._runtime.delivery.file_sink import FileSink
from nemo_relay._runtime.delivery.sinks import BufferedSink
from nemo_relay_records.files.places import Place
def make(number):
    path = Path(f"{number}.jsonl").resolve()
    sink = BufferedSink(FileSink(Place.of(path)))
    def check(fired):
        assert sink.flush(None)
        sink.close()
        assert sorted(path.read_text().split()) == ["action"] * fired + ["operation"]
    def action():
        sink.offer(b"action\\n")
        sink.flush(None)
    return lambda: sink.offer(b"operation\\n"), action, check
"""
LOG = """
from nemo_relay._runtime.log.config import SinkSettings
from nemo_relay._runtime.log.record import Record
from nemo_relay._runtime.log.outputs import FileOutput
def make(number):
    path = Path(f"{number}.log").resolve()
    log = FileOutput(SinkSettings(str(path), 0), 0)
    def write(text):
        log.write(Record(0, 0, "t", "", {}, text, "01a2032d"))
    def check(fired):
        log.close(60)
        text = path.read_text()
        assert (text.count("operation"), text.count("action")) == (1, fired), text
    return lambda: write("operation"), lambda: write("action"), check
"""


def run(program: str, folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-W", "error", "-c", program], cwd=folder, capture_output=True, text=True, timeout=55
    )


@pytest.mark.parametrize("what", [DISPATCHER, BUFFERED, LOG], ids=["dispatcher", "buffered sink", "log file"])
def test_r10_emitting_and_flushing_at_every_line_of_the_first_start(what: str, tmp_path: Path) -> None:
    done = run(f"{PROGRAM}{what}\nprint(everywhere(make))", tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert int(done.stdout) > 10, "the code that was to be interrupted has moved"


def test_r10_a_line_of_the_log_inside_a_line_of_the_log(tmp_path: Path) -> None:
    """The buffer of standard error refuses a second line from the same thread: neither is lost."""
    program = """
        import io, sys
        from nemo_relay import logs
        class Interrupted(io.RawIOBase):
            done = False
            def writable(self):
                return True
            def fileno(self):
                return 2
            def write(self, data):
                if not self.done:
                    self.done = True
                    logs.error("the inner one")
                import os
                return os.write(2, data)
        sys.stderr = io.TextIOWrapper(io.BufferedWriter(Interrupted()), line_buffering=True)
        logs.error("the outer one")
        """
    done = run(textwrap.dedent(program), tmp_path)
    assert done.returncode == 0
    assert done.stderr.count("the inner one") == done.stderr.count("the outer one") == 1, done.stderr
