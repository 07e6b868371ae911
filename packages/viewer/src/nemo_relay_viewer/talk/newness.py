# SPDX-License-Identifier: Apache-2.0
"""What is new in a request: against the earlier one of the same agent that begins alike, not the one before in time."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from difflib import unified_diff
from typing import NamedTuple

from ..index import Index
from .messages import Message, asked, offered

_LOOK_BACK = 24  # requests of one agent


class Request(NamedTuple):
    """A request as the model saw it; ``reconstructed`` of its messages stand in earlier events only."""

    row: int
    messages: list[Message]
    tools: list[tuple[str, str]]
    reconstructed: int = 0


class Step(NamedTuple):
    """A request beside its predecessor.

    ``kept`` messages stand at the beginning of both, ``rewritten`` of the predecessor's own are gone.
    """

    request: Request
    before: Request | None
    kept: int
    rewritten: int
    tools_added: list[str]
    tools_removed: list[str]

    @property
    def new(self) -> list[Message]:
        """The messages that the model had not seen."""
        return self.request.messages[self.kept :]


def request_of(index: Index, row: int) -> Request:
    """The request of an LLM row."""
    event = index.payloads.event(row)
    return Request(row, asked(event), offered(event), index.payloads.left_out(row))


def agent_of(index: Index, row: int) -> int:
    """The nearest agent above, else the root."""
    last = row
    for above in index.ancestors(row):
        last = above
        if index.text(index.category[above]) == "agent":
            return above
    return last


def calls_of(index: Index, agent: int) -> list[int]:
    """The LLM calls of an agent, without those of agents below it, in the order of the file."""
    found, waiting = [], list(index.children.get(agent, ()))
    while waiting:
        row = waiting.pop()
        category = index.text(index.category[row])
        if category == "llm":
            found.append(row)
        if category != "agent":
            waiting.extend(index.children.get(row, ()))
    return sorted(found)


def predecessor(index: Index, row: int) -> Step:
    """Put a request beside the earlier one of the same agent that has the longest beginning in common with it.

    Args:
        index: of the file.
        row: an LLM call.

    Returns:
        The step; without a predecessor everything is new.
    """
    calls = [call for call in calls_of(index, agent_of(index, row)) if call < row][-_LOOK_BACK:]
    *_, step = steps(index, [*calls, row])
    return step


def steps(index: Index, calls: Iterable[int]) -> Iterator[Step]:
    """Every request of an agent beside its predecessor.

    Args:
        index: of the file.
        calls: the model calls of one agent, in their order.
    """
    known: deque[Request] = deque(maxlen=_LOOK_BACK)
    for call in calls:
        step = _step(known, request_of(index, call))
        known.append(step.request)
        yield step


def _step(known: Sequence[Request], request: Request) -> Step:
    best: Step | None = None
    for before in reversed(known):
        step = compared(before, request)
        if best is None or step.kept > best.kept:
            best = step
        if not step.rewritten:
            break
    return best or Step(request, None, 0, 0, [], [])


def compared(before: Request, request: Request) -> Step:
    """A request beside another one.

    Args:
        before: the earlier one.
        request: the later one.

    Returns:
        How much of the beginning is the same, and what is not.
    """
    kept = 0
    for old, new in zip(before.messages, request.messages, strict=False):
        if old != new:
            break
        kept += 1
    was, now = dict(before.tools), dict(request.tools)
    added = [name for name, text in now.items() if was.get(name) != text]
    removed = [name for name, text in was.items() if now.get(name) != text]
    return Step(request, before, kept, len(before.messages) - kept, added, removed)


def difference(step: Step) -> list[str]:
    """The two requests as a text diff, by lines."""
    if step.before is None:
        return []
    return list(
        unified_diff(_lines(step.before), _lines(step.request), "previous request", "this request", lineterm="")
    )


def _lines(request: Request) -> Sequence[str]:
    lines: list[str] = []
    for name, text in request.tools:
        lines += [f"tool {name}", *text.splitlines()]
    for message in request.messages:
        lines.append(f"{message.role}:")
        for part in message.parts:
            head = f"{part.kind} {part.name}".strip()
            lines += ([f"  ({head})"] if part.kind != "text" else []) + [f"  {line}" for line in part.text.splitlines()]
    return lines
