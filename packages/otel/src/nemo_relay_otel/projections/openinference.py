# SPDX-License-Identifier: Apache-2.0
"""``openinference``: the conventions that Phoenix and others read."""

from __future__ import annotations

from typing import Any

from openinference.semconv.trace import (
    OpenInferenceSpanKindValues,
    SpanAttributes,
    ToolCallAttributes,
)

from nemo_relay_otel.lineage import Ended, Event
from nemo_relay_otel.projections import openinference_messages as shape
from nemo_relay_otel.projections import texts
from nemo_relay_otel.projections.common import (
    Metadata,
    error_type,
    finish,
    kind_of,
    put_optimization,
    put_session,
    span_of,
)
from nemo_relay_otel.projections.full import put_payload
from nemo_relay_otel.projections.messages import Call, call_of, cost_of, finish_reason, model_of, usage_of
from nemo_relay_otel.projections.promotion import Report
from nemo_relay_otel.projections.settings import Settings
from nemo_relay_otel.records import Attributes, Span
from nemo_relay_otel.values import compact, mapping, put, put_count, put_text, put_top_level

KINDS = {
    "agent": OpenInferenceSpanKindValues.AGENT.value,
    "tool": OpenInferenceSpanKindValues.TOOL.value,
    "llm": OpenInferenceSpanKindValues.LLM.value,
    "retriever": OpenInferenceSpanKindValues.RETRIEVER.value,
    "embedder": OpenInferenceSpanKindValues.EMBEDDING.value,
    "reranker": OpenInferenceSpanKindValues.RERANKER.value,
    "guardrail": OpenInferenceSpanKindValues.GUARDRAIL.value,
    "evaluator": OpenInferenceSpanKindValues.EVALUATOR.value,
}
KIND = SpanAttributes.OPENINFERENCE_SPAN_KIND
CHAIN = OpenInferenceSpanKindValues.CHAIN.value
_TEXT, _JSON = "text/plain", "application/json"


def project(item: Ended, settings: Settings, report: Report) -> Span:
    """The span of a start and an end."""
    start, end = item.span.start, item.end
    category = str(start.get("category") or "unknown")
    metadata = Metadata(start, end, settings, report)
    attributes = _start(item, category, metadata)
    call = call_of(start, end) if category == "llm" else None
    if call is not None:
        shape.put_request(attributes, call.request, mapping(start.get("data")))
    if not item.span.parent_span_id:
        put_session(attributes, start)
    if end is not None:
        _put_end(attributes, end, category, metadata)
        if call is not None:
            _put_answer(attributes, call, end)
    if call is not None:
        _put_models(attributes, start, end, call)
    if category == "retriever" and end is not None:
        shape.put_documents(attributes, end.get("data"))
    if category == "embedder":
        shape.put_embeddings(attributes, start.get("data"))
    span = span_of(item, str(start.get("name", "")), kind_of(category), attributes)
    put_text(attributes, "error.type", error_type(item, span))
    finish(attributes, settings, metadata)
    return span


def _start(item: Ended, category: str, metadata: Metadata) -> Attributes:
    start = item.span.start
    data, profile = start.get("data"), mapping(start.get("category_profile"))
    attributes: Attributes = {
        KIND: KINDS.get(category, CHAIN),
        "nemo_relay.uuid": start["uuid"],
        "nemo_relay.parent_uuid": start.get("parent_uuid") or "",
        "nemo_relay.scope_type": category,
    }
    put(attributes, ToolCallAttributes.TOOL_CALL_ID, profile.get("tool_call_id"))
    if category != "llm":
        _put_metadata(attributes, metadata.left(start))
        attributes["nemo_relay.handle_attributes"] = compact(start.get("attributes") or [])
        put_payload(attributes, "nemo_relay.start", data, None, "input")
    if category == "agent":
        put_text(attributes, SpanAttributes.AGENT_NAME, start.get("name"))
    if category == "tool":
        put_text(attributes, SpanAttributes.TOOL_NAME, start.get("name"))
        put_text(attributes, ToolCallAttributes.TOOL_CALL_FUNCTION_NAME, start.get("name"))
    _put_input(attributes, data, category)
    return attributes


def _put_metadata(attributes: Attributes, metadata: Any) -> None:
    if metadata is not None:
        attributes[SpanAttributes.METADATA] = compact(metadata)
        put_top_level(attributes, "openinference.metadata", metadata)


def _put_input(attributes: Attributes, data: Any, category: str) -> None:
    if data is None:
        return
    shown = texts.of_request(data) if category == "llm" else None
    if category == "llm" and shown is None and isinstance(data, dict):
        data = {key: value for key, value in data.items() if key != "headers"}
    attributes[SpanAttributes.INPUT_VALUE] = value = compact(data) if shown is None else shown
    attributes[SpanAttributes.INPUT_MIME_TYPE] = _JSON if shown is None else _TEXT
    if category == "tool":
        attributes[SpanAttributes.TOOL_PARAMETERS] = value
        attributes[ToolCallAttributes.TOOL_CALL_FUNCTION_ARGUMENTS_JSON] = value


def _put_end(attributes: Attributes, end: Event, category: str, metadata: Metadata) -> None:
    data = end.get("data")
    put_top_level(attributes, "nemo_relay.end.data", data)
    _put_metadata(attributes, metadata.left(end))
    put_top_level(attributes, "nemo_relay.end.output", data)
    annotation = mapping(end.get("category_profile")).get("tool_result_annotation")
    if annotation is not None:
        attributes["nemo_relay.tool.result.annotation"] = compact(annotation)
    if data is None:
        return
    shown = texts.display(data)
    attributes[SpanAttributes.OUTPUT_VALUE] = compact(data) if shown is None else shown
    attributes[SpanAttributes.OUTPUT_MIME_TYPE] = _JSON if shown is None else _TEXT


def _put_answer(attributes: Attributes, call: Call, end: Event) -> None:
    response, usage = call.response, usage_of(call, end)
    if usage is not None:
        put_count(attributes, SpanAttributes.LLM_TOKEN_COUNT_PROMPT, usage.input)
        put_count(attributes, SpanAttributes.LLM_TOKEN_COUNT_COMPLETION, usage.output)
        put_count(attributes, SpanAttributes.LLM_TOKEN_COUNT_TOTAL, usage.total)
        put_count(attributes, SpanAttributes.LLM_TOKEN_COUNT_PROMPT_DETAILS_CACHE_READ, usage.cache_read)
        put_count(attributes, SpanAttributes.LLM_TOKEN_COUNT_PROMPT_DETAILS_CACHE_WRITE, usage.cache_write)
        put_count(attributes, SpanAttributes.LLM_TOKEN_COUNT_COMPLETION_DETAILS_REASONING, usage.reasoning)
    cost = cost_of(end, response)
    if cost is not None and cost.currency == "USD":
        attributes[SpanAttributes.LLM_COST_TOTAL] = cost.total
    put_text(attributes, "llm.finish_reason", finish_reason(response))
    shape.put_output(attributes, response)
    put_optimization(attributes, response)


def _put_models(attributes: Attributes, start: Event, end: Event | None, call: Call) -> None:
    put_text(attributes, SpanAttributes.LLM_MODEL_NAME, model_of(start, end, call))
    put_text(attributes, "llm.request.model_name", call.request.get("model"))
    put_text(attributes, "llm.response.model_name", call.response.get("model"))


def put_tool_mark(attributes: Attributes, event: Event) -> None:
    """What a mark that is shown as a tool says beside what every mark says."""
    name = str(event.get("name", ""))
    attributes[KIND] = KINDS["tool"]
    attributes[SpanAttributes.TOOL_NAME] = name
    attributes[ToolCallAttributes.TOOL_CALL_FUNCTION_NAME] = name
    if event.get("data") is not None:
        attributes[SpanAttributes.OUTPUT_VALUE] = compact(event["data"])
        attributes[SpanAttributes.OUTPUT_MIME_TYPE] = _JSON
    if event.get("metadata") is not None:
        attributes[SpanAttributes.METADATA] = compact(event["metadata"])
