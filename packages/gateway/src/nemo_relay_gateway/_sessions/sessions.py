# SPDX-License-Identifier: Apache-2.0
"""All sessions that are open."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from nemo_relay_gateway._calls.observed import Place
from nemo_relay_gateway._sessions.events import NEUTRAL, HookEvent, Kind, Origins, Verdict
from nemo_relay_gateway._sessions.session import Session


class Sessions:
    """The open sessions, by host and by the host's own id."""

    def __init__(self) -> None:
        self._open: dict[tuple[str, str], Session] = {}

    def __len__(self) -> int:
        return len(self._open)

    async def apply(self, event: HookEvent) -> Verdict:
        """Take a report in; what ends a session that nobody saw is nothing."""
        key = event.host, event.session
        if event.kind is Kind.SESSION_END and key not in self._open:
            return NEUTRAL
        session = self._session(*key)
        verdict = await session.apply(event)
        if session.is_over:
            self._open.pop(key, None)
        return verdict

    def place(self, origins: Origins | None) -> tuple[Place, Callable[[Any], None] | None]:
        """Where a provider call belongs, and who wants to hear of its response."""
        if origins is None:
            return Place(), None
        session = self._session(origins.host, origins.session)
        handle = session.place(origins.agent, origins.parent_agent)
        metadata = {"agent_kind": origins.host, "session_id": origins.session, **origins.details}
        return Place(handle, metadata), session.passed

    def _session(self, host: str, session: str) -> Session:
        found = self._open.get((host, session))
        if found is None:
            found = self._open[host, session] = Session(host, session)
        return found

    def close(self, why: str) -> None:
        """End every session."""
        for session in list(self._open.values()):
            session.close(why)
        self._open.clear()
