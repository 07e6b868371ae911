# SPDX-License-Identifier: Apache-2.0
"""From a question to its answer: interrupts that wait, and resumptions whose answers are still to be explained.

Kept for the whole process, so that any handler may serve the second half; what another process asked is
explained by the node that asked, when it has gone on.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from . import _reviews
from ._notes import Bounded
from ._reviews import Review

INTERRUPT = "DeepAgents Human In The Loop Interrupt"
RESUME = "DeepAgents Human In The Loop Resume"

Actions = Sequence[Mapping[str, Any]]
Place = tuple[Any, tuple[str, ...], str]  # thread, checkpoint namespace, interrupt id

_asked: Bounded[tuple[Any, str], Review] = Bounded()  # by thread and interrupt id, until the graph itself pauses
_waiting: Bounded[Place, Actions] = Bounded()


@dataclass(slots=True)
class Resumption:
    """The answers a graph run was resumed with, as far as they decide about tool calls."""

    name: str
    data: dict[str, Any]
    metadata: dict[str, Any]
    key: object
    answers: dict[str | None, list[Mapping[str, Any]]]  # None: the one interrupt that waits, whichever it is
    known: dict[str | None, Actions] = field(default_factory=dict)

    @property
    def is_complete(self) -> bool:
        """Whether it is known for each answer what it was about."""
        return self.known.keys() == self.answers.keys()

    def mark_data(self) -> dict[str, Any]:
        """The data of the mark, with each decision and its tool call."""
        decisions = [
            shown
            for place, given in self.answers.items()
            for shown in _reviews.decided(place, given, self.known.get(place, ()))
        ]
        return {**self.data, "decisions": decisions}


def metadata_of(phase: str, event: str, metadata: Mapping[str, Any]) -> dict[str, Any]:
    """The metadata of a mark about a review."""
    return {
        **metadata,
        "integration": "deepagents",
        "deepagents_kind": "human_in_the_loop",
        "phase": phase,
        "langgraph_event": event,
    }


def ask(review: Review, interrupt_id: str) -> None:
    """A node paused with this interrupt, and these calls are what it may have asked about."""
    key = review.thread_id, interrupt_id
    if _asked.get(key) is None:  # the innermost node asked; the ones around it only pass the interrupt on
        _asked.put(key, review)


def pause(data: Mapping[str, Any]) -> dict[str, Any] | None:
    """The data of an interrupt mark with the tool calls in it; None when nothing asks about tool calls."""
    pauses = [_with_calls(data, item) for item in data["interrupts"]]
    found = any(_reviews.is_request(item["value"]) for item in pauses)
    return {**data, "interrupts": pauses} if found else None


def _with_calls(data: Mapping[str, Any], item: Mapping[str, Any]) -> dict[str, Any]:
    asked = _asked.take((data["thread_id"], item["id"]))
    if not _reviews.is_request(item["value"]):
        return dict(item)
    actions = _reviews.requested(item["value"], asked.calls if asked is not None else ())
    _waiting.put(_place(data, item["id"]), actions)
    return {**item, "value": _reviews.with_calls(item["value"], actions)}


def resume(name: str, key: object, data: dict[str, Any], metadata: Mapping[str, Any]) -> Resumption | None:
    """A graph goes on; None when no answer decides about tool calls."""
    answers: dict[str | None, list[Mapping[str, Any]]] = {}
    for place, answer in _by_interrupt(data.get("answers")).items():
        decisions = _reviews.decisions_in(answer)
        if decisions:
            answers[place] = decisions
    if not answers:
        return None
    known = {place: _waiting.take(_place(data, place)) for place in answers if place is not None}
    explained: dict[str | None, Actions] = {place: found for place, found in known.items() if found is not None}
    return Resumption(RESUME, data, metadata_of("resume", name, metadata), key, answers, explained)


def _by_interrupt(answers: Any) -> dict[str | None, Any]:
    if isinstance(answers, Mapping) and not _reviews.decisions_in(answers):
        return dict(answers)
    return {None: answers}


def _place(data: Mapping[str, Any], interrupt_id: str) -> Place:
    return data["thread_id"], tuple(data["checkpoint_ns"]), interrupt_id
