# SPDX-License-Identifier: Apache-2.0
"""The start and the end of a span, and marks, as events."""

from __future__ import annotations

from typing import Any

from nemo_relay._runtime import clock, ids
from nemo_relay._runtime.emission.publish import Sanitize, publish
from nemo_relay._runtime.events.events import MarkEvent, ScopeEvent
from nemo_relay._runtime.events.lines import lineage
from nemo_relay._runtime.log import faults
from nemo_relay._runtime.registry import registry
from nemo_relay._runtime.registry.registration import Audience
from nemo_relay._runtime.tree.spans import Span, session_of
from nemo_relay_records.encoding import NULL, decode, encode, quote

OK: dict[str, Any] = {"otel.status_code": "OK"}
_OK_JSON = b'{"otel.status_code":"OK"}'
_MICROSECOND = 1_000
_EMPTY = len(b"{}")
_MOST = 4_096  # keys repeat; they may be data, and without number
_members: dict[str, bytes] = {}  # how a key begins a member of an object


def start(
    span: Span,
    audience: Audience,
    ns: int,
    data: bytes,
    profile: bytes = NULL,
    sanitize: Sanitize | None = None,
    shared: bytes = b"",
) -> None:
    """Publish the start event of ``span``; ``shared`` is a JSON text that stands in both the data and the profile."""
    span.started_ns = ns
    given = span.given_metadata
    metadata = span.start_metadata = NULL if given is None else encode(given)
    uuid = span.known_uuid
    if uuid is None:
        uuid = span.known_uuid = ids.source(ns)
    place = span.place or _place(span, ns)
    parts = ("start", span.category, span.flag_texts[span.bits], place, uuid, ns, profile, data, metadata, shared)
    publish(ScopeEvent, parts, audience, span, registry.start_sanitizers, sanitize)


def end(
    span: Span,
    audience: Audience,
    ns: int,
    data: bytes,
    metadata: Any,
    profile: bytes = NULL,
    sanitize: Sanitize | None = None,
) -> None:
    """Publish the end event of ``span``; ``metadata`` is laid over that of its start, annotations over both."""
    if span.annotations is not None:
        metadata = over(metadata, span.annotations)
    laid = _OK_JSON if metadata is OK and span.start_metadata is NULL else merged(span, metadata)
    uuid = span.known_uuid or span.identify(ns)
    place = span.place or _place(span, ns)
    parts = ("end", span.category, span.flag_texts[span.bits], place, uuid, ns, profile, data, laid, b"")
    publish(ScopeEvent, parts, audience, span, registry.end_sanitizers, sanitize)


def _place(span: Span, ns: int) -> str:
    parent = span.parent_span
    if parent is not None and span.session is parent.session:
        above = parent.lineage or _lineage(parent, ns)
    else:  # an agent that begins a session
        above = lineage(None if parent is None else parent.known_uuid or parent.identify(ns), session_of(span))
    place = span.place = f',"name":{quote(span.label)}{above}'
    return place


def _lineage(span: Span, ns: int) -> str:
    below = span.lineage = lineage(span.known_uuid or span.identify(ns), session_of(span))
    return below


def end_time(span: Span) -> int:
    """When a span ends: now, but at least a microsecond after its start."""
    return max(clock.source(), span.started_ns + _MICROSECOND)


def merged(span: Span, metadata: Any) -> bytes:
    """``metadata`` laid over what the span was started with. Where either is no object, the later one wins whole."""
    before = span.start_metadata
    if before is None:
        before = encode(span.given_metadata)
    later = _OK_JSON if metadata is OK else encode(metadata)
    if before == NULL:
        return later
    if metadata is None:
        return before
    if not isinstance(metadata, dict) or not before.startswith(b"{"):
        return later
    if not metadata or len(before) == _EMPTY:
        return before if not metadata else later
    for key in metadata:
        if _may_have(before, key):
            return encode({**decode(before), **metadata})
    return before[:-1] + b"," + later[1:]


def _may_have(text: bytes, key: Any) -> bool:
    """Whether the JSON object ``text`` may have the member ``key``."""
    if type(key) is not str:
        return True
    member = _members.get(key)
    if member is None:
        if len(_members) > _MOST:
            _members.clear()
        member = _members[key] = f"{quote(key)}:".encode()
    return text.find(member) >= 0


def over(metadata: Any, status: dict[str, Any]) -> Any:
    """``status`` laid over the caller's own end metadata."""
    if metadata is None:
        return status
    return {**metadata, **status} if isinstance(metadata, dict) else status


def mark(
    name: str,
    parent: Span,
    *,
    data: Any = None,
    metadata: Any = None,
    data_schema: Any = None,
    category: str | None = None,
    profile: Any = None,
    ns: int | None = None,
    audience: Audience | None = None,
) -> None:
    """Publish a mark at ``parent``, if anybody hears it. ``audience`` only when it was looked up already."""
    audience = audience or registry.audience(parent)
    if audience is None:
        return
    ns = clock.source() if ns is None else ns
    uuid = ids.source(ns)
    parts = (
        f',"name":{quote(name)}{parent.lineage or _lineage(parent, ns)}',
        uuid,
        ns,
        "null" if category is None else encode(category).decode(),
        NULL if profile is None else encode(profile),
        encode(data),
        NULL if data_schema is None else encode(data_schema),
        encode(metadata),
    )
    publish(MarkEvent, parts, audience, parent, registry.mark_sanitizers)


def ended_twice(span: Span) -> None:
    """Somebody ended a span that had ended: its first end stands."""
    faults.report("span_ended_twice", RuntimeError(f"{span!r} has ended already; this end is ignored"), span=span.name)
