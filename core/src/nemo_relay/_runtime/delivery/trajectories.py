# SPDX-License-Identifier: Apache-2.0
"""Trajectory files: each top-level agent's events, gathered while they happen, written when the agent ends."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from nemo_relay._runtime.encoding import encode
from nemo_relay._runtime.files.places import Place
from nemo_relay._runtime.files.whole import replace
from nemo_relay._runtime.log import faults

if TYPE_CHECKING:
    from nemo_relay.types import Event

_KEPT = 8  # finished runs kept in mind, for events that come after their end


class _Run:
    """The events of one session."""

    __slots__ = ("changed", "events")

    def __init__(self) -> None:
        self.events: list[dict[str, Any]] = []
        self.changed = True


class TrajectoryFiles:
    """A subscriber that writes ``trajectory-<session>.json`` into ``folder``; a disk that fails is reported once."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.written: list[Path] = []
        self._open: dict[str, _Run] = {}
        self._finished: dict[str, _Run] = {}

    def hear(self, event: Event) -> None:
        """Take one event."""
        record = event.to_dict()
        session = record.get("propagation_root_uuid")
        if session is None:
            return
        run = self._open.get(session) or self._finished.get(session)
        if run is None:
            if not (record.get("category") == "agent" and record["uuid"] == session):
                return  # an event outside any agent belongs to no trajectory
            run = self._open[session] = _Run()
        run.events.append(record)
        run.changed = True
        if record["uuid"] == session and record.get("scope_category") == "end" and session in self._open:
            self._end(session)

    def finish(self) -> None:
        """Write the runs that have not ended, and those that went on after their end."""
        for session in tuple(self._open):
            self._end(session)
        for session, run in self._finished.items():
            if run.changed:
                self._write(session, run)
        self._finished.clear()

    def _end(self, session: str) -> None:
        run = self._finished[session] = self._open.pop(session)
        self._write(session, run)
        while len(self._finished) > _KEPT:
            oldest = next(iter(self._finished))
            late = self._finished.pop(oldest)
            if late.changed:
                self._write(oldest, late)

    def _write(self, session: str, run: _Run) -> None:
        run.changed = False
        path = self.folder / f"trajectory-{session}.json"
        try:
            content = encode(_document(session, run.events))
            replace(Place(self.folder, path.name), lambda file: file.write(content))
        except OSError as error:
            faults.report("atif_file_write_failed", error, folder=str(self.folder))
            return
        if path not in self.written:
            self.written.append(path)


def _document(session: str, events: list[dict[str, Any]]) -> dict[str, Any]:
    from nemo_relay._projections.atif import trajectory
    from nemo_relay._version import __version__

    root = events[0]
    metadata = root.get("metadata")
    version = metadata.get("agent_version") if isinstance(metadata, dict) else None
    return trajectory(
        events,
        session_id=session,
        agent_name=root["name"] or "agent",
        agent_version=version if isinstance(version, str) else __version__,
    )
