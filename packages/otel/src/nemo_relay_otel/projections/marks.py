# SPDX-License-Identifier: Apache-2.0
"""Marks in traces: moments of their span, or spans of no length."""

from __future__ import annotations

from nemo_relay_otel.lineage import Event, Marked, Place
from nemo_relay_otel.projections import openinference
from nemo_relay_otel.projections.common import finish, put_session
from nemo_relay_otel.projections.promotion import Report, promoted
from nemo_relay_otel.projections.settings import Settings
from nemo_relay_otel.records import Attributes, Span, SpanKind
from nemo_relay_otel.values import mapping, put, put_top_level

METRICS_SCHEMA = "nemo.relay.metric_measurements"


def is_metric(event: Event) -> bool:
    """Whether the mark carries measurements and is no moment of a trace."""
    schema = event.get("data_schema")
    return schema is not None and mapping(schema).get("name") == METRICS_SCHEMA


def attributes_of(event: Event, settings: Settings, report: Report) -> Attributes:
    """What a mark says."""
    metadata = event.get("metadata")
    prefixes = settings.promote_metadata_prefixes
    taken = promoted(mapping(metadata), prefixes, report) if prefixes else {}
    attributes: Attributes = {
        "nemo_relay.mark.uuid": event["uuid"],
        "nemo_relay.mark.parent_uuid": event.get("parent_uuid") or "",
    }
    put_top_level(attributes, "nemo_relay.mark.data", event.get("data"))
    put_top_level(attributes, "nemo_relay.mark.metadata", metadata, frozenset(taken))
    put(attributes, "nemo_relay.mark.category", event.get("category"))
    put_top_level(attributes, "nemo_relay.mark.category_profile", event.get("category_profile"))
    if event.get("name") == "session.start":
        put_session(attributes, event)
    finish(attributes, settings, None)
    for key, value in taken.items():
        attributes.setdefault(key, value)
    return attributes


def is_moment(item: Marked, settings: Settings) -> bool:
    """Whether the mark is an event of its span, which is open, rather than a span."""
    return item.owner is not None and not _is_tool(item.event, settings)


def project(item: Marked, place: Place, settings: Settings, report: Report) -> Span:
    """The mark as a span of no length."""
    event = item.event
    attributes = attributes_of(event, settings, report)
    if _is_tool(event, settings):
        attributes["nemo_relay.mark.projection"] = "tool"
        if settings.type == "full":
            attributes["nemo_relay.scope_type"] = "tool"
        else:
            openinference.put_tool_mark(attributes, event)
    elif settings.type == "openinference":
        attributes[openinference.KIND] = openinference.CHAIN
    if item.owner is None:
        attributes["nemo_relay.mark.orphan"] = True
    return _span(item, place, attributes)


def _is_tool(event: Event, settings: Settings) -> bool:
    return settings.mark_projection == "tool" and not _excluded(event, settings)


def _excluded(event: Event, settings: Settings) -> bool:
    names = settings.mark_exclude_names
    return event.get("name") in names or mapping(event.get("metadata")).get("hook_event_name") in names


def _span(item: Marked, place: Place, attributes: Attributes) -> Span:
    parent = item.parent
    return Span(
        place.trace_id,
        place.span_id,
        "" if parent is None else parent.span_id,
        f"mark:{item.event.get('name', '')}",
        SpanKind.INTERNAL,
        item.time,
        item.time,
        attributes,
        trace_state=place.trace_state,
        resource=place.resource,
    )
