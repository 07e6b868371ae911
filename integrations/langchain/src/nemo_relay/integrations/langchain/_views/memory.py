# SPDX-License-Identifier: Apache-2.0
"""What the events of one trace have shown already, so that none of it has to be shown, or looked at, again.

A trace is one run of the framework that nothing of the framework stands above, with all that runs inside it. Its
memory keeps each message alive that it has seen, so that the identity of an object says which message it is; it is gone
when the outermost run has ended.
"""

from __future__ import annotations

from collections.abc import Sequence
from operator import attrgetter, is_
from typing import Any

from langchain_core.messages import BaseMessage

from nemo_relay.integrations.langchain._views.capture import ALL, Capture
from nemo_relay.integrations.langchain._views.messages import message_view, unviewable

_content = attrgetter("content")
KEEP = 2  # below so many messages in common a reference says no less than what it stands for


class Known:
    """A message, and how observers see it."""

    __slots__ = ("content", "degraded", "id", "message", "name", "view")

    def __init__(self, message: BaseMessage, capture: Capture) -> None:
        self.message = message
        self.degraded = False
        self.id: str | None = None
        self.view: dict[str, Any]
        try:
            self.content, self.id, self.name = message.content, message.id, message.name
            view = message_view(message)
            self.view = view if capture is ALL else capture.without(view)
        except Exception:
            self.id, self.degraded, self.view = None, True, unviewable(message)


class Shown:
    """A list of messages that the start event of a span has recorded."""

    __slots__ = ("contents", "handle", "messages", "pointer")

    def __init__(self, messages: list[Any], contents: list[Any], pointer: str) -> None:
        self.messages = messages
        self.contents = contents
        self.pointer = pointer
        self.handle: Any = None  # the span, as soon as its event is out

    @property
    def reference(self) -> str:
        """Where a reader finds it: the span's uuid, and a JSON pointer into the ``data`` of its start event."""
        return f"{self.handle.uuid}#{self.pointer}"

    def common(self, messages: Sequence[Any]) -> int:
        """How many messages at its beginning are those at the beginning of ``messages``."""
        count = min(len(messages), len(self.messages))
        # The usual case without a loop in Python: nothing but additions.
        try:
            if all(map(is_, messages, self.messages)) and all(map(is_, map(_content, messages[:count]), self.contents)):
                return count
        except AttributeError:  # something in the list is no message
            pass
        pairs = zip(messages, self.messages, self.contents, strict=False)
        return next(
            (i for i, (now, then, earlier) in enumerate(pairs) if now is not then or _content_of(now) is not earlier),
            count,
        )

    def followed_by(self, messages: Sequence[Any], keep: int, pointer: str) -> Shown:
        """The list ``messages``, which begins with ``keep`` messages of this one."""
        added = [_content_of(message) for message in messages[keep:]]
        return Shown(list(messages), [*self.contents[:keep], *added], pointer)


def _content_of(message: Any) -> Any:
    return getattr(message, "content", message)


NOTHING = Shown([], [], "")


class Memory:
    """What one trace has shown.

    Args:
        capture: which payloads are recorded.
        economical: refer to what has been shown; False shows everything each time.
        limit: the most bytes that one payload may take; None for no limit.
    """

    __slots__ = (
        *("_others", "capture", "channels", "conversations", "degraded"),
        *("economical", "known", "limit", "recorded"),
    )

    def __init__(self, capture: Capture = ALL, *, economical: bool = True, limit: int | None = None) -> None:
        self.capture = ALL if capture.everything else capture
        self.economical = economical
        self.limit = limit
        self.degraded = False  # it has met a message that refuses to be looked at
        self.known: dict[int, Known] = {}
        self.recorded: dict[str, dict[str, Any]] = {}  # by message id: the view that the states have shown
        self.conversations: dict[int, Shown] = {}  # by agent: its last model request
        self.channels: dict[tuple[int, str], Any] = {}  # by graph and key of its state: the last value
        self._others: dict[tuple[Capture, bool, int | None], Memory] = {}

    def under(self, capture: Capture, *, economical: bool, limit: int | None) -> Memory:
        """The memory of the same trace for whoever records it by other rules; this one where they are the same."""
        key = (ALL if capture.everything else capture, economical, limit)
        if key == (self.capture, self.economical, self.limit):
            return self
        return self._others.setdefault(key, Memory(capture, economical=economical, limit=limit))

    def of(self, message: BaseMessage) -> Known:
        """``message`` as observers see it, converted once."""
        known = self.known.get(id(message))
        # The framework names and numbers messages late.
        if known is None or not (
            known.degraded
            or (message.content is known.content and message.id == known.id and message.name == known.name)
        ):
            known = self.known[id(message)] = Known(message, self.capture)
            self.degraded = self.degraded or known.degraded
        return known

    def views(self, messages: Sequence[BaseMessage]) -> list[dict[str, Any]]:
        """The whole view of each message."""
        of = self.of
        return [of(message).view for message in messages]

    def view(self, message: BaseMessage) -> dict[str, Any]:
        """The whole view of ``message``. It is shared: whoever wants to change it makes a copy."""
        return self.of(message).view
