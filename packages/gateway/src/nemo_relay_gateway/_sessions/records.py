# SPDX-License-Identifier: Apache-2.0
"""A session as other replicas read it: which scopes are open, so that work can go below them, and end them."""

from __future__ import annotations

from typing import Any

import msgspec

from nemo_relay import ScopeType, scope


class ScopeRecord(msgspec.Struct):
    """An open scope. ``agent`` is the subagent below which it stands, None for the session's own agent."""

    name: str
    uuid: str
    metadata: dict[str, Any] | None = None
    agent: str | None = None

    @classmethod
    def of(cls, handle: Any, agent: str | None = None) -> ScopeRecord:
        """What there is to know of a handle."""
        return cls(handle.name, handle.uuid, handle.metadata, agent)

    def resumed(self, scope_type: ScopeType, parent: Any) -> Any:
        """A handle for it in this process."""
        return scope.resume(self.name, scope_type, self.uuid, parent=parent, metadata=self.metadata)


class ToolRecord(ScopeRecord, kw_only=True):
    """An open tool call."""

    arguments: Any = None
    call: str | None = None


class SessionRecord(msgspec.Struct):
    """What is open in a session, and what has to be remembered of what is over."""

    root: ScopeRecord
    turn: ScopeRecord | None
    turns: int
    agents: dict[str, ScopeRecord]
    tools: dict[str, ToolRecord]
    passed: int
    response_ids: list[str]
