# SPDX-License-Identifier: Apache-2.0
"""What lies between our middleware and the call itself: middleware that Deep Agents puts behind every other.

A human's edit of a tool call, the skills and the memory come after us. A guardrail has to decide about what is
really called, and an event has to tell it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any

from langchain_core.messages import BaseMessage

EDITED = "hitl_edited_tool_calls"  # in the agent's state: what a human put in the place of a call


@dataclass(slots=True, eq=False)
class Asked:
    """The messages of a model call as they left our middleware, until the call itself has been seen."""

    messages: Sequence[BaseMessage] | None


asked: ContextVar[Asked | None] = ContextVar("nemo_relay_deepagents_asked", default=None)


def messages_of(request: Any) -> list[BaseMessage]:
    """All messages of LangChain's ``ModelRequest``, in the order in which the model gets them."""
    system = request.system_message
    return [*([system] if system is not None else []), *request.messages]


def added(messages: Sequence[BaseMessage]) -> list[BaseMessage]:
    """Those of ``messages`` that our middleware has not seen. Answers once for each managed call."""
    call = asked.get()
    if call is None or call.messages is None:
        return []
    known, call.messages = list(call.messages), None
    return [message for message in messages if not any(_is_same(message, other) for other in known)]


def _is_same(one: BaseMessage, other: BaseMessage) -> bool:
    return one is other or (type(one) is type(other) and one.id == other.id and one.content == other.content)


def effective(request: Any) -> Any:
    """The tool call request with the human's edit applied; the very same request where there is none."""
    action = _edits(request).get(request.tool_call.get("id"))
    if not isinstance(action, Mapping):
        return request
    name, args = action.get("name"), action.get("args")
    made = request.override(tool_call={**request.tool_call, "name": name, "args": args})
    if name == request.tool_call["name"]:
        return made
    found = next((tool for tool in getattr(request.runtime, "tools", None) or () if tool.name == name), None)
    return made.override(tool=found) if found is not None else request  # LangChain says what is wrong with it


def sealed(request: Any) -> Any:
    """The request as LangChain's review has to find it: what an intercept changed stands, not the human's edit."""
    edits, call = _edits(request), request.tool_call
    action = edits.get(call.get("id"))
    if not isinstance(action, Mapping) or (action.get("name") == call["name"] and action.get("args") == call["args"]):
        return request
    changed = {**edits, call["id"]: {"name": call["name"], "args": call["args"]}}
    return request.override(state={**request.state, EDITED: changed})


def _edits(request: Any) -> Mapping[str, Any]:
    state = request.state
    edits = state.get(EDITED) if isinstance(state, Mapping) else None
    return edits if isinstance(edits, Mapping) else {}
