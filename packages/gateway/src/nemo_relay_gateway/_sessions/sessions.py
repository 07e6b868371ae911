# SPDX-License-Identifier: Apache-2.0
"""All sessions that are open."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from nemo_relay import ScopeStack
from nemo_relay_gateway._calls.observed import Place
from nemo_relay_gateway._sessions.events import HookEvent, Kind, Origins, Verdict
from nemo_relay_gateway._sessions.session import Session


class Sessions:
    """The open sessions, by host and by the host's own id.

    Args:
        only_host: the one host that all provider requests are of, where that is so.
        above: the place that sessions go below; None for roots.
    """

    def __init__(self, only_host: str | None = None, above: ScopeStack | None = None) -> None:
        self._above = above
        self._only_host = only_host
        self._open: dict[tuple[str, str], Session] = {}
        self._children: dict[tuple[str, str], tuple[str, str]] = {}  # a subagent's own session -> whose, which

    def __len__(self) -> int:
        return len(self._open)

    async def apply(self, event: HookEvent) -> Verdict:
        """Take a report in. A session that nobody saw start is opened by what comes of it, even by its end."""
        event = self._of_parent(event)
        key = event.host, event.session
        session = self._session(*key)
        verdict = await session.apply(event)
        if session.is_over:
            self._open.pop(key, None)
            self._children = {child: parent for child, parent in self._children.items() if parent[0] != event.session}
        return verdict

    def _of_parent(self, event: HookEvent) -> HookEvent:
        """A report from the session of a subagent, as one of its parent's session."""
        if event.kind is Kind.SUBAGENT_START and event.child_session is not None and event.agent is not None:
            self._children[event.host, event.child_session] = event.session, event.agent
        found = self._children.get((event.host, event.session))
        if found is None:
            return event
        session, agent = found
        if event.kind is Kind.SUBAGENT_START:
            return replace(event, session=session, parent_agent=agent)
        kind = Kind.SUBAGENT_END if event.kind in (Kind.SESSION_END, Kind.TURN_END) else event.kind
        if event.kind is Kind.SESSION_END:
            self._children.pop((event.host, event.session))
        return replace(event, session=session, agent=event.agent or agent, kind=kind)

    def place(self, origins: Origins | None) -> tuple[Place, Callable[[Any], None] | None]:
        """Where a provider call belongs, and who wants to hear of its response."""
        origins = origins or self._only_session()
        if origins is None:
            return Place(), None
        session = self._session(origins.host, origins.session)
        handle = session.place(origins.agent, origins.parent_agent)
        metadata = {"agent_kind": origins.host, "session_id": origins.session, **origins.details}
        return Place(handle, metadata), session.passed

    def _only_session(self) -> Origins | None:
        """Where a request belongs that does not say so: to the only session of the only host. Of two, neither is it."""
        found = [key for key in self._open if key[0] == self._only_host]
        return Origins(*found[0]) if len(found) == 1 else None

    def _session(self, host: str, session: str) -> Session:
        found = self._open.get((host, session))
        if found is None:
            found = self._open[host, session] = Session(host, session, above=self._above)
        return found

    def close(self, why: str) -> None:
        """End every session."""
        for session in list(self._open.values()):
            session.close(why)
        self._open.clear()
