# SPDX-License-Identifier: Apache-2.0
"""The ATIF projection: one run's events become one trajectory document."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from nemo_relay_projections.atif_spans import Event, Span, error, read, status
from nemo_relay_projections.atif_steps import silence, steps
from nemo_relay_projections.atif_usage import final

SCHEMA_VERSION = "ATIF-v1.7"  # the newest that the published validators, nvidia-nat-atif and harbor, both accept
SCHEMA_VERSIONS = (SCHEMA_VERSION, "ATIF-v1.8")  # harbor reads the last one
SILENT = "No model or tool call was recorded for this agent; its only step says so."
_WORK = ("llm", "tool")


def trajectory(
    events: Iterable[Event],
    *,
    session_id: str,
    agent_name: str,
    agent_version: str,
    model_name: str | None = None,
    tool_definitions: list[Any] | None = None,
    extra: Mapping[str, Any] | None = None,
    root: str | None = None,
    schema_version: str = SCHEMA_VERSION,
) -> dict[str, Any]:
    """Project ``events`` into an ATIF-v1.7 document.

    Events are taken in the order given, never by timestamp. Scopes without an end, ends without a start,
    unknown shapes and missing payloads are all projected as far as they go.

    Args:
        events: ATOF event objects; marks and scopes of other kinds only serve lineage.
        session_id: the document's ``session_id`` and ``trajectory_id``. If it is the uuid of an agent in the
            stream, only that agent and what ran below it is projected.
        root: the uuid of the agent to project, and the document's ``trajectory_id``, where it is not the session's id.
        agent_name, agent_version, model_name, tool_definitions, extra: the document's ``agent``.
        schema_version: what the documents call themselves, one of ``SCHEMA_VERSIONS``.

    Raises:
        ValueError: the schema version is none that is written.

    Returns:
        The document as plain objects; it shares payload values with the events. Nested agents are in
        ``subagent_trajectories``. Where there is no single top-level agent and none is named, everything is
        one list of steps.

    >>> trajectory([], session_id="s", agent_name="app", agent_version="1")["steps"][0]["source"]
    'system'
    """
    agent: dict[str, Any] = {"name": agent_name, "version": agent_version, "model_name": model_name}
    agent |= {"tool_definitions": tool_definitions, "extra": None if extra is None else dict(extra)}
    block = {key: value for key, value in agent.items() if value is not None}
    projection = _Projection(read(events), session_id, block, root or session_id)
    projection.schema_version = known_version(schema_version)
    return projection.document()


def known_version(version: str) -> str:
    """``version``, if documents of that schema are written.

    Raises:
        ValueError: they are not.
    """
    if version not in SCHEMA_VERSIONS:
        raise ValueError(f"schema_version must be one of {', '.join(SCHEMA_VERSIONS)}, not {version!r}")
    return version


def roots(events: Iterable[Event]) -> list[str]:
    """The uuids of the top-level agents, in the order in which they started: one trajectory each.

    An agent below a function scope counts, and so does a turn that no agent surrounds.
    """
    return [span.uuid for span in read(events).values() if span.is_agent and span.agent is None]


def ended_badly(agent: Span) -> dict[str, Any]:
    """How an agent ended and why, if it did not just complete."""
    if status(agent) == "completed":
        return {}
    ended: dict[str, Any] = {"status": status(agent), "error": error(agent)}
    return {key: value for key, value in ended.items() if value}


class _Projection:
    """One document in the making: the spans, whose they are, and what the document is called."""

    def __init__(self, spans: Mapping[str, Span], session_id: str, block: Mapping[str, Any], root: str) -> None:
        self._spans = spans
        self._session_id = session_id
        self._named = root
        self._block = block
        self._root = self._find_root()
        self.schema_version = SCHEMA_VERSION

    def document(self) -> dict[str, Any]:
        """The whole document; a flat one where nothing says which agent is the root."""
        root = self._root
        if root is None:
            return self._project(None, [span for span in self._spans.values() if span.category in _WORK], [])
        members = self._members()
        order = [root]
        for agent in order:  # grows while it is walked: every agent comes after the one it serves
            order += [span for span in members.get(agent.uuid, []) if span.is_agent]
        done: dict[str, dict[str, Any]] = {}
        for agent in reversed(order):
            own = members.get(agent.uuid, [])
            nested = [done.pop(span.uuid) for span in own if span.is_agent]
            done[agent.uuid] = self._project(agent, own, nested)
        return done[root.uuid]

    def _find_root(self) -> Span | None:
        named = self._spans.get(self._named)
        if named is not None and named.is_agent:
            return named
        tops = [span for span in self._spans.values() if span.is_agent and span.agent is None]
        return tops[0] if len(tops) == 1 else None

    def _members(self) -> dict[str, list[Span]]:
        """What each agent did itself, by uuid. A root that nobody named takes in what no agent surrounds."""
        root = self._root
        home = None if root is None or root.uuid == self._named else root
        members: dict[str, list[Span]] = {}
        for span in self._spans.values():
            owner = span.agent or home
            if owner is not None and owner is not span and (span.is_agent or span.category in _WORK):
                members.setdefault(owner.uuid, []).append(span)
        return members

    def _project(self, agent: Span | None, members: Sequence[Span], nested: list[dict[str, Any]]) -> dict[str, Any]:
        found = steps(members, self._spans)
        document: dict[str, Any] = {
            "schema_version": self.schema_version,
            **self._identity(agent),
            "agent": self._agent(agent, found),
            "steps": found or [silence(agent, self._session_id, self._spans)],
        }
        if not found:
            document["notes"] = SILENT
        document["final_metrics"] = final(document["steps"], nested)
        if nested:
            document["subagent_trajectories"] = nested
        bad = {} if agent is None else ended_badly(agent)
        if bad:
            document["extra"] = {"nemo_relay": bad}
        return document

    def _identity(self, agent: Span | None) -> dict[str, str]:
        if agent is None or agent is self._root:
            return {"session_id": self._session_id, "trajectory_id": self._named}
        session = agent.metadata.get("session_id")
        known = isinstance(session, str) and session
        return {"session_id": str(session) if known else self._session_id, "trajectory_id": agent.uuid}

    def _agent(self, agent: Span | None, found: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
        """The root is described by its owner; a sub-agent by its own name and the model that it used."""
        if agent is None or agent is self._root:
            return dict(self._block)
        model = next((step["model_name"] for step in found if "model_name" in step), None)
        named = {"name": agent.name, "version": self._block["version"]}
        return named if model is None else {**named, "model_name": model}
