# SPDX-License-Identifier: Apache-2.0
"""Which declared tool call does a tool's execution belong to?"""

from __future__ import annotations

from bisect import bisect_left, bisect_right, insort
from collections.abc import Iterable
from dataclasses import dataclass, field
from operator import attrgetter
from typing import Any

from nemo_relay_projections.atif_content import text
from nemo_relay_projections.atif_responses import Call, arguments
from nemo_relay_projections.atif_spans import Span, event_info, mapping


@dataclass(slots=True, eq=False)
class Draft:
    """An agent step in the making: its fields, its calls, and what came back for them."""

    position: int
    span: Span
    fields: dict[str, Any]
    calls: list[Call] = field(default_factory=list)
    happenings: list[Happening] = field(default_factory=list)


@dataclass(slots=True, eq=False)
class Happening:
    """Something that belongs into the observation of a call: a result, or a reference to a sub-agent."""

    position: int
    call: Call
    result: dict[str, Any]


_position = attrgetter("position")


class Desk:
    """The declared calls of one agent. Tools come to it in the order in which they started.

    Lineage is taken from ids wherever there are any. An id may come back in a later step (some providers
    number their calls anew in each answer), so the nearest step before the execution wins.
    """

    def __init__(self, drafts: Iterable[Draft]) -> None:
        self._drafts = sorted(drafts, key=_position)
        self._answers = [draft for draft in self._drafts if draft.span.end is not None]
        self._by_id: dict[str, list[tuple[Draft, list[Call]]]] = {}
        self._open: dict[tuple[str, str], list[tuple[Draft, Call]]] | None = None
        for draft in self._drafts:
            self.declare(draft, draft.calls)

    def declare(self, draft: Draft, calls: Iterable[Call]) -> None:
        """Make ``calls`` of ``draft`` known by id."""
        named: dict[str, list[Call]] = {}
        for call in calls:
            named.setdefault(call.id, []).append(call)
        for identity, group in named.items():
            insort(self._by_id.setdefault(identity, []), (draft, group), key=_draft_position)

    def take(self, tool: Span) -> tuple[Draft, Call] | None:
        """The call that ``tool`` executes, with its step; None when no model has spoken before it."""
        identity = call_id(tool)
        found = self.find(identity, tool) if identity else self._by_arguments(tool) or self._by_name(tool)
        found = found or (None if tool.refused and identity is None else self._adopt(tool, identity))
        if found is not None:
            found[1].runs.append(tool)
        return found

    def find(self, identity: str, span: Span) -> tuple[Draft, Call] | None:
        """The call ``identity`` of the step that declared it last before ``span``, or else first after it."""
        known = self._by_id.get(identity)
        if not known:
            return None
        draft, calls = known[max(bisect_right(known, span.opened, key=_draft_position) - 1, 0)]
        # Two calls of one step may share an id: an unclaimed one of the same name fits best.
        return draft, min(calls, key=lambda call: (bool(call.runs), call.name != span.name))

    def _by_arguments(self, tool: Span) -> tuple[Draft, Call] | None:
        if self._open is None:
            self._open = {}
            for draft in self._drafts:
                for call in draft.calls:
                    self._open.setdefault(_signature(call.name, call.arguments), []).append((draft, call))
        waiting = self._open.get(_signature(tool.name, arguments(tool.input)), [])
        while (place := _nearest(waiting, tool.opened)) is not None:
            draft, call = waiting.pop(place)
            if not call.runs:  # an execution that names its id may have come first
                return draft, call
        return None

    def _by_name(self, tool: Span) -> tuple[Draft, Call] | None:
        draft = self._current(tool)
        calls = [] if draft is None else [call for call in draft.calls if call.name == tool.name]
        return (draft, calls[0]) if draft is not None and len(calls) == 1 and not calls[0].runs else None

    def _adopt(self, tool: Span, identity: str | None) -> tuple[Draft, Call] | None:
        draft = self._current(tool)
        if draft is None:
            return None
        call = undeclared(tool, identity)
        draft.calls.append(call)
        self.declare(draft, [call])
        return draft, call

    def _current(self, tool: Span) -> Draft | None:
        place = bisect_right(self._answers, tool.opened, key=_position)
        return self._answers[place - 1] if place else None


def call_id(tool: Span) -> str | None:
    """The id that the tool's events name, if any."""
    for event in (tool.start, tool.end):
        found = mapping(event, "category_profile").get("tool_call_id")
        if isinstance(found, str) and found:
            return found
    return None


def undeclared(tool: Span, identity: str | None) -> Call:
    """A call for a tool that ran without a model asking for it."""
    event = tool.start or tool.end or {}
    return Call(identity or tool.uuid, tool.name, arguments_of(tool), event_info(event, tool.name))


def arguments_of(tool: Span) -> dict[str, Any]:
    """The tool's input as an object; a plain string is not read as JSON, since nobody serialised it."""
    given = tool.input
    return {"raw": given} if isinstance(given, str) else arguments(given)


def _signature(name: str, given: Any) -> tuple[str, str]:
    return name, text(given)


def _nearest(waiting: list[tuple[Draft, Call]], opened: int) -> int | None:
    """The first call of the last step before ``opened``; else of a step whose model had begun to answer."""
    place = bisect_right(waiting, opened, key=_draft_position) - 1
    if place < 0:
        return 0 if waiting and waiting[0][0].span.opened <= opened else None
    return bisect_left(waiting, waiting[place][0].position, key=_draft_position)


def _draft_position(pair: tuple[Draft, Any]) -> int:
    return pair[0].position
