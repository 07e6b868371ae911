# SPDX-License-Identifier: Apache-2.0
"""Model requests: of a conversation that grows from call to call, what the last request of the agent did not have.

``messages`` then has the system messages it begins with, the latest user message, and every message that is new since
the last request; so a reader of one event knows what the model works on. ``$history`` says how to get the rest::

    "$history": {"$from": "<uuid of the last call's span>#/content/messages", "keep": 12, "repeated": 2}

The whole conversation is the first ``keep`` messages of the one there, and ``messages`` without the first ``repeated``.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from langchain_core.messages import AIMessage, BaseMessage, SystemMessage, ToolMessage

from nemo_relay.integrations.langchain._views.capture import capped
from nemo_relay.integrations.langchain._views.memory import NOTHING, Memory, Shown

HISTORY = "$history"
POINTER = "/content/messages"


class Turn(NamedTuple):
    """A model request, as its event shows it.

    Attributes:
        views: the messages that the event has.
        history: how to get those before them; None where there are none.
        degraded: a message could not be looked at.
    """

    views: list[dict[str, Any]]
    history: dict[str, Any] | None
    degraded: bool
    memory: Memory
    agent: int
    shown: Shown | None

    def commit(self, handle: Any) -> None:
        """The event of ``handle`` has shown it."""
        if self.shown is not None and not self.degraded:
            self.shown.handle = handle
            self.memory.conversations[self.agent] = self.shown


def turn(memory: Memory, agent: int, messages: Sequence[Any]) -> Turn:
    """The request with ``messages``, objects of LangChain or views of them, by ``agent``."""
    before = memory.conversations.get(agent, NOTHING) if memory.economical else NOTHING
    keep = _common(memory, before, messages)
    keep = min(keep, len(messages) - 1)  # the last one says what is asked
    repeated = _repeated(messages, keep)
    history = None
    if keep > len(repeated):
        history = {"$from": before.reference, "keep": keep, "repeated": len(repeated)}
        recorded = [*(messages[index] for index in repeated), *messages[keep:]]
    else:
        recorded, keep = list(messages), max(keep, 0)
    if recorded and isinstance(recorded[0], BaseMessage):
        views = memory.views(recorded)
    else:
        views = [_view(memory, message) for message in recorded]
    degraded = memory.degraded and any("$type" in view for view in views)
    cut = capped(views, memory.limit)
    shown = before.followed_by(messages, keep, POINTER) if cut is views else None
    return Turn(cut, history, degraded, memory, agent, shown)


def _common(memory: Memory, before: Shown, messages: Sequence[Any]) -> int:
    if not (_starts_with_view(messages) or _starts_with_view(before.messages)):
        return before.common(messages)
    count = 0  # an intercept has edited this request, or the one before it
    for now, then in zip(messages, before.messages, strict=False):
        if _view(memory, now) != _view(memory, then):
            break
        count += 1
    return count


def _repeated(messages: Sequence[Any], keep: int) -> list[int]:
    """Which of the first ``keep`` messages are told again."""
    found: list[int] = []
    while len(found) < keep and _role(messages[len(found)]) in ("system", "developer"):
        found.append(len(found))
    for user in range(len(messages) - 1, len(found) - 1, -1):
        if _role(messages[user]) == "user":
            return [*found, user] if user < keep else found
    return found


def _starts_with_view(messages: Sequence[Any]) -> bool:
    return bool(messages) and isinstance(messages[0], dict)


def _role(message: Any) -> Any:
    if isinstance(message, dict):
        return message.get("role")
    kind = message.type
    if kind == "human":
        return "user"
    # Those of LangChain without fields of the application's have none, and the question is dear where there is none.
    return kind if type(message) in _WITHOUT_ROLE and not message.model_extra else getattr(message, "role", kind)


_WITHOUT_ROLE = (AIMessage, ToolMessage, SystemMessage)


def _view(memory: Memory, message: Any) -> dict[str, Any]:
    if isinstance(message, BaseMessage):
        return memory.view(message)
    return memory.capture.without(message) if isinstance(message, dict) else {"role": "user", "content": message}
