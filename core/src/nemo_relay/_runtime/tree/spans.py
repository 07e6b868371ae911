# SPDX-License-Identifier: Apache-2.0
"""Spans: the nodes of the work tree. A handle that the user holds *is* the node.

A node never changes its place: it points to its parent, and the current position of a context is one node in a
``ContextVar``. So sibling tasks, threads with a copied context and executors each have their own position, and a
scope can be closed wherever and in whatever order its owner likes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from nemo_relay._runtime import clock, ids
from nemo_relay._runtime.enums import LLMAttributes, ScopeAttributes, ScopeType, ToolAttributes

if TYPE_CHECKING:
    from nemo_relay._runtime.registry.registry import LocalRegistrations


class Span:
    """What scopes, tool calls and LLM calls have in common. Made by the runtime only."""

    __slots__ = (
        "_added",
        "_before",
        "_bits",
        "_data",
        "_lineage",
        "_local",
        "_metadata",
        "_metadata_json",
        "_name",
        "_open",
        "_parent",
        "_place",
        "_session",
        "_stack",
        "_started",
        "_uuid",
        "_via",  # where it was opened, if not at its parent; see ``registry.remember_place``
    )
    _via: Span
    _category = "unknown"
    # The flags of an event as JSON text, by the bits that are set.
    _flags: ClassVar[tuple[str, ...]] = (
        "[]",
        '["parallel"]',
        '["relocatable"]',
        '["parallel","relocatable"]',
    )

    def __init__(self, name: str, parent: Span | None, stack: ScopeStack, bits: int, data: Any, metadata: Any) -> None:
        self._name = name
        self._parent = parent
        self._stack = stack
        self._bits = bits
        self._data = data
        self._metadata = metadata
        self._metadata_json: bytes | None = None  # the snapshot of the start event, if one was published
        self._uuid: str | None = None
        self._place: str | None = None  # what its own two events say about where they belong, as JSON text
        self._lineage: str | None = None  # what the events directly below it say
        self._session: str | None = None if parent is None else parent._session
        self._open = True
        self._added: dict[str, Any] | None = None  # what was annotated meanwhile, for the end event
        self._before: Span | None = None  # where the context stood that entered it
        self._started = 0
        self._local: LocalRegistrations | None = None

    @property
    def uuid(self) -> str:
        """The identifier its start and end event share."""
        # Nobody has to pay for an identifier that nobody reads: a call without observers never makes one.
        return self._uuid or self._identify(clock.source())

    def _identify(self, now: int) -> str:
        self._uuid = made = ids.source(now)
        return made

    @property
    def name(self) -> str:
        """The name given when it was opened."""
        return self._name

    @property
    def parent_uuid(self) -> str | None:
        """The identifier of its parent; None for a root."""
        return None if self._parent is None else self._parent.uuid

    @property
    def parent(self) -> Span | None:
        """The span it belongs to; None for a root."""
        return self._parent

    @property
    def data(self) -> Any:
        """The handle data given when it was opened, by identity."""
        return self._data

    @property
    def metadata(self) -> Any:
        """The metadata given when it was opened, by identity."""
        return self._metadata

    def __repr__(self) -> str:
        return f"{type(self).__name__}(name={self._name!r}, uuid={self.uuid!r})"


class ScopeHandle(Span):
    """An open (or closed) scope."""

    __slots__ = ("_category", "_fresh", "scope_type")

    def __init__(
        self,
        name: str,
        scope_type: ScopeType,
        parent: Span | None,
        stack: ScopeStack,
        bits: int = 0,
        data: Any = None,
        metadata: Any = None,
    ) -> None:
        super().__init__(name, parent, stack, bits, data, metadata)
        self.scope_type = scope_type
        self._category = CATEGORIES[scope_type]
        self._fresh = True  # an agent's first LLM call records its whole history
        if scope_type == 0 and self._session is None and parent is not None:
            self._session = self.uuid

    @property
    def attributes(self) -> ScopeAttributes:
        """The flags given when it was opened."""
        return ScopeAttributes(self._bits)


class ToolHandle(Span):
    """A tool call between its start and its end."""

    __slots__ = ("_tool_call_id",)
    _category = "tool"
    _flags = ("[]", '["remote"]')

    def __init__(self, name: str, parent: Span, bits: int, data: Any, metadata: Any, tool_call_id: str | None) -> None:
        Span.__init__(self, name, parent, parent._stack, bits, data, metadata)  # ``super()`` makes an object each time
        self._tool_call_id = tool_call_id

    @property
    def attributes(self) -> ToolAttributes:
        """The flags given when it was opened."""
        return ToolAttributes(self._bits)


class LLMHandle(Span):
    """An LLM call between its start and its end."""

    __slots__ = ("_codec", "_contributions", "_model_name", "_response_codec")
    _category = "llm"
    _flags = ("[]", '["stateful"]', '["streaming"]', '["stateful","streaming"]')

    def __init__(
        self,
        name: str,
        parent: Span,
        bits: int,
        data: Any,
        metadata: Any,
        model_name: str | None,
        codec: Any = None,
        response_codec: Any = None,
    ) -> None:
        Span.__init__(self, name, parent, parent._stack, bits, data, metadata)
        self._model_name = model_name
        self._codec = codec
        self._response_codec = response_codec
        self._contributions: Any = None

    @property
    def attributes(self) -> LLMAttributes:
        """The flags given when it was opened."""
        return LLMAttributes(self._bits)


class ScopeStack:
    """A lineage of scopes: its root, and the place that whoever carries the stack by hand has reached.

    ``explicit`` stacks (``create_scope_stack``) follow strict last-in first-out order; the implicit stack of a context
    does not. A stack imported from another process knows the remote trace.
    """

    __slots__ = ("explicit", "imported", "root", "rootless", "top", "traceparent", "tracestate")

    def __init__(self, *, explicit: bool = False) -> None:
        self.root: Span = ScopeHandle("root", ScopeType.Agent, None, self)
        self.top: Span = self.root
        self.explicit = explicit
        self.imported: Span | None = None  # the span of another process that it continues
        self.rootless = False  # imported without a root: events then name no session
        self.traceparent: str | None = None
        self.tracestate: str | None = None

    def __repr__(self) -> str:
        return "<ScopeStack>"


CATEGORIES = {kind: kind.name.lower() for kind in ScopeType}


def is_within(span: Span | None, ancestor: Span) -> bool:
    """Whether ``ancestor`` is ``span`` or one of the spans it stands in."""
    while span is not None:
        if span is ancestor:
            return True
        span = span._parent
    return False
