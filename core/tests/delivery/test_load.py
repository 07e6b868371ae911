# SPDX-License-Identifier: Apache-2.0
"""Delivery under load: bounded queues, stuck and strange subscribers, forks and exits."""

from __future__ import annotations

import asyncio
import faulthandler
import os
import subprocess
import sys
import textwrap
import threading
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from nemo_relay import AtofExporter, AtofExporterConfig, ScopeType, scope, subscribers
from nemo_relay.subscribers import statistics


class Blockable:
    """A subscriber that can be stopped in the middle of an event."""

    def __init__(self) -> None:
        self.heard: list[str] = []
        self.entered = threading.Event()
        self.go_on = threading.Event()

    def __call__(self, event: Any) -> None:
        self.entered.set()
        self.go_on.wait(30)
        self.heard.append(event.name)


def since(before: Any) -> dict[str, int]:
    now = statistics()
    return {field: getattr(now, field) - getattr(before, field) for field in now._fields}


def test_what_does_not_fit_is_counted_exactly() -> None:
    stuck = Blockable()
    subscribers.register("stuck", stuck)
    subscribers.configure(capacity=100)
    before = statistics()
    scope.event("first")
    assert stuck.entered.wait(50)
    for number in range(250):
        scope.event(str(number))
    assert since(before) == {"offered": 251, "delivered": 0, "dropped": 150, "failed": 0, "queued": 101}
    stuck.go_on.set()
    assert subscribers.flush(50)
    assert since(before) == {"offered": 251, "delivered": 101, "dropped": 150, "failed": 0, "queued": 0}
    assert stuck.heard == ["first", *map(str, range(100))]


def test_threads_that_overflow_the_queue_together() -> None:
    stuck = Blockable()
    subscribers.register("stuck", stuck)
    subscribers.configure(capacity=50)
    before = statistics()
    scope.event("first")
    assert stuck.entered.wait(50)
    ready = threading.Barrier(8)

    def burst(thread: int) -> None:
        ready.wait()
        for number in range(200):
            scope.event(f"{thread}.{number}")

    threads = [threading.Thread(target=burst, args=(thread,)) for thread in range(8)]
    switch = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    finally:
        sys.setswitchinterval(switch)
    now = since(before)
    assert now["offered"] == 1_601
    assert now["offered"] == now["delivered"] + now["dropped"] + now["queued"]
    stuck.go_on.set()
    assert subscribers.flush(50)
    now = since(before)
    assert now["offered"] == 1_601 == now["delivered"] + now["dropped"]
    assert len(stuck.heard) == now["delivered"]
    for thread in range(8):  # in the order of each emitter
        mine = [int(name.split(".")[1]) for name in stuck.heard if name.startswith(f"{thread}.")]
        assert mine == sorted(mine)


def test_an_emitter_may_wait_for_room() -> None:
    stuck = Blockable()
    stuck.go_on.set()
    subscribers.register("slow", stuck)
    subscribers.configure(capacity=1, wait_seconds=20)
    before = statistics()
    for number in range(200):
        scope.event(str(number))
    assert subscribers.flush(50)
    assert since(before)["dropped"] == 0
    assert stuck.heard == list(map(str, range(200)))


def test_a_flush_has_a_deadline_and_says_what_it_could_not_do() -> None:
    stuck = Blockable()
    subscribers.register("stuck", stuck)
    before = statistics()
    scope.event("m")
    assert stuck.entered.wait(50)
    assert subscribers.flush(0.02) is False
    assert asyncio.run(subscribers.flush_async(0.02)) is False
    assert since(before)["queued"] == 1  # the flushes themselves are no events
    stuck.go_on.set()
    assert subscribers.flush(50) is True
    assert asyncio.run(subscribers.flush_async(50)) is True
    assert stuck.heard == ["m"]


def test_subscribers_that_fail_are_isolated_and_counted(capsys: pytest.CaptureFixture[str]) -> None:
    class Unspeakable(Exception):
        def __str__(self) -> str:
            raise ValueError

    heard: list[str] = []

    def failing(event: Any) -> None:
        raise {"0": ValueError("v"), "1": SystemExit(3), "2": Unspeakable(), "3": KeyboardInterrupt()}[event.name]

    subscribers.register("failing", failing)
    subscribers.register("sound", lambda event: heard.append(event.name))
    before = statistics()
    for number in range(4):
        scope.event(str(number))
    assert subscribers.flush(50)
    assert heard == ["0", "1", "2", "3"]
    assert since(before)["failed"] == 4
    assert capsys.readouterr().err.count("Event subscriber error") == 4


def test_a_sink_that_fails_is_isolated() -> None:
    from nemo_relay._runtime.registry import registry

    def broken(_line: bytes) -> None:
        raise RuntimeError("disk")

    lines: list[bytes] = []
    for name, sink in (("a", broken), ("b", lines.append)):
        registry.subscribers.register(name, 0, sink, sink=sink)
    with scope.scope("s", ScopeType.Function):
        scope.event("m")
    assert len(lines) == 3


def test_a_subscriber_that_emits() -> None:
    heard: list[str] = []

    def echo(event: Any) -> None:
        heard.append(event.name)
        if event.name.count("!") < 3:
            scope.event(event.name + "!")

    subscribers.register("echo", echo)
    for number in range(50):
        scope.event(str(number))
    for _ in range(4):  # what is emitted meanwhile queues up behind the flush
        assert subscribers.flush(50)
    assert Counter(heard) == Counter(f"{number}{'!' * marks}" for number in range(50) for marks in range(4))


async def test_async_subscribers_run_on_their_loop_in_order() -> None:
    heard: list[tuple[str, bool]] = []
    loop = asyncio.get_running_loop()

    async def listen(event: Any) -> None:
        await asyncio.sleep(0)
        heard.append((event.name, asyncio.get_running_loop() is loop))

    subscribers.register("async", listen)
    for number in range(300):
        scope.event(str(number))
    assert await subscribers.flush_async(50)
    assert heard == [(str(number), True) for number in range(300)]


def test_an_async_subscriber_outlives_its_loop() -> None:
    heard: list[str] = []

    async def listen(event: Any) -> None:
        await asyncio.sleep(0)
        heard.append(event.name)

    async def main() -> None:
        subscribers.register("async", listen)
        for number in range(50):
            scope.event(f"in {number}")

    before = statistics()
    asyncio.run(main())  # closes its loop in the middle of delivery
    for number in range(50):
        scope.event(f"after {number}")
    assert subscribers.flush(50)
    assert since(before)["delivered"] == 100
    # The one that was under way when the loop closed may have been cancelled with it.
    assert len(heard) >= 99
    assert heard[-50:] == [f"after {number}" for number in range(50)]


def test_a_scope_is_ended_once_however_many_threads_end_it() -> None:
    heard: list[str] = []
    subscribers.register("ear", lambda event: heard.append(f"{event.scope_category} {event.name}"))
    switch = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        for number in range(100):
            handle = scope.start(str(number), ScopeType.Function)
            ready = threading.Barrier(4)
            answers: list[bool] = []

            def end(handle: Any = handle, ready: Any = ready, answers: Any = answers) -> None:
                ready.wait()
                answers.append(scope.end(handle))

            threads = [threading.Thread(target=end) for _ in range(4)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            assert sorted(answers) == [False, False, False, True]
    finally:
        sys.setswitchinterval(switch)
    assert subscribers.flush(50)
    assert Counter(heard) == Counter(f"{phase} {number}" for number in range(100) for phase in ("start", "end"))


def test_a_fork_in_the_middle_of_a_burst(tmp_path: Path) -> None:
    """The child works, the parent loses nothing, nobody hears anything twice."""
    config = AtofExporterConfig()
    config.output_directory, config.filename = tmp_path, "events.jsonl"
    exporter = AtofExporter(config)
    exporter.register("file")
    heard: list[str] = []
    subscribers.register("ear", lambda event: heard.append(event.name))
    stop = threading.Event()
    emitted = [0]

    def burst() -> None:
        while not stop.is_set():
            scope.event(f"background {emitted[0]}")
            emitted[0] += 1

    thread = threading.Thread(target=burst)
    thread.start()
    children = []
    for number in range(5):
        for position in range(100):
            scope.event(f"parent {number}.{position}")
        child = os.fork()
        if child == 0:
            status = 1
            try:
                faulthandler.dump_traceback_later(55, exit=True)
                heard.clear()
                with scope.scope(f"child {number}", ScopeType.Agent):
                    scope.event(f"child {number}")
                if subscribers.flush(50) and heard == [f"child {number}"] * 3:
                    status = 0
            finally:
                os._exit(status)
        children.append(child)
    statuses = [os.waitpid(child, 0)[1] for child in children]
    stop.set()
    thread.join()
    assert subscribers.flush(50)
    exporter.shutdown()
    assert statuses == [0] * 5
    expected = Counter(f"parent {number}.{position}" for number in range(5) for position in range(100))
    expected += Counter(f"background {number}" for number in range(emitted[0]))
    assert Counter(heard) == expected
    lines = (tmp_path / "events.jsonl").read_bytes().splitlines()
    assert len(lines) == expected.total() + 5 * 3


def python(program: str, tmp_path: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-W", "error", "-c", textwrap.dedent(program)],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=50,
        check=False,
    )


@pytest.mark.parametrize("how", ["pass", "sys.exit(0)", "asyncio.run(asyncio.sleep(0))"])
@pytest.mark.parametrize("kind", ["plain", "asynchronous"])
def test_a_process_delivers_what_is_queued_when_it_ends(how: str, kind: str, tmp_path: Path) -> None:
    done = python(
        f"""
        import asyncio, os, sys, threading
        from nemo_relay import ScopeType, scope, subscribers
        from nemo_relay._runtime.delivery import flush
        flush.EXIT_SECONDS = 40  # a busy machine may need longer than an application would wait
        heard = open("heard", "w", buffering=1)
        begun = threading.Event()
        def plain(event):
            begun.wait(50)
            os.write(heard.fileno(), event.name.encode() + b"\\n")
        async def asynchronous(event):
            plain(event)
        subscribers.register("ear", {kind})
        for number in range(10_000):
            scope.event(str(number))
        begun.set()
        {how}
        """,
        tmp_path,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert (tmp_path / "heard").read_text().split() == [str(number) for number in range(10_000)]


def test_a_process_says_what_it_could_not_deliver(tmp_path: Path) -> None:
    done = python(
        """
        import time
        from nemo_relay import scope, subscribers
        subscribers.register("slow", lambda event: time.sleep(0.5))
        for number in range(100):
            scope.event(str(number))
        """,
        tmp_path,
    )
    assert done.returncode == 0
    assert "events did not reach their subscribers" in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_no_thread_to_be_had(tmp_path: Path) -> None:
    """The application goes on; the events wait for the next chance."""
    done = python(
        """
        import threading
        from nemo_relay import scope, subscribers
        heard = []
        subscribers.register("ear", lambda event: heard.append(event.name))
        start = threading.Thread.start
        def refuse(thread):
            raise RuntimeError("can't start new thread")
        threading.Thread.start = refuse
        scope.event("first")
        threading.Thread.start = start
        scope.event("second")
        assert subscribers.flush(50)
        assert heard == ["first", "second"]
        """,
        tmp_path,
    )
    assert done.returncode == 0, done.stderr
    assert "event_thread_failed" in done.stderr
