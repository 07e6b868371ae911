# SPDX-License-Identifier: Apache-2.0
"""Lines with what a destination wants to know of them: their own id, and the session they belong to."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

import msgspec

from nemo_relay_spool import Occasion

_MOST_OPEN = 100_000  # scopes remembered; older ones that never ended are forgotten first


class Line(NamedTuple):
    """One event: its bytes without the line end, its uuid, and the uuid of the scope at the root of its tree. ``id``
    is by what it is known when it comes again: start and end of a scope have one uuid.
    """

    content: bytes
    uuid: str
    session: str
    id: str


class _Head(msgspec.Struct):
    uuid: str = ""
    parent_uuid: str | None = None
    scope_category: str | None = None


_head = msgspec.json.Decoder(_Head).decode


class Sessions:
    """Finds the session of each event by following parents; what it knows of open scopes survives a restart."""

    def __init__(self) -> None:
        self._roots: dict[str, str] = {}

    def take(self, event: bytes) -> Iterable[Line]:
        """The line as a record."""
        line = event.rstrip(b"\n")
        head = _head(line)
        roots = self._roots
        if head.scope_category == "end":
            session = roots.pop(head.uuid, None) or roots.get(head.parent_uuid or "") or head.uuid
        else:
            session = roots.get(head.parent_uuid or "") or head.parent_uuid or head.uuid
            if head.scope_category == "start":
                roots[head.uuid] = session
                if len(roots) > _MOST_OPEN:
                    del roots[next(iter(roots))]
        known = f"{head.uuid}:end" if head.scope_category == "end" else head.uuid
        return (Line(line, head.uuid, session, known),)

    def tick(self, occasion: Occasion) -> Iterable[Line]:
        """No line is made of others."""
        return ()

    def save(self) -> dict[str, Any]:
        """What another instance needs to go on."""
        return {"roots": self._roots}

    def load(self, state: dict[str, Any]) -> None:
        """Go on from what ``save`` gave."""
        self._roots = dict(state.get("roots") or {})


def without_dots(value: Any) -> Any:
    """The same with underscores for the dots in names, for stores that read a dot as a path."""
    if isinstance(value, list):
        return [without_dots(item) for item in value]
    if not isinstance(value, dict):
        return value
    found = {key: without_dots(item) for key, item in value.items()}
    out = {key: item for key, item in found.items() if "." not in key}
    for key, item in found.items():
        if "." in key:
            name = base = key.replace(".", "_")
            number = 2
            while name in out:
                name, number = f"{base}_{number}", number + 1
            out[name] = item
    return out
