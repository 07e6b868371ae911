# SPDX-License-Identifier: Apache-2.0
"""What hosts report, in one form. A host's module reads its payloads into these and writes verdicts back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any


class Kind(StrEnum):
    """What has happened."""

    SESSION_START = "session_start"
    SESSION_END = "session_end"
    PROMPT = "prompt"
    TURN_END = "turn_end"
    SUBAGENT_START = "subagent_start"
    SUBAGENT_END = "subagent_end"
    TOOL_START = "tool_start"
    TOOL_END = "tool_end"
    MODEL_START = "model_start"
    MODEL_PART = "model_part"
    MODEL_END = "model_end"
    MARK = "mark"


@dataclass(frozen=True, kw_only=True)
class HookEvent:
    """One report of a host.

    Args:
        host: the host's name, such as ``claude-code``.
        kind: what has happened.
        name: the event's own name.
        session: the host's id of the session.
        payload: what the host sent.
        agent: the id of the subagent it happened in, None for the session's own agent.
        agent_type: what kind of subagent that is.
        parent_agent: the subagent that started this one, None for the session's own agent.
        child_session: the session of its own that a subagent has, with hosts where it has one.
        call: the id of a tool or model call.
        tool: the tool's name.
        arguments: of a tool call, or the request of a model call.
        result: of a tool call, or the response of a model call.
        error: why a call failed.
        model: the model's name.
        annotated: the normalised response of a model call: usage, where the host tells it.
        response_id: the provider's id of a model call's response.
        mark: the name of the mark that a ``MARK`` becomes.
    """

    host: str
    kind: Kind
    name: str
    session: str
    payload: Mapping[str, Any] = field(repr=False)
    agent: str | None = None
    agent_type: str | None = None
    parent_agent: str | None = None
    child_session: str | None = None
    call: str | None = None
    tool: str | None = None
    arguments: Any = None
    result: Any = None
    error: str | None = None
    model: str | None = None
    annotated: Mapping[str, Any] | None = None
    response_id: str | None = None
    mark: str = "hook_mark"


@dataclass(frozen=True)
class Verdict:
    """What policies say of a tool call or its result; nothing of it unless a policy decided.

    Args:
        denied: the reason of a refusal, for the model to read.
        asked: what the host's user is to decide before the tool runs; only for hosts that can ask.
        arguments: other arguments to run the tool with; None to leave them.
        result: another result for the model to see; None to leave it.
    """

    denied: str | None = None
    asked: str | None = None
    arguments: Any = None
    result: Any = None


NEUTRAL = Verdict()
CAN_ASK = frozenset(("claude-code",))  # hosts whose own prompt a hook may call for


@dataclass(frozen=True)
class Origins:
    """What a provider request says of where it comes from.

    Args:
        host: the host that sends it.
        session: the host's id of the session.
        agent: the id of the subagent, None for the session's own agent.
        parent_agent: the subagent that started this one.
        details: for the events' metadata.
    """

    host: str
    session: str
    agent: str | None = None
    parent_agent: str | None = None
    details: Mapping[str, Any] = field(default_factory=dict)
