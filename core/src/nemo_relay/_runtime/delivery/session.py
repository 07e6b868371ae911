# SPDX-License-Identifier: Apache-2.0
"""One trajectory in the making: whose it is, what its file is called, and what stands around its steps."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import SpooledTemporaryFile
from typing import IO, Any

from nemo_relay._runtime.log import faults
from nemo_relay_records.files.places import make_folder

_GROWTH = 1.25  # an unfinished document is written again when there is that much more to say: linear in the end
_UNSAFE = re.compile(r"(?:[^A-Za-z0-9._~-]|\.{2,})+")
_SPOOLED = 1 << 18  # bytes of a long run's steps that stay in memory
_IDENTITIES = ("session_id", "thread_id", "user_id")


@dataclass(slots=True)
class Style:
    """How documents are headed and called.

    Attributes:
        agent: what the ``agent`` of a document says in place of the root scope's name and version.
        file_name: the name of a session's file from its uuid and the metadata of its root; by default
            ``trajectory-[<session>-][<user>-]<uuid>.json``. One that raises ValueError names the remedy, and the
            default is taken.
        observed_events: put every event of the session into ``extra.observed_events``.
        llm_requests: keep the request in ``extra.llm_request`` of the steps.
        schema_version: of the documents.
        written: hears of each file, with the uuid of its session, once it is there; on the thread that wrote it.
        failed: hears of each session whose file the disk did not take.
    """

    agent: dict[str, Any] = field(default_factory=dict)
    file_name: Callable[[str, Mapping[str, Any]], str] | None = None
    observed_events: bool = False
    llm_requests: bool = True
    schema_version: str | None = None
    written: Callable[[Path, str], None] | None = None
    failed: Callable[[str, OSError], None] | None = None


class Session:
    """One trajectory in the making."""

    def __init__(self, uuid: str, root: Mapping[str, Any] | None, folder: str, style: Style) -> None:
        from nemo_relay_projections.atif_stream import TrajectoryStream

        self.style = style
        self.uuid = uuid
        self.root = root  # the start of its agent; None for a run without one
        self.stream = TrajectoryStream(None if root is None else uuid, lambda: _spool(folder))
        self.stream.observed_events = style.observed_events
        self.stream.llm_requests = style.llm_requests
        if style.schema_version is not None:
            self.stream.schema_version = style.schema_version
        self.identities: dict[str, str] = {}
        self.name = ""  # of its file, once written
        self.changed = False
        self.is_broken = False  # the disk did not take a part of it: only the events can tell the whole
        self.events = 0
        self.written_events = 0
        self.last_event_at = 0.0
        self.due: float | None = None  # a turn has ended: when its document is to be written
        self.rests_until = 0.0
        self.continues: str | None = None  # the uuid of the run that this one resumes
        self.paused: list[str] = []  # the runs in it that were interrupted
        self.continued_by: dict[str, str] | None = None

    def feed(self, record: Mapping[str, Any], size: int) -> None:
        """Take one event."""
        self.changed = True
        self.events += 1
        if record.get("scope_category") in ("start", "end"):  # some adapters know whose run it was at its end only
            self._identify(record)
        elif record.get("kind") == "mark":
            self._note(record)
        if self.events == 1:
            self.head()  # sub-agents that end early are named after it
        self.stream.feed(record, size)

    @property
    def is_worth_a_file(self) -> bool:
        """A run without an agent has a trajectory when a model or a tool was called."""
        return self.root is not None or self.stream.work > 0

    @property
    def has_grown(self) -> bool:
        """Whether there is enough new to write an unfinished document again."""
        return self.changed and self.events >= self.written_events * _GROWTH

    def file_name(self) -> str:
        """``trajectory-[<session>-][<user>-]<uuid>.json``; fixed when first asked for."""
        if not self.name:
            self.name = self._styled_name()
        if not self.name:
            named = self.identities.get("session_id") or self.identities.get("thread_id")
            parts = [safe(part)[:80] for part in (named, self.identities.get("user_id")) if part and part != self.uuid]
            self.name = "-".join(["trajectory", *parts, self.uuid]) + ".json"
        return self.name

    def _styled_name(self) -> str:
        if self.style.file_name is None:
            return ""
        metadata = (self.root or {}).get("metadata")
        try:
            return self.style.file_name(self.uuid, metadata if isinstance(metadata, dict) else {})
        except ValueError as error:
            faults.report("atif_destination_render_failed", error)
            return ""

    def head(self) -> dict[str, Any]:
        """What stands in front of the document."""
        from nemo_relay._version import __version__

        root = self.root or {}
        metadata = root.get("metadata")
        version = metadata.get("agent_version") if isinstance(metadata, dict) else None
        version = version if isinstance(version, str) else __version__
        session = self.identities.get("session_id") or self.identities.get("thread_id") or self.uuid
        self.stream.named = {"version": version, "session_id": session}
        head = {
            "session_id": session,
            "trajectory_id": self.uuid,
            "agent": {"name": root.get("name") or "agent", "version": version, **self.style.agent},
        }
        if self.continued_by is not None:
            head["continued_trajectory_ref"] = self.continued_by["trajectory_path"]
        return head

    def extra(self, before: Mapping[str, str] | None) -> dict[str, Any]:
        """What the document's ``extra`` says about who it was for, and what came before and after."""
        merged: dict[str, Any] = dict(self.identities)
        if merged:
            merged["session_instance_id"] = self.uuid
        if self.continues is not None:
            merged["continues"] = dict(before or {"trajectory_id": self.continues})
        if self.continued_by is not None:
            merged["continued_by"] = self.continued_by
        return {"nemo_relay": merged} if merged else {}

    def _identify(self, record: Mapping[str, Any]) -> None:
        metadata = record.get("metadata")
        if not isinstance(metadata, dict):
            return
        for key in _IDENTITIES:
            value = metadata.get(key)
            # An adapter that knows of no session names it after the run.
            if isinstance(value, (str, int)) and value != "" and value != metadata.get("relay.run_id"):
                self.identities.setdefault(key, str(value))

    def _note(self, record: Mapping[str, Any]) -> None:
        data, metadata = record.get("data"), record.get("metadata")
        if not isinstance(data, dict):
            return
        # By what a mark says, too: adapters have names of their own for a pause.
        asks = "interrupts" in data and isinstance(metadata, dict) and "relay.interrupt_ids" in metadata
        if (asks or record.get("name") == "Graph Interrupt") and isinstance(record.get("parent_uuid"), str):
            self.paused.append(str(record["parent_uuid"]))
        elif isinstance(data.get("resumed_run_uuid"), str):
            self.continues = data["resumed_run_uuid"]


def _spool(folder: str) -> IO[bytes]:
    make_folder(folder)
    return SpooledTemporaryFile(_SPOOLED, dir=folder)


def safe(text: str) -> str:
    """``text`` as a part of a file's name."""
    made = _UNSAFE.sub("-", text)
    return "-" if made == "." else made
