# SPDX-License-Identifier: Apache-2.0
"""Sub-agents: the tool call that started each, or the step that stands for one that no call started."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from nemo_relay_projections.atif_calls import Desk, Draft
from nemo_relay_projections.atif_responses import Call
from nemo_relay_projections.atif_spans import Event, Span, event_info, mapping, timestamp

_DELEGATION = (
    "tool_call_id", "toolCallId", "source_call_id", "sourceCallId", "delegation_tool_call_id",
    "delegationToolCallId", "parent_tool_call_id", "parentToolCallId",
)  # fmt: skip


def delegations(members: Sequence[Span]) -> list[tuple[Span, Span | None]]:
    """Each direct sub-agent with the tool that was running when it started, if that was exactly one."""
    moments = [(span.opened, 0, span) for span in members if span.category == "tool" or span.is_agent]
    tools = (span for span in members if span.category == "tool")
    moments += [(tool.closed, 1, tool) for tool in tools if tool.closed is not None]
    running: dict[str, Span] = {}
    found: list[tuple[Span, Span | None]] = []
    for _, over, span in sorted(moments, key=lambda moment: moment[:2]):
        if over:
            running.pop(span.uuid, None)
        elif span.is_agent:
            found.append((span, next(iter(running.values())) if len(running) == 1 else None))
        else:
            running[span.uuid] = span
    return found


def delegated(
    child: Span,
    desk: Desk,
    at_work: Mapping[str, tuple[Draft, Call]],
    busy: Span | None,
    spans: Mapping[str, Span],
) -> tuple[Draft, Call] | None:
    """The call that started ``child``: the one it names, else that of the tool around it, or alone."""
    named = _delegation_id(child)
    if named is not None:
        return desk.find(named, child)
    above = spans.get(child.parent or "")
    while above is not None and above is not child.agent:
        if above.uuid in at_work:
            return at_work[above.uuid]
        above = spans.get(above.parent or "")
    return None if busy is None else at_work.get(busy.uuid)


def _delegation_id(child: Span) -> str | None:
    for holder in (child.metadata, mapping(child.input)):
        for place in (holder, mapping(holder, "extra")):
            for key in _DELEGATION:
                if isinstance(place.get(key), str) and place[key]:
                    return str(place[key])
    return None


def standalone(child: Span) -> tuple[Draft, Call]:
    """A sub-agent that no tool call started."""
    given = {"name": child.name, "session_id": _session(child), "payload": child.input}
    arguments = {key: value for key, value in given.items() if value is not None}
    call = Call(f"subagent:{child.uuid}", child.name, arguments, event_info(_event(child), child.name))
    fields = {"source": "agent", "message": "", "timestamp": timestamp(_event(child)), "llm_call_count": 0}
    return Draft(child.opened, child, fields, [call]), call


def reference(child: Span) -> dict[str, Any]:
    reference = {"trajectory_id": child.uuid, "extra": {"name": child.name, "scope_uuid": child.uuid}}
    session = _session(child)
    if session is not None:
        reference["session_id"] = session
    return {"subagent_trajectory_ref": [reference], "extra": event_info(_event(child), child.name)}


def _session(agent: Span) -> str | None:
    found = agent.metadata.get("session_id")
    return found if isinstance(found, str) and found else None


def _event(span: Span) -> Event:
    return span.start or span.end or {}
