# SPDX-License-Identifier: Apache-2.0
"""``full``: everything that the events say, under names of our own."""

from __future__ import annotations

from nemo_relay_otel.lineage import Ended
from nemo_relay_otel.projections.common import (
    Metadata,
    error_type,
    finish,
    kind_of,
    put_optimization,
    put_session,
    span_of,
)
from nemo_relay_otel.projections.messages import call_of, cost_of, model_of
from nemo_relay_otel.projections.promotion import Report
from nemo_relay_otel.projections.settings import Settings
from nemo_relay_otel.records import Attributes, Span
from nemo_relay_otel.values import compact, mapping, put, put_text, put_top_level


def project(item: Ended, settings: Settings, report: Report) -> Span:
    """The span of a start and an end."""
    start, end = item.span.start, item.end
    category = start.get("category")
    metadata = Metadata(start, end, settings, report)
    attributes = _start(item, metadata)
    if end is not None:
        put_payload(attributes, "nemo_relay.end", end.get("data"), metadata.left(end))
        annotation = mapping(end.get("category_profile")).get("tool_result_annotation")
        if annotation is not None:
            attributes["nemo_relay.tool.result.annotation"] = compact(annotation)
    span = span_of(item, str(start.get("name", "")), kind_of(category), attributes)
    if category == "llm":
        _put_llm(attributes, item)
    put_text(attributes, "error.type", error_type(item, span))
    finish(attributes, settings, metadata)
    return span


def _start(item: Ended, metadata: Metadata) -> Attributes:
    start = item.span.start
    attributes: Attributes = {
        "nemo_relay.uuid": start["uuid"],
        "nemo_relay.parent_uuid": start.get("parent_uuid") or "",
        "nemo_relay.scope_type": start.get("category") or "unknown",
    }
    put(attributes, "nemo_relay.tool_call_id", mapping(start.get("category_profile")).get("tool_call_id"))
    attributes["nemo_relay.handle_attributes"] = compact(listed) if (listed := start.get("attributes")) else "[]"
    put_payload(attributes, "nemo_relay.start", start.get("data"), metadata.left(start), "input")
    if not item.span.parent_span_id:
        put_session(attributes, start)
    return attributes


def put_payload(attributes: Attributes, prefix: str, data: object, metadata: object, again: str = "output") -> None:
    """The payload under both of its names, and the metadata."""
    payload: Attributes = {}
    if data is not None:
        put_top_level(payload, "data", data)
        for key, value in payload.items():
            attributes[f"{prefix}.{key}"] = value
    put_top_level(attributes, f"{prefix}.metadata", metadata)
    for key, value in payload.items():
        attributes[f"{prefix}.{again}{key[4:]}"] = value


def _put_llm(attributes: Attributes, item: Ended) -> None:
    start, end = item.span.start, item.end
    call = call_of(start, end)
    if end is not None:
        cost = cost_of(end, call.response)
        if cost is not None:
            attributes["nemo_relay.llm.cost.total"] = cost.total
            attributes["nemo_relay.llm.cost.currency"] = cost.currency
        put_optimization(attributes, call.response)
    put_text(attributes, "nemo_relay.model_name", model_of(start, end, call))
