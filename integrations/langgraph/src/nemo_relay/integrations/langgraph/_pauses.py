# SPDX-License-Identifier: Apache-2.0
"""Which run of a thread paused last: what a resumption is linked to."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from typing import Any, NamedTuple

_KEPT = 4_096


class Pause(NamedTuple):
    """A graph run that waits: the uuid of its span, and the interrupts it waits for."""

    uuid: str
    ids: tuple[str, ...]


_pauses: OrderedDict[tuple[Any, tuple[str, ...]], Pause] = OrderedDict()


def remember(thread_id: Any, namespace: Sequence[str], uuid: str, ids: Sequence[str]) -> None:
    """Note that the run ``uuid`` of this thread paused."""
    if thread_id is None:
        return
    key = (thread_id, tuple(namespace))
    _pauses[key] = Pause(uuid, tuple(ids))
    _pauses.move_to_end(key)
    while len(_pauses) > _KEPT:
        _pauses.popitem(last=False)


def restore(thread_id: Any, namespace: Sequence[str], uuid: str, ids: Sequence[str]) -> None:
    """The same, told by a checkpoint; what is known of a later run stands. The uuids of spans are ordered by time."""
    known = recall(thread_id, namespace)
    if known is None or known.uuid < uuid:
        remember(thread_id, namespace, uuid, ids)


def recall(thread_id: Any, namespace: Sequence[str]) -> Pause | None:
    """The last pause of this thread that is known here."""
    return _pauses.get((thread_id, tuple(namespace)))


def answers(resume: Any, pause: Pause | None) -> Any:
    """What was answered, by interrupt id where it can be told; else the value as it was given."""
    if isinstance(resume, dict) and resume and all(isinstance(key, str) and len(key) == 32 for key in resume):
        return resume
    if pause is not None and len(pause.ids) == 1:
        return {pause.ids[0]: resume}
    return resume
