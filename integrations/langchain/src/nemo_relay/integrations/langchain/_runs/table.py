# SPDX-License-Identifier: Apache-2.0
"""The run table: one record per run of the framework, for the whole process.

Records are found by the framework's run id and by nothing else, so one handler, or many, may serve any number
of concurrent runs, threads and loops. There is no lock: each step that decides who opens or ends a run is one
atomic operation on a dictionary.

A run that has ended stays known, as a parent only, for as long as the framework itself holds on to its
run id (a callback manager in the context of a background task, say). A run whose id is collected while it is
open can never be ended by the framework any more: it becomes an orphan, and is ended at the next opportunity.
"""

from __future__ import annotations

import asyncio
import hashlib
import threading
import weakref
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Generic, NamedTuple, TypeVar
from uuid import UUID

from nemo_relay import LLMHandle, ScopeHandle, ToolHandle
from nemo_relay.integrations.langchain._runs.outcomes import Ending
from nemo_relay.integrations.langchain._runs.streaming import StreamStats
from nemo_relay.integrations.langchain._views.memory import Memory

T = TypeVar("T")
Handle = ScopeHandle | ToolHandle | LLMHandle
Place = int | weakref.ref[Any]


class RunInfo(NamedTuple):
    """A recorded run, as other adapters see it."""

    uuid: str
    name: str
    kind: str
    metadata: dict[str, Any]
    resume: Any
    paused_nodes: tuple[str, ...]


@dataclass(slots=True, eq=False)
class Run:
    """One run of the framework, between its start and its end."""

    key: int
    kind: str
    name: str
    owner: Any  # the handler that opened it: of several handlers, only this one adds marks
    parent: Run | None
    place: Place
    handle: Handle | None = None
    hidden: bool = False  # plumbing: children and marks go to the parent's span, no event of its own
    deferred: bool = False  # the framework gave a placeholder for the input and sends the real one at the end
    children: dict[int, Run] = field(default_factory=dict)
    attempts: dict[str, int] = field(default_factory=dict)
    marks: dict[object, object] = field(default_factory=dict)
    interrupts: dict[str, None] | None = None
    paused_nodes: dict[str, None] = field(default_factory=dict)
    resume: Any = None  # what a resumed graph was called with
    last_error: BaseException | None = None
    failed: dict[str, BaseException] = field(default_factory=dict)  # of the tasks below that failed, by namespace
    stream: StreamStats | None = None
    pending: Ending | None = None  # ended for the framework, but a child of it is still being torn down
    step: tuple[int, list[str]] | None = None  # of a graph: its superstep, and the tasks in it so far
    claim: Any = None  # the managed call that this run is: its span is the call's own
    tie: weakref.ref[UUID] | None = None
    memory: Memory | None = None  # of its trace; None once it has ended
    realm: int = 0  # the key of the agent or graph whose state and conversation it works on
    on_task_done: Callable[[asyncio.Task[Any]], None] | None = None  # ends it with the task that it runs in

    @property
    def is_call(self) -> bool:
        """Whether it is a single call of something, and no chain of others."""
        return self.kind in ("llm", "tool", "retriever")

    @property
    def is_streaming(self) -> bool:
        """Whether somebody has begun to read its answer piece by piece."""
        return self.stream is not None and self.stream.chunks > 0

    def info(self) -> RunInfo:
        """What other adapters may know of it."""
        metadata = self.handle.metadata if self.handle is not None else None
        uuid = self.handle.uuid if self.handle is not None else ""
        return RunInfo(uuid, self.name, self.kind, metadata or {}, self.resume, tuple(self.paused_nodes))

    def first(self, key: object) -> bool:
        """Whether ``key`` is asked for the first time."""
        token = object()
        return self.marks.setdefault(key, token) is token

    def release(self) -> None:
        """Keep what a late child needs to find its parent, drop the rest."""
        if self.on_task_done is not None and not isinstance(self.place, int):
            task = self.place()
            if task is not None:
                task.remove_done_callback(self.on_task_done)
            self.on_task_done = None
        self.parent = None
        self.claim = None
        self.children = {}
        self.attempts = {}
        self.marks = {}
        self.last_error = None
        self.failed = {}
        self.stream = None
        self.pending = None
        self.memory = None


_known: dict[int, Run] = {}
_open: dict[int, Run] = {}
lost: deque[Run] = deque()  # the open runs whose id is gone: whoever comes by ends them


_watchers: list[Callable[[], None]] = []


def watch_orphans(callback: Callable[[], None]) -> None:
    """Ask the event loop, where one runs, to call ``callback`` soon after a run was lost."""
    _watchers.append(callback)


def here() -> Place:
    """The task that is running, or the thread where there is none."""
    loop = asyncio._get_running_loop()  # the question that raises nothing where there is none
    task = None if loop is None else asyncio.current_task(loop)
    return threading.get_ident() if task is None else weakref.ref(task)


def key_of(run_id: Any) -> int:
    """What a run is found by. LangChain takes any object for a run id that an application gives it."""
    number = getattr(run_id, "int", None)
    if type(number) is int:
        return number
    return int.from_bytes(hashlib.blake2b(repr(run_id).encode("utf-8", "replace"), digest_size=16).digest())


class RunNotes(Generic[T]):
    """What is noted of runs, by their id: kept as long as the framework holds on to that, and no longer.

    >>> from uuid import uuid4
    >>> notes, run_id = RunNotes(), uuid4()
    >>> notes.put(run_id, "paused")
    >>> notes.pop(run_id), notes.pop(run_id)
    ('paused', None)
    """

    __slots__ = ("_by_key",)

    def __init__(self) -> None:
        self._by_key: dict[int, tuple[T, Any]] = {}

    def put(self, run_id: Any, note: T) -> None:
        """Note it, in place of what was noted before.

        Args:
            run_id: the framework's run; the note goes with it.
            note: anything.
        """
        key, by_key = key_of(run_id), self._by_key
        try:
            tie = weakref.ref(run_id, lambda tie: _drop(by_key, key, tie))
        except TypeError:  # an id that is no UUID: until it is taken
            tie = None
        by_key[key] = (note, tie)

    def get(self, run_id: Any) -> T | None:
        """What is noted of the run; None for nothing."""
        found = self._by_key.get(key_of(run_id)) if run_id is not None else None
        return found[0] if found is not None else None

    def pop(self, run_id: Any) -> T | None:
        """Take what is noted of the run."""
        found = self._by_key.pop(key_of(run_id), None)
        return found[0] if found is not None else None

    def __contains__(self, run_id: Any) -> bool:
        return run_id is not None and key_of(run_id) in self._by_key


def _drop(by_key: dict[int, Any], key: int, tie: Any) -> None:
    found = by_key.get(key)
    if found is not None and found[1] is tie:
        by_key.pop(key, None)


def admit(run_id: UUID, run: Run) -> bool:
    """Enter ``run`` into the table; False when another handler was first."""
    if _open.setdefault(run.key, run) is not run:
        return False
    _known[run.key] = run
    try:
        run.tie = weakref.ref(run_id, lambda _: _forget(run))
    except TypeError:  # an id that is no UUID: known until it ends, not longer
        run.tie = None
    if run.parent is not None:
        run.parent.children[run.key] = run
    return True


def find_run(run_id: UUID | None) -> Run | None:
    """The run with this id, open or ended; None for a run nobody recorded."""
    return None if run_id is None else _known.get(key_of(run_id))


def known(key: int) -> Run | None:
    """The run with this key; None for a run nobody recorded."""
    return _known.get(key)


def find_open_run(run_id: UUID | None) -> Run | None:
    """The run with this id if it has not ended."""
    return None if run_id is None else _open.get(key_of(run_id))


def take(run: Run) -> bool:
    """Take ``run`` out of the open ones. Exactly one caller gets True, and ends it."""
    if _open.pop(run.key, None) is None:
        return False
    if run.tie is None:
        _known.pop(run.key, None)
    if run.parent is not None:
        run.parent.children.pop(run.key, None)
    return True


def _forget(run: Run) -> None:
    # Runs inside the garbage collector, possibly in the middle of another emission: it may only take notes.
    if _known.get(run.key) is run:
        del _known[run.key]
    if _open.get(run.key) is run:
        lost.append(run)
        with suppress(RuntimeError):  # outside of a loop the next callback, or the exit, looks after it
            loop = asyncio.get_running_loop()
            for callback in _watchers:
                loop.call_soon(callback)


def open_runs() -> list[Run]:
    """Every run that has started and not ended."""
    return list(_open.values())


def counts() -> tuple[int, int]:
    """How many runs are open, and how many are known."""
    return len(_open), len(_known)


def stranded(child: Run, parent: Run) -> bool:
    """Whether ``child`` cannot be running any more, now that ``parent`` was unwound by an exception.

    Its task is over, or it ran where the parent ran. A worker thread or a task of its own still runs.
    """
    if isinstance(child.place, int):
        return child.place in (parent.place, threading.get_ident())
    task = child.place()
    return task is None or task.done() or child.place == parent.place
