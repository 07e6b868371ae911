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
    """What scopes, tool calls and LLM calls have in common. Made by the runtime only.

    What users read are the properties, which nobody can set. The slots are for the rooms above: reading one costs a
    fraction of a property.
    """

    __slots__ = (
        "_before",  # where the context stood that entered it
        "annotations",  # what was annotated meanwhile, for the end event
        "below",  # what it was pushed onto, on an explicit stack; None for a detached scope
        "bits",
        "given_metadata",
        "handle_data",
        "is_open",
        "known_uuid",  # its identifier, once somebody has asked for it
        "label",  # its name
        "lineage",  # what the events directly below it say about where they belong, as JSON text
        "local",  # the registrations it owns
        "owners_seen",  # which scopes own what applies to it; see ``registry.owners``
        "parent_span",
        "place",  # what its own two events say about where they belong, as JSON text
        "session",
        "stack",
        "start_metadata",  # the metadata of the start event as it was published
        "started_ns",
        "via",  # where it was opened, if not at its parent; see ``registry.remember_place``
    )
    category = "unknown"
    # The flags of an event as JSON text, by the bits that are set.
    flag_texts: ClassVar[tuple[str, ...]] = (
        "[]",
        '["parallel"]',
        '["relocatable"]',
        '["parallel","relocatable"]',
    )

    def __init__(self, name: str, parent: Span | None, stack: ScopeStack, bits: int, data: Any, metadata: Any) -> None:
        self.label = name
        self.parent_span = parent
        self.stack = stack
        self.bits = bits
        self.handle_data = data
        self.given_metadata = metadata
        self.start_metadata: bytes | None = None
        self.known_uuid: str | None = None
        self.place: str | None = None
        self.lineage: str | None = None
        self.session: str | None = None if parent is None else parent.session
        self.is_open = True
        self.annotations: dict[str, Any] | None = None
        self._before: Span | None = None
        self.below: Span | None = None
        self.started_ns = 0
        self.local: LocalRegistrations | None = None
        self.owners_seen: tuple[int, tuple[Span, ...]] | None = None
        self.via: Span | None = None

    @property
    def uuid(self) -> str:
        """The identifier its start and end event share."""
        # Nobody has to pay for an identifier that nobody reads: a call without observers never makes one.
        return self.known_uuid or self.identify(clock.source())

    def identify(self, now: int) -> str:
        """Give it its identifier, made for the moment ``now`` in nanoseconds."""
        self.known_uuid = made = ids.source(now)
        return made

    @property
    def name(self) -> str:
        """The name given when it was opened."""
        return self.label

    @property
    def parent(self) -> Span | None:
        """The span it belongs to; None for a root."""
        return self.parent_span

    @property
    def data(self) -> Any:
        """The handle data given when it was opened, by identity."""
        return self.handle_data

    @property
    def metadata(self) -> Any:
        """The metadata given when it was opened, by identity."""
        return self.given_metadata

    @property
    def parent_uuid(self) -> str | None:
        """The identifier of its parent; None for a root."""
        return None if self.parent_span is None else self.parent_span.uuid

    def __repr__(self) -> str:
        return f"{type(self).__name__}(name={self.label!r}, uuid={self.uuid!r})"


class ScopeHandle(Span):
    """An open (or closed) scope."""

    __slots__ = ("category", "fresh", "scope_type")

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
        Span.__init__(self, name, parent, stack, bits, data, metadata)  # ``super()`` makes an object each time
        self.scope_type = scope_type
        self.category = _BY_NUMBER[scope_type]
        self.fresh = True  # an agent's first LLM call records its whole history
        if scope_type == 0 and self.session is None and parent is not None:
            self.session = self.uuid

    @property
    def attributes(self) -> ScopeAttributes:
        """The flags given when it was opened."""
        return ScopeAttributes(self.bits)


class ToolHandle(Span):
    """A tool call between its start and its end."""

    __slots__ = ("tool_call_id",)
    category = "tool"
    flag_texts = ("[]", '["remote"]')

    def __init__(self, name: str, parent: Span, bits: int, data: Any, metadata: Any, tool_call_id: str | None) -> None:
        Span.__init__(self, name, parent, parent.stack, bits, data, metadata)
        self.tool_call_id = tool_call_id

    @property
    def attributes(self) -> ToolAttributes:
        """The flags given when it was opened."""
        return ToolAttributes(self.bits)


class LLMHandle(Span):
    """An LLM call between its start and its end."""

    __slots__ = ("codec", "contributions", "model_name", "response_codec")
    category = "llm"
    flag_texts = ("[]", '["stateful"]', '["streaming"]', '["stateful","streaming"]')

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
        Span.__init__(self, name, parent, parent.stack, bits, data, metadata)
        self.model_name = model_name
        self.codec = codec
        self.response_codec = response_codec
        self.contributions: Any = None

    @property
    def attributes(self) -> LLMAttributes:
        """The flags given when it was opened."""
        return LLMAttributes(self.bits)


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
_BY_NUMBER = tuple(CATEGORIES.values())  # a member of an enumeration is dear as a key


def is_within(span: Span | None, ancestor: Span) -> bool:
    """Whether ``ancestor`` is ``span`` or one of the spans it stands in."""
    while span is not None:
        if span is ancestor:
            return True
        span = span.parent_span
    return False


def session_of(span: Span) -> str | None:
    """The session an event at ``span`` belongs to: its outermost agent, else the root of its stack."""
    if span.session is not None:
        return span.session
    stack = span.stack
    return None if stack.rootless else stack.root.uuid
