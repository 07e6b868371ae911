# SPDX-License-Identifier: Apache-2.0
"""Which run paused at a checkpoint, and what it asked: what a resumption of that checkpoint is linked to."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Collection, Sequence
from typing import Any, NamedTuple

from nemo_relay.integrations.langchain.adapter import open_runs

_KEPT = 4_096
GRAPHS = ("graph", "agent", "subgraph")  # the kinds of runs that have checkpoints


class Checkpoint(NamedTuple):
    """A checkpoint of a thread. A fork has another id, so what was asked on one branch is not answered on another."""

    thread_id: Any
    namespace: tuple[str, ...]
    checkpoint_id: Any


class Pause(NamedTuple):
    """A graph run that waits: the uuid of its span, and the interrupts it waits for."""

    uuid: str
    ids: tuple[str, ...]


_pauses: OrderedDict[Checkpoint, Pause] = OrderedDict()


def remember(place: Checkpoint, uuid: str, ids: Sequence[str]) -> None:
    """Note that the run ``uuid`` paused at ``place``.

    Args:
        place: the checkpoint.
        uuid: of the run's span.
        ids: of the interrupts it waits for; none where it stopped before or after a node.
    """
    if place.thread_id is None:
        return
    _pauses[place] = Pause(uuid, tuple(ids))
    _pauses.move_to_end(place)
    while len(_pauses) > _KEPT:
        _pauses.popitem(last=False)


def restore(place: Checkpoint, uuid: str, ids: Sequence[str]) -> None:
    """The same, told by the checkpoint; what is known of a later run stands. The uuids of spans are ordered by time.

    Args:
        place: the checkpoint.
        uuid: of the span of the run that saved it.
        ids: of the interrupts that are written beside it.
    """
    known = recall(place)
    if known is None or known.uuid < uuid:
        remember(place, uuid, ids)


def recall(place: Checkpoint) -> Pause | None:
    """The last pause at this checkpoint that is known here."""
    return _pauses.get(place)


def left_open(place: Checkpoint, uuid: str, ids: Collection[str] = ()) -> Pause | None:
    """The pause of a run that is still open: an asynchronous stream whose consumer left is closed when it is collected.

    Args:
        place: where the thread goes on.
        uuid: of the span of the run that goes on.
        ids: of the interrupts that wait there for an answer, where they are known: the run has asked one of them.
    """
    for run in reversed(open_runs()):
        if run.handle is None or run.hidden or run.kind not in GRAPHS or not run.interrupts or run.handle.uuid == uuid:
            continue
        about = run.handle.metadata or {}
        here = place.thread_id is not None and about.get("thread_id") == place.thread_id
        asked = not ids or not run.interrupts.keys().isdisjoint(ids)
        if here and asked and (about.get("langgraph_checkpoint_ns") or "") == "|".join(place.namespace):
            return Pause(run.handle.uuid, tuple(run.interrupts))
    return None


def answers(resume: Any, ids: Collection[str]) -> Any:
    """What was answered, by interrupt id where it can be told; else the value as it was given.

    Args:
        resume: the value that the graph was resumed with.
        ids: of the interrupts that wait for an answer.
    """
    if isinstance(resume, dict) and resume and all(isinstance(key, str) and len(key) == 32 for key in resume):
        return resume
    return {next(iter(ids)): resume} if len(ids) == 1 else resume
