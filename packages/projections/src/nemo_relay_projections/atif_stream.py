# SPDX-License-Identifier: Apache-2.0
"""The ATIF projection of a run of any length: events in, a document out, memory bounded.

A short run is projected as a whole. A long one is projected piece by piece: where no model or tool is at work and a
model is about to be asked, what lies behind is finished, becomes steps, and is forgotten. Steps wait encoded in a
spool, which a disk takes over when it grows. A piece that finds no such moment is cut all the same; what is still
open then goes on in the next one.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator, Mapping
from io import BytesIO
from typing import IO, Any, BinaryIO

import msgspec

from nemo_relay_projections.atif import SCHEMA_VERSION, SILENT, ended_badly, trajectory
from nemo_relay_projections.atif_spans import Event, Span, mapping, read
from nemo_relay_projections.atif_steps import silence, steps
from nemo_relay_projections.atif_usage import Totals

PIECE_EVENTS = 2_000
PIECE_BYTES = 4 << 20
FORCED = 4  # pieces without a quiet moment that are waited for
Spool = Callable[[], IO[bytes]]
encode = msgspec.json.Encoder().encode  # what is written comes from decoded events: it is JSON already
_WORK = ("llm", "tool")


class _Agent:
    """One agent of a long run: its steps so far, and the documents of its sub-agents that have ended."""

    def __init__(self, span: Span | None, spool: Spool) -> None:
        self.span = span
        self.count = 0
        self.totals = Totals()
        self.model: str | None = None
        self.children = 0
        self.steps = spool()
        self.documents = spool()

    def add(self, found: list[dict[str, Any]]) -> None:
        """Take the next steps."""
        for step in found:
            self.count += 1
            step["step_id"] = self.count
            self.totals.add(mapping(step, "metrics"))
            self.model = self.model or step.get("model_name")
            self.steps.write((b"," if self.count > 1 else b"") + encode(step))

    def close(self) -> None:
        """Give the spools back."""
        self.steps.close()
        self.documents.close()


class TrajectoryStream:
    """The document of one session in the making.

    Args:
        root: the uuid of the agent that it is about; None for a run without an agent.
        spool: makes a file for what a long run has to say; in memory by default.

    Attributes:
        named: ``version`` and ``session_id`` for the documents of sub-agents.
        schema_version: what documents call themselves.
        observed_events: whether ``extra.observed_events`` has every event.
        llm_requests: whether steps have the request that was made.
    """

    def __init__(self, root: str | None, spool: Spool = BytesIO) -> None:
        self.root = root
        self.named: dict[str, str] = {}
        self.schema_version = SCHEMA_VERSION
        self.observed_events = False
        self.llm_requests = True
        self._observed: IO[bytes] | None = None
        self._spool = spool
        self._events: list[Event] = []
        self._bytes = 0
        self._open: dict[str, Event] = {}  # scopes that have begun, by uuid
        self._at_work = 0  # models and tools among them
        self._agents: dict[str | None, _Agent] = {}
        self._delegated: set[str] = set()  # open sub-agents that their callers' steps refer to already
        self.work = 0  # models and tools that have begun
        self.is_long = False
        self._temporary: list[_Agent] = []  # what open sub-agents have to say, while a document is written

    def feed(self, event: Event, size: int = 0) -> None:
        """Take the next event; ``size`` is that of its line.

        Args:
            event: one of the stream, in its order.
            size: bytes of its line, which count for the size at which a document is cut; 0 where nobody knows.
        """
        if self.observed_events:
            self._observe(event)
        edge, uuid = event.get("scope_category"), event.get("uuid")
        working = event.get("category") in _WORK
        if edge == "start" and isinstance(uuid, str):
            self._cut_if_due(event)
            self._open[uuid] = event
            self._at_work += working
            self.work += working
        elif edge == "end" and isinstance(uuid, str) and self._open.pop(uuid, None) is not None:
            self._at_work -= working
        self._events.append(event)
        self._bytes += size

    def _observe(self, event: Event) -> None:
        if self._observed is None:
            self._observed = self._spool()
        elif self._observed.tell():
            self._observed.write(b",")
        self._observed.write(encode(event))

    @property
    def is_quiet(self) -> bool:
        """Whether everything that began has ended."""
        return not self._open

    def write(self, file: BinaryIO, head: Mapping[str, Any], extra: Mapping[str, Any]) -> None:
        """Write the whole document as of now. More events may follow, and another ``write``.

        Args:
            file: where to.
            head: ``session_id``, ``trajectory_id``, ``agent`` of the document.
            extra: what its ``extra`` has beside what the projection says.
        """
        if not self.is_long and self._observed is None:
            file.write(encode(self._short(head, extra)))
            return
        self._cut()
        root = self._agents.get(self.root) or self._agent(self.root, {})
        for piece in self._document(root, dict(head), dict(extra)):
            if isinstance(piece, bytes):
                file.write(piece)
            else:
                piece.seek(0)
                shutil.copyfileobj(piece, file)
                piece.seek(0, 2)
        for agent in self._temporary:
            agent.close()
        self._temporary.clear()

    def close(self) -> None:
        """Give the spools back."""
        for agent in (*self._agents.values(), *self._temporary):
            agent.close()
        if self._observed is not None:
            self._observed.close()
        self._agents.clear()

    def _short(self, head: Mapping[str, Any], extra: Mapping[str, Any]) -> dict[str, Any]:
        agent = head["agent"]
        given = self.root or head["trajectory_id"]
        document = trajectory(self._events, session_id=given, agent_name=agent["name"], agent_version=agent["version"])
        document["session_id"] = head["session_id"]
        if extra:
            mine = mapping(document, "extra")
            relay = {**mapping(mine, "nemo_relay"), **mapping(extra, "nemo_relay")}
            document["extra"] = {**mine, **extra, "nemo_relay": relay}
        document["agent"] = dict(agent)
        document["schema_version"] = self.schema_version
        for one in _with_nested(document):
            self._without_requests(one["steps"])
            one["schema_version"] = self.schema_version
        if "continued_trajectory_ref" in head:
            document["continued_trajectory_ref"] = head["continued_trajectory_ref"]
        return document

    def _cut_if_due(self, event: Event) -> None:
        count = len(self._events) - len(self._open)
        if count < PIECE_EVENTS and self._bytes < PIECE_BYTES:
            return
        quiet = not self._at_work and event.get("category") == "llm"
        if quiet or count >= FORCED * PIECE_EVENTS or self._bytes >= FORCED * PIECE_BYTES:
            self._cut()

    def _cut(self) -> None:
        """Turn what is over into steps; keep what is open."""
        self.is_long = True
        spans = read(self._events)
        members: dict[str | None, list[Span]] = {}
        for span in spans.values():
            owner = span.agent if self.root is not None else None
            if owner is None and self.root is not None:
                continue
            if span.category in _WORK and span.uuid in self._open:
                continue
            if span.is_agent and (self.root is None or span.uuid in self._delegated):
                continue
            if span.is_agent or span.category in _WORK:
                members.setdefault(None if owner is None else owner.uuid, []).append(span)
        for uuid, own in members.items():
            self._agent(uuid, spans).add(self._without_requests(steps(own, spans)))
        for span in spans.values():
            if span.is_agent and self.root is not None:
                self._agent(span.uuid, spans).span = span
                self._delegated.add(span.uuid)
        self._close_ended(spans)
        self._events = [event for event in self._events if self._is_kept(event)]
        self._bytes = 0

    def _without_requests(self, found: list[dict[str, Any]]) -> list[dict[str, Any]]:
        if not self.llm_requests:
            for step in found:
                step.get("extra", {}).pop("llm_request", None)
        return found

    def _is_kept(self, event: Event) -> bool:
        uuid = event.get("uuid")
        return uuid in self._agents or (event.get("scope_category") == "start" and uuid in self._open)

    def _agent(self, uuid: str | None, spans: Mapping[str, Span]) -> _Agent:
        found = self._agents.get(uuid)
        if found is None:
            span = None if uuid is None else spans.get(uuid)
            found = self._agents[uuid] = _Agent(span, self._spool)
        return found

    def _close_ended(self, spans: Mapping[str, Span]) -> None:
        """Let the documents of sub-agents that have ended move into those of their callers, in that order."""
        busy: set[str] = set()  # agents that have open ones below them, though they may have ended themselves
        for span in spans.values():
            above = span.agent if span.is_agent and span.uuid in self._open else None
            while above is not None:
                busy.add(above.uuid)
                above = above.agent
        ended = [span for span in spans.values() if span.is_agent and span.agent is not None and span.end is not None]
        for span in sorted(ended, key=lambda span: (-_depth(span), span.settled)):
            if span.uuid in busy or span.uuid == self.root or span.agent is None:
                continue
            child = self._agents.pop(span.uuid, None)
            self._delegated.discard(span.uuid)
            if child is not None:
                child.span = span
                self._embed(self._agent(span.agent.uuid, spans), child)
                child.close()

    def _embed(self, parent: _Agent, child: _Agent) -> None:
        span = child.span
        assert span is not None
        own = span.metadata.get("session_id")
        agent: dict[str, Any] = {"name": span.name, "version": self.named.get("version", "")}
        if child.model is not None:
            agent["model_name"] = child.model
        session = own if isinstance(own, str) and own else self.named.get("session_id", self.root or span.uuid)
        head = {"session_id": session, "trajectory_id": span.uuid, "agent": agent}
        if parent.children:
            parent.documents.write(b",")
        parent.children += 1
        for piece in self._document(child, head, {}):
            if isinstance(piece, bytes):
                parent.documents.write(piece)
            else:
                piece.seek(0)
                shutil.copyfileobj(piece, parent.documents)
        parent.totals.embed(child.totals)

    def _document(self, agent: _Agent, head: dict[str, Any], extra: dict[str, Any]) -> Iterator[bytes | IO[bytes]]:
        """The document of ``agent`` in pieces, with those of its open sub-agents as they are now."""
        totals, documents = agent.totals.copy(), agent.documents
        front = encode({"schema_version": self.schema_version, **head})
        yield front[:-1] + b',"steps":['
        if agent.count:
            yield agent.steps
        else:
            yield encode(silence(agent.span, head["session_id"], {}))
        yield b"]"
        if not agent.count:
            yield b',"notes":' + encode(SILENT)
        open_children = [
            other
            for other in self._agents.values()
            if other is not agent and other.span is not None and other.span.agent is not None
            and agent.span is not None and other.span.agent.uuid == agent.span.uuid
        ]  # fmt: skip
        nested: list[_Agent] = []
        for child in open_children:
            copy = _Agent(agent.span, self._spool)
            self._temporary.append(copy)
            self._embed(copy, child)
            totals.embed(child.totals)
            nested.append(copy)
        yield b',"final_metrics":' + encode(totals.final(max(agent.count, 1)))
        if agent.children or nested:
            yield b',"subagent_trajectories":['
            if agent.children:
                yield documents
            for number, copy in enumerate(nested):
                if agent.children or number:
                    yield b","
                yield copy.documents
            yield b"]"
        bad = {} if agent.span is None else ended_badly(agent.span)
        whole = {**extra, "nemo_relay": {**bad, **mapping(extra, "nemo_relay")}} if bad or extra else {}
        observed = self._observed if agent.span is None or agent.span.uuid == self.root else None
        if whole or observed is not None:
            yield b',"extra":' + (encode(whole)[:-1] if whole else b"{")
            if observed is not None:
                yield (b"," if whole else b"") + b'"observed_events":['
                yield observed
                yield b"]"
            yield b"}"
        yield b"}"


def _with_nested(document: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """A document and those in it."""
    waiting = [document]
    while waiting:
        one = waiting.pop()
        waiting += one.get("subagent_trajectories", [])
        yield one


def _depth(span: Span) -> int:
    depth = 0
    while span.agent is not None:
        depth, span = depth + 1, span.agent
    return depth
