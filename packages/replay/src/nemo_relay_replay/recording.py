# SPDX-License-Identifier: Apache-2.0
"""The calls of a recorded run, each with its answer."""

from __future__ import annotations

import gzip
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import msgspec

from nemo_relay_projections import facts
from nemo_relay_projections.unfolding import Payloads

from .errors import RecordedError, recorded
from .keys import canonical, content_of

_KINDS = ("llm", "tool")


@dataclass(slots=True)
class Call:
    """One recorded call that ended. ``error`` is what it raised; ``seconds`` is how long it took."""

    kind: str
    name: str
    uuid: str
    key: str
    answer: Any
    error: RecordedError | None
    seconds: float
    used: bool = False


class _Starts:
    """The start events of a file, for references between them."""

    def __init__(self) -> None:
        self.rows: dict[str, int] = {}
        self.events: list[dict[str, Any]] = []

    def start_event(self, row: int, /) -> dict[str, Any]:
        return self.events[row]

    def end_event(self, row: int, /) -> dict[str, Any]:
        return {}


def calls_of(path: str | os.PathLike[str]) -> list[Call]:
    """Read the calls of a file, in the order of their starts.

    Raises:
        OSError: the file cannot be read.
        ValueError: it has no call that ended.
    """
    starts = _Starts()
    ends: dict[str, dict[str, Any]] = {}
    for event in _events(Path(path)):
        if event.get("scope_category") == "end":
            ends.setdefault(event["uuid"], event)
        elif event["uuid"] not in starts.rows:
            starts.rows[event["uuid"]] = len(starts.events)
            starts.events.append(event)
    payloads = Payloads(starts)
    found = [
        _call(event, payloads.of(row), ends[event["uuid"]])
        for row, event in enumerate(starts.events)
        if event.get("category") in _KINDS and event["uuid"] in ends
    ]
    if not found:
        raise ValueError(f"{os.fspath(path)!r} has no LLM or tool call that ended: give the events of a recorded run")
    return found


def _events(path: Path) -> Iterator[dict[str, Any]]:
    with _opened(path) as lines:
        for line in lines:
            try:
                event = msgspec.json.decode(line)
            except (ValueError, RecursionError):
                continue  # torn, or no event
            if isinstance(event, dict) and event.get("kind") == "scope" and isinstance(event.get("uuid"), str):
                yield event


def _opened(path: Path) -> IO[bytes]:
    return gzip.open(path) if path.suffix == ".gz" else path.open("rb")  # type: ignore[return-value]


def _call(start: dict[str, Any], given: Any, end: dict[str, Any]) -> Call:
    kind, name = str(start["category"]), str(start.get("name", ""))
    began, ended = facts.timestamp_ns(start.get("timestamp")), facts.timestamp_ns(end.get("timestamp"))
    seconds = (ended - began) / 1e9 if began is not None and ended is not None else 0.0
    key = canonical(kind, content_of(given) if kind == "llm" else given)
    error = _error(end) if facts.outcome(end) == "error" else None
    return Call(kind, name, start["uuid"], key, end.get("data"), error, max(0.0, seconds))


def _error(end: dict[str, Any]) -> RecordedError:
    failure = facts.mapping(facts.mapping(end.get("data")).get("error"))
    metadata = facts.mapping(end.get("metadata"))
    name = failure.get("type") or metadata.get("exception.type")
    text = facts.error_text(end) or ""
    if isinstance(name, str):
        short = name.rpartition(".")[2]
        message = failure.get("message")
        return recorded(short, str(message) if message is not None else text.removeprefix(f"{short}: "))
    type_name, colon, message = text.partition(": ")
    return recorded(type_name, message) if colon and type_name.isidentifier() else recorded("RecordedError", text)
