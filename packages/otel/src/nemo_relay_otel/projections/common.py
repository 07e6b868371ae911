# SPDX-License-Identifier: Apache-2.0
"""What the projections have in common: a span's status, session, cost, mappings and promoted metadata."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from nemo_relay_otel.lineage import Ended, Event
from nemo_relay_otel.projections.promotion import Report, promoted
from nemo_relay_otel.projections.settings import Settings
from nemo_relay_otel.records import Attribute, Attributes, Span, SpanEvent, SpanKind, Status
from nemo_relay_otel.values import mapping, put_text

CLIENTS = frozenset(("llm", "tool", "retriever", "embedder", "reranker"))
INCOMPLETE = "nemo_relay.incomplete"  # on a span whose end was never seen


def kind_of(category: object) -> SpanKind:
    """CLIENT for calls to something else, INTERNAL for the rest."""
    return SpanKind.CLIENT if category in CLIENTS else SpanKind.INTERNAL


def span_of(item: Ended, name: str, kind: SpanKind, attributes: Attributes) -> Span:
    """The span with its place, times and status, and what its start says."""
    opened, end = item.span, item.end
    place = opened.place
    span = Span(
        place.trace_id,
        place.span_id,
        opened.parent_span_id,
        name,
        kind,
        opened.time,
        item.end_ns,
        attributes,
        trace_state=place.trace_state,
        flags=opened.flags,
        links=opened.links,
        resource=place.resource,
    )
    if end is None:
        attributes[INCOMPLETE] = True
        return span
    code = mapping(end.get("metadata")).get("otel.status_code")
    if code == "OK":
        span.status = Status.OK
    elif isinstance(code, str) and code.upper() == "ERROR":
        span.status = Status.ERROR
        span.status_message = str(mapping(end.get("metadata")).get("otel.status_description") or "")
        span.events.extend(_exception(item, span.status_message))
    return span


def _exception(item: Ended, message: str) -> list[SpanEvent]:
    kind = item.span.exception_type
    if kind is None:
        return []
    attributes: Attributes = {"exception.type": kind}
    own = mapping((item.end or {}).get("metadata")).get("exception.type")
    if message and own == kind:
        attributes["exception.message"] = message.removeprefix("internal error: ").removeprefix(f"{kind}: ")
    return [SpanEvent("exception", item.end_ns, attributes)]


def error_type(item: Ended, span: Span) -> str | None:
    """What kind of error it was, if it failed: its own word, else that of the first descendant that failed."""
    return (item.span.error_type or "_OTHER") if span.status is Status.ERROR else None


def put_session(attributes: Attributes, event: Event) -> None:
    """Who acted, for a span without a parent."""
    metadata = event.get("metadata")
    if metadata and isinstance(metadata, dict):
        put_text(attributes, "session.id", metadata.get("session_id"))
        put_text(attributes, "user.id", metadata.get("user_id"))
        put_text(attributes, "nemo_relay.agent.kind", metadata.get("agent_kind"))
    put_text(attributes, "nemo_relay.session.instance_id", event.get("propagation_root_uuid"))


def put_optimization(attributes: Attributes, response: Mapping[str, Any]) -> None:
    """What optimisations of the request saved, where the runtime says."""
    for key, value in mapping(response.get("optimization_summary")).items():
        if isinstance(value, (str, bool, int, float)):
            attributes[f"nemo_relay.llm.optimization.{key}"] = value


_NONE: frozenset[str] = frozenset()


class Metadata:
    """The metadata of both ends: what is promoted of it, and what is left."""

    __slots__ = ("promoted", "taken")

    def __init__(self, start: Event, end: Event | None, settings: Settings, report: Report) -> None:
        prefixes = settings.promote_metadata_prefixes
        self.promoted: dict[str, Attribute] = {}
        self.taken = _NONE
        if not prefixes:
            return
        self.promoted = promoted(mapping(start.get("metadata")), prefixes, report)
        if end is not None:
            self.promoted |= promoted(mapping(end.get("metadata")), prefixes, report)
        self.taken = frozenset(self.promoted)

    def left(self, event: Event) -> Any:
        """The metadata of the event without what is promoted."""
        metadata = event.get("metadata")
        if not self.taken or not isinstance(metadata, dict):
            return metadata
        return {key: value for key, value in metadata.items() if key not in self.taken}


def finish(attributes: Attributes, settings: Settings, metadata: Metadata | None) -> None:
    """Lay the aliases and the promoted metadata under what is there already."""
    if not settings.attribute_mappings and (metadata is None or not metadata.taken):
        return
    for key, alias in settings.attribute_mappings:
        if key in attributes and alias not in attributes:
            attributes[alias] = attributes[key]
    if metadata is not None:
        for key, value in metadata.promoted.items():
            attributes.setdefault(key, value)
