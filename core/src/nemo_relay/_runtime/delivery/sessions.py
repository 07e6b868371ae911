# SPDX-License-Identifier: Apache-2.0
"""Lines of events in, trajectory files out: each session's document in the making, and when it is written.

It does not matter whether the lines come while they are emitted or from a file long after. What is kept in memory is
what is open, within bounds, and the last few that ended, for events that come after their end.
"""

from __future__ import annotations

import os
from collections import OrderedDict, deque
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from time import monotonic
from typing import Any

from nemo_relay._runtime.delivery.session import Session, Style
from nemo_relay._runtime.log import faults
from nemo_relay_records.encoding import decode, encode
from nemo_relay_records.files.places import Place, open_regular
from nemo_relay_records.files.whole import replace

_FINISHED = 32  # sessions kept in mind after their end
_IDLE = 64  # sessions without an agent that nothing is at work in
_IDLE_SECONDS = 1.0
_TURN_SECONDS = 0.2  # after the end of a turn; most runs end within that, and are written then
_SHARE = 10  # writing an unfinished document takes at most one in so many seconds
_PATHS = 10_000
_PAUSED = 1_000
_MAX_PATCHED = 64 << 20


class Sessions:
    """All sessions of a stream of lines.

    Args:
        folder: gets the trajectory files.
        owns: whether a session, by its uuid, is one to write; others' lines are skipped.
        wanted: asked before a finished session is written, with its file's name.
        style: how documents are headed and called.
    """

    def __init__(
        self,
        folder: Path,
        owns: Callable[[str], bool],
        wanted: Callable[[str], bool] = lambda name: True,
        style: Style | None = None,
    ) -> None:
        from nemo_relay._runtime.events.wire import decode_head
        from nemo_relay_projections.atif_responses import ends_turn

        self.folder = folder
        self.written: deque[Path] = deque(maxlen=_PATHS)
        self.count = 0  # trajectories written
        self.late = 0  # events that came when their session had been forgotten
        self.failed: dict[str, OSError] = {}  # sessions whose file the disk did not take
        self.open: dict[str, Session] = {}
        self._finished: OrderedDict[str, Session] = OrderedDict()
        self._idle: OrderedDict[str, Session] = OrderedDict()
        self._due: dict[str, Session] = {}
        self._paused: OrderedDict[str, tuple[str, str]] = OrderedDict()  # a run -> uuid and file of its session
        self._owns = owns
        self._wanted = wanted
        self._style = style or Style()
        self._decode_head = decode_head
        self._ends_turn = ends_turn
        self.forgotten: Callable[[str], None] = lambda uuid: None

    def take(self, line: bytes) -> None:
        """Take one line; one that is no event is left out."""
        try:
            head = self._decode_head(line)
        except ValueError:
            return
        uuid = head.propagation_root_uuid
        if uuid is None or not self._owns(uuid):
            return
        session = self.open.get(uuid) or self._finished.get(uuid) or self._idle.pop(uuid, None)
        if session is None:
            if head.scope_category == "end":
                self.late += 1
                return
            session = self._begin(uuid, head, line)
        elif session.root is None:
            self.open[uuid] = session
        try:
            record = decode(line)
            if not session.is_broken:
                session.feed(record, len(line))
        except OSError as error:  # the spool of a long run
            session.is_broken = True
            self._fail(session, error)
        if head.scope_category == "end":
            self._ended(session, head.uuid, record)
        elif session.root is None and session.stream.is_quiet:
            self._rest(session)

    def tick(self) -> bool:
        """Write what ended a turn, and runs without an agent that have rested for a moment; whether others wait."""
        now, waiting = monotonic(), False
        for session in tuple(self._due.values()):
            if now >= max(session.due or 0.0, session.rests_until):
                self._write(session)
            else:
                waiting = True
        for session in tuple(self._idle.values()):
            if session.has_grown and session.is_worth_a_file:
                if now - session.last_event_at >= _IDLE_SECONDS:
                    self._write(session)
                else:
                    waiting = True
        return waiting

    def finish(self) -> None:
        """Write what is open, what rests, and what went on after its end."""
        for session in (*self.open.values(), *self._idle.values(), *self._finished.values()):
            self._forget(session)
        self.open.clear()
        self._due.clear()
        self._idle.clear()
        self._finished.clear()

    def _begin(self, uuid: str, head: Any, line: bytes) -> Session:
        is_root = head.scope_category == "start" and head.category == "agent" and head.uuid == uuid
        root = decode(line) if is_root else None
        session = self.open[uuid] = Session(uuid, root, str(self.folder), self._style)
        return session

    def _ended(self, session: Session, uuid: str, record: Mapping[str, Any]) -> None:
        if uuid == session.uuid and session.uuid in self.open:
            del self.open[session.uuid]
            self._finished[session.uuid] = session
            self._write(session)
            while len(self._finished) > _FINISHED:
                self._forget(self._finished.popitem(last=False)[1])
        elif session.root is None and session.stream.is_quiet:
            self._rest(session)
        elif session.uuid in self.open:
            self._note_turn(session, record)

    def _note_turn(self, session: Session, record: Mapping[str, Any]) -> None:
        metadata = record.get("metadata")
        if isinstance(metadata, dict) and metadata.get("nemo_relay_scope_role") == "turn" and session.has_grown:
            self._write(session)
        elif session.uuid not in self._due and self._ends_turn(record):
            session.due = monotonic() + _TURN_SECONDS
            self._due[session.uuid] = session

    def _rest(self, session: Session) -> None:
        self.open.pop(session.uuid, None)
        session.last_event_at = monotonic()
        self._idle[session.uuid] = session
        while len(self._idle) > _IDLE:
            self._forget(self._idle.popitem(last=False)[1])

    def _forget(self, session: Session) -> None:
        try:
            if session.changed and session.is_worth_a_file:
                self._write(session)
            session.stream.close()
        except Exception as error:  # what is odd about one must not take the others along
            self._fail(session, error if isinstance(error, OSError) else OSError(faults.text(error)))
        self.forgotten(session.uuid)

    def _write(self, session: Session) -> None:
        self._due.pop(session.uuid, None)
        if session.is_broken:
            return
        began, name = monotonic(), session.file_name()
        if not session.written_events and not self._is_wanted(session, name):
            session.changed = False
            return
        before = self._before(session)
        head, extra = session.head(), session.extra(before)
        try:
            replace(Place(self.folder, name), lambda file: session.stream.write(file, head, extra))
        except OSError as error:
            session.is_broken = session.stream.is_long  # it may have been its spool, with a part of the steps
            self._fail(session, error)
            return
        self.failed.pop(session.uuid, None)
        if not session.written_events:
            self.count += 1
            self.written.append(self.folder / name)
            if before is not None:
                self._refer(before, session, name)
        if self._style.written is not None:
            self._style.written(self.folder / name, session.uuid)
        session.changed = False
        session.rests_until = monotonic() + _SHARE * (monotonic() - began)
        session.written_events = session.events
        for run in session.paused:
            self._paused[run] = (session.uuid, name)
        while len(self._paused) > _PAUSED:
            self._paused.popitem(last=False)

    def _is_wanted(self, session: Session, name: str) -> bool:
        if session.root is None and os.path.lexists(self.folder / name):  # written when its beginning was known
            self.late += session.events
            return False
        return self._wanted(name)

    def _fail(self, session: Session, error: OSError) -> None:
        self.failed[session.uuid] = error
        session.changed = False
        faults.report("atif_file_write_failed", error, folder=str(self.folder))
        if self._style.failed is not None:
            self._style.failed(session.uuid, error)

    def _before(self, session: Session) -> dict[str, str] | None:
        """The document of the run that ``session`` resumes, if its file is here."""
        if session.continues is None:
            return None
        known = self._paused.get(session.continues)
        if known is None:
            with suppress(OSError):
                ending = f"{session.continues}.json"
                found = next((name for name in os.listdir(self.folder) if name.endswith(ending)), None)
                known = None if found is None else (session.continues, found)
        return None if known is None else {"trajectory_id": known[0], "trajectory_path": known[1]}

    def _refer(self, before: Mapping[str, str], session: Session, name: str) -> None:
        """Let the document of the run that was interrupted name the one that goes on."""
        after = {"trajectory_id": session.uuid, "trajectory_path": name}
        earlier = self._finished.get(before["trajectory_id"])
        if earlier is not None:
            earlier.continued_by = after
            self._write(earlier)
            return
        with suppress(OSError, ValueError, TypeError):
            place = Place(self.folder, before["trajectory_path"])
            document = decode(_content(place))
            document["continued_trajectory_ref"] = name
            document.setdefault("extra", {}).setdefault("nemo_relay", {})["continued_by"] = after
            replace(place, lambda file: file.write(encode(document)))


def _content(place: Place) -> bytes:
    with place.opened() as folder, os.fdopen(open_regular(place.name, folder, os.O_RDONLY), "rb") as file:
        content = file.read(_MAX_PATCHED + 1)
    if len(content) > _MAX_PATCHED:
        raise ValueError("too large to be read as a whole")
    return content
