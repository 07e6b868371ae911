# SPDX-License-Identifier: Apache-2.0
"""Forks and the end of the process: nothing hangs, nothing is told twice, what was queued is delivered."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

HEAD = """
import asyncio, json, os, sys, threading
import nemo_relay
from nemo_relay import LLMRequest, ScopeType, guardrails, llm, scope, subscribers, tools
"""
# A busy machine may need longer to deliver than an application would wait.
UNHURRIED = "from nemo_relay._runtime.delivery import flush; flush.EXIT_SECONDS = 20"


def run(program: str, folder: Path, *, timeout: float = 30) -> subprocess.CompletedProcess[str]:
    """The finished process of `program`; a hang is a failure."""
    code = HEAD + textwrap.dedent(program)
    return subprocess.run(
        [sys.executable, "-W", "error", "-c", code], cwd=folder, capture_output=True, text=True, timeout=timeout
    )


def test_what_is_queued_at_the_end_is_delivered(tmp_path: Path) -> None:
    done = run(
        f"""
        {UNHURRIED}
        file = open("heard", "a")
        def note(event):
            file.write(event.name + "\\n"); file.flush()
        subscribers.register("note", note)
        for number in range(5_000):
            scope.event(str(number))
        """,
        tmp_path,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert (tmp_path / "heard").read_text().split() == [str(number) for number in range(5_000)]


@pytest.mark.parametrize("how", ["sys.exit(3)", "raise SystemExit(3)"])
def test_events_survive_an_early_exit(how: str, tmp_path: Path) -> None:
    done = run(
        f"""
        {UNHURRIED}
        subscribers.register("note", lambda event: print(event.name, flush=True))
        with scope.scope("s", ScopeType.Agent):
            tools.execute_sync("t", {{}}, lambda args: 1)
            {how}
        """,
        tmp_path,
    )
    assert done.returncode == 3
    assert done.stdout.split() == ["s", "t", "t", "s"]


def test_a_stuck_subscriber_does_not_keep_a_process_alive(tmp_path: Path) -> None:
    done = run(
        """
        subscribers.register("stuck", lambda event: threading.Event().wait())
        scope.event("m")
        async def main():
            task = asyncio.create_task(subscribers.flush_async())
            await asyncio.sleep(0.05)
            task.cancel()
        asyncio.run(main())
        """,
        tmp_path,
        timeout=20,
    )
    assert done.returncode == 0
    # Not in silence: how many events were lost is said, and nothing else.
    assert [line.split(" within ")[0] for line in done.stderr.splitlines()] == [
        "nemo_relay: 1 events did not reach their subscribers"
    ]


def test_a_stuck_async_sanitizer_does_not_keep_a_process_alive(tmp_path: Path) -> None:
    done = run(
        """
        async def stuck(event, fields):
            await asyncio.Event().wait()
        guardrails.register_mark_sanitize("stuck", 0, stuck)
        subscribers.register("print", print)
        scope.event("m")
        assert subscribers.flush(timeout=0.05) is False
        """,
        tmp_path,
        timeout=20,
    )
    assert done.returncode == 0


def test_an_unfinished_call_at_the_end_of_the_loop_is_quiet(tmp_path: Path) -> None:
    done = run(
        """
        names = []
        subscribers.register("note", lambda event: names.append((event.scope_category, event.name)))
        async def main():
            task = asyncio.create_task(tools.execute("t", {}, lambda args: asyncio.sleep(60)))
            await asyncio.sleep(0.01)
        asyncio.run(main())
        subscribers.flush()
        print(names)
        """,
        tmp_path,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.strip() == "[('start', 't'), ('end', 't')]"


FORK = """
heard = []
lock = threading.Lock()
def note(event):
    with lock:
        heard.append(event.name)
subscribers.register("note", note)
stop = threading.Event()
def burst():
    number = 0
    while not stop.is_set() and number < 20_000:
        scope.event(f"parent {number}"); number += 1
emitter = threading.Thread(target=burst)
emitter.start()
scope.event("before")
child = os.fork()
if child == 0:
    lock = threading.Lock()  # the parent's thread may have held it
    heard.clear()
    with scope.scope("child", ScopeType.Agent) as handle:
        tools.execute_sync("tool", {}, lambda args: scope.event("inside") or 1)
        async def main():
            await llm.execute("model", LLMRequest({}, {}), lambda request: asyncio.sleep(0, "x"))
            assert await subscribers.flush_async(50)
        asyncio.run(main())
    assert subscribers.flush(50)
    print(json.dumps(heard), flush=True)
    os._exit(0)
stop.set(); emitter.join()
_, status = os.waitpid(child, 0)
assert subscribers.flush(50)
print(json.dumps([status, "before" in heard, any(n in heard for n in ("child", "tool", "inside"))]))
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
def test_a_fork_in_the_middle_of_a_burst(tmp_path: Path) -> None:
    code = HEAD + FORK
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, timeout=50)
    assert done.returncode == 0, done.stderr
    assert len(done.stdout.splitlines()) == 2, done.stdout + done.stderr
    child, parent = done.stdout.splitlines()
    told = ["child", "tool", "inside", "tool", "model", "model", "child"]
    assert child == str(told).replace("'", '"'), "the child tells its own story, and nothing of its parent's queue"
    assert parent == "[0, true, false]"


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
def test_a_child_keeps_registrations_and_its_place_and_makes_identifiers_of_its_own(tmp_path: Path) -> None:
    done = run(
        """
        async def stuck(event, fields):
            await asyncio.Event().wait()
        subscribers.register("note", lambda event: None)
        guardrails.register_mark_sanitize("stuck", 0, stuck)
        handle = scope.push("parent", ScopeType.Agent)
        scope.event("held back")
        read, write = os.pipe()
        child = os.fork()
        if child == 0:
            guardrails.deregister_mark_sanitize("stuck")
            assert scope.get_handle().uuid == handle.uuid
            uuids = [scope.push("s", ScopeType.Function).uuid for _ in range(100)]
            assert asyncio.run(subscribers.flush_async(50))
            assert subscribers.deregister("note")
            os.write(write, json.dumps(uuids).encode())
            os._exit(0)
        mine = {scope.push("s", ScopeType.Function).uuid for _ in range(100)}
        _, status = os.waitpid(child, 0)
        theirs = set(json.loads(os.read(read, 100_000)))
        print(status, len(mine | theirs), flush=True)
        os._exit(0)
        """,
        tmp_path,
    )
    assert done.stdout.split() == ["0", "200"], done.stderr


def test_importing_starts_no_thread_and_stays_light(tmp_path: Path) -> None:
    done = run(
        """
        heavy = {"pydantic", "opentelemetry", "langchain_core", "asyncio", "dataclasses", "psutil"}
        import subprocess
        loaded = subprocess.run(
            [sys.executable, "-c", "import sys, threading, nemo_relay; print(threading.active_count(), *sys.modules)"],
            capture_output=True, text=True,
        ).stdout.split()
        print(loaded[0], sorted(heavy & set(loaded)))
        """,
        tmp_path,
    )
    assert done.stdout.strip() == "1 []", done.stderr
