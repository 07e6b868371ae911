# SPDX-License-Identifier: Apache-2.0
"""``gen_ai``: the GenAI semantic conventions of OpenTelemetry."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from nemo_relay_otel.lineage import Ended, Event
from nemo_relay_otel.projections import gen_ai_messages as shape
from nemo_relay_otel.projections.common import Metadata, error_type, span_of
from nemo_relay_otel.projections.conventions import VERSIONS, Conventions, operation_of, provider_of
from nemo_relay_otel.projections.messages import Call, api_of, call_of, finish_reason, usage_of
from nemo_relay_otel.projections.promotion import Report
from nemo_relay_otel.projections.settings import Settings
from nemo_relay_otel.records import Attributes, Span, SpanKind
from nemo_relay_otel.values import compact, count, first_text, mapping, put_count, put_text

CONVERSATION = ("gen_ai.conversation.id", "conversation_id", "session_id", "thread_id")
_PROFILE = frozenset("annotated_request annotated_response model_name tool_call_id subtype".split())


def project(item: Ended, settings: Settings, report: Report) -> Span:
    """The span of a start and an end."""
    start, end = item.span.start, item.end
    category = str(start.get("category"))
    make = _MAKERS.get(category)
    conventions = VERSIONS[settings.genai_version]
    attributes: Attributes = {}
    if make is None:
        name, kind = str(start.get("name", "")), SpanKind.INTERNAL
    else:
        name, kind = make(attributes, item, conventions)
    span = span_of(item, name, kind, attributes)
    if make is not None:
        put_text(attributes, "error.type", error_type(item, span))
    prefixed = Metadata(start, end, settings, report) if settings.promote_metadata_prefixes else None
    for key, value in (prefixed.promoted if prefixed else {}).items():
        attributes.setdefault(key, value)
    return span


def _sources(event: Event) -> Iterator[Mapping[str, Any]]:
    profile = mapping(event.get("category_profile"))
    for source in ({k: v for k, v in profile.items() if k not in _PROFILE}, event.get("metadata"), event.get("data")):
        if isinstance(source, Mapping) and source:
            yield source
            for inner in ("usage", "request", "response"):
                if isinstance(source.get(inner), Mapping):
                    yield source[inner]


def look_up(event: Event, *keys: str) -> Any:
    """The first scalar under one of ``keys``, wherever the event may have it."""
    for source in _sources(event):
        for key in keys:
            value = source.get(key)
            if isinstance(value, (str, int, float)) and value != "":
                return value
    return None


def _text(event: Event, *keys: str) -> str | None:
    value = look_up(event, *keys)
    if value is None:
        return None
    return value if isinstance(value, str) else compact(value)


def _count(event: Event, *keys: str) -> int | None:
    for source in _sources(event):
        for key in keys:
            if (found := count(source.get(key))) is not None:
                return found
    return None


def _put_conversation(attributes: Attributes, item: Ended) -> None:
    # The conversation of the outermost agent: a sub-agent's own would take the whole trace over in a back end.
    own = _text(item.span.start, *CONVERSATION)
    if own is not None:
        attributes["gen_ai.conversation.id"] = item.span.place.conversation or own


def _named(operation: str, qualifier: str | None) -> str:
    return f"{operation} {qualifier}" if qualifier else operation


def _agent(attributes: Attributes, item: Ended, conventions: Conventions) -> tuple[str, SpanKind]:
    start = item.span.start
    metadata = mapping(start.get("metadata"))
    name = first_text(metadata.get("gen_ai.agent.name"), start.get("name"))
    attributes["gen_ai.operation.name"] = "invoke_agent"
    _put_conversation(attributes, item)
    put_text(attributes, "gen_ai.agent.name", name)
    put_text(attributes, "gen_ai.agent.description", _text(start, "gen_ai.agent.description", "agent_description"))
    put_text(attributes, "gen_ai.request.model", _text(start, "gen_ai.request.model"))
    return _named("invoke_agent", name), SpanKind.INTERNAL


def _tool(attributes: Attributes, item: Ended, conventions: Conventions) -> tuple[str, SpanKind]:
    start, end = item.span.start, item.end
    metadata, profile = mapping(start.get("metadata")), mapping(start.get("category_profile"))
    name = first_text(metadata.get("gen_ai.tool.name"), start.get("name"))
    call_id = first_text(profile.get("tool_call_id"), metadata.get("gen_ai.tool.call.id"), metadata.get("tool_call_id"))
    described = (metadata.get(key) for key in ("gen_ai.tool.description", "tool_description", "description"))
    attributes["gen_ai.operation.name"] = "execute_tool"
    _put_conversation(attributes, item)
    put_text(attributes, "gen_ai.tool.name", name)
    put_text(attributes, "gen_ai.tool.type", first_text(metadata.get("gen_ai.tool.type"), metadata.get("tool_type")))
    put_text(attributes, "gen_ai.tool.call.id", call_id)
    put_text(attributes, "gen_ai.tool.description", first_text(*described))
    if start.get("data") is not None:
        attributes["gen_ai.tool.call.arguments"] = compact(start["data"])
    if end is not None and end.get("data") is not None:
        attributes["gen_ai.tool.call.result"] = compact(end["data"])
    return _named("execute_tool", name), SpanKind.INTERNAL


def _put_server(attributes: Attributes, start: Event, api: str) -> None:
    given = _text(start, "gen_ai.provider.name", "provider_name", "provider")
    put_text(attributes, "gen_ai.provider.name", given or provider_of(str(start.get("name", "")), api))
    put_text(attributes, "server.address", _text(start, "server.address", "server_address"))
    put_count(attributes, "server.port", _count(start, "server.port", "server_port"))


def _llm(attributes: Attributes, item: Ended, conventions: Conventions) -> tuple[str, SpanKind]:
    start, end = item.span.start, item.end
    call = call_of(start, end)
    operation = operation_of(str(start.get("name", "")))
    model = first_text(call.request.get("model"), mapping(start.get("category_profile")).get("model_name"))
    model = model or _text(start, "gen_ai.request.model", "model", "model_name")
    attributes["gen_ai.operation.name"] = operation
    _put_server(attributes, start, api_of(call))
    _put_conversation(attributes, item)
    put_text(attributes, "gen_ai.request.model", model)
    _put_parameters(attributes, call.request, start, conventions)
    put_text(attributes, "gen_ai.system_instructions", shape.system_instructions(call.request))
    put_text(attributes, "gen_ai.input.messages", shape.input_messages(call.request))
    put_text(attributes, "gen_ai.tool.definitions", shape.tool_definitions(call.request))
    if end is not None:
        _put_answer(attributes, call, end, conventions)
    return _named(operation, model), SpanKind.CLIENT


def _put_parameters(attributes: Attributes, request: Mapping[str, Any], start: Event, names: Conventions) -> None:
    params, specific = mapping(request.get("params")), mapping(request.get("api_specific"))
    content = mapping(mapping(start.get("data")).get("content"))
    for key in ("temperature", "top_p"):
        _put_number(attributes, f"gen_ai.request.{key}", params.get(key))
    limit = request.get("max_output_tokens", params.get("max_tokens"))
    put_count(attributes, "gen_ai.request.max_tokens", limit)
    stop = params.get("stop")
    if isinstance(stop, str):
        stop = [stop]
    if isinstance(stop, list) and stop and all(isinstance(word, str) for word in stop):
        attributes["gen_ai.request.stop_sequences"] = stop
    if request.get("stream") is True or content.get("stream") is True:
        attributes["gen_ai.request.stream"] = True
    for key in ("frequency_penalty", "presence_penalty", "top_k"):
        _put_number(attributes, f"gen_ai.request.{key}", specific.get(key, request.get(key)))
    put_count(attributes, "gen_ai.request.seed", specific.get("seed", request.get("seed")))
    choices = count(specific.get("n", request.get("n")))
    if choices is not None and choices != 1:
        attributes["gen_ai.request.choice.count"] = choices
    _put_newer(attributes, request, specific, names)


def _put_newer(
    attributes: Attributes, request: Mapping[str, Any], specific: Mapping[str, Any], names: Conventions
) -> None:
    effort = first_text(
        specific.get("reasoning_effort"),
        request.get("reasoning_effort"),
        mapping(request.get("reasoning")).get("effort"),
    )
    if names.reasoning_level:
        put_text(attributes, names.reasoning_level, effort)
    if names.previous_response:
        put_text(attributes, names.previous_response, request.get("previous_response_id"))
    formats = (
        specific.get("response_format", request.get("response_format")),
        mapping(specific.get("text", request.get("text"))).get("format"),
    )
    if any(mapping(each).get("type") in ("json_object", "json_schema") for each in formats):
        attributes["gen_ai.output.type"] = "json"


def _put_number(attributes: Attributes, key: str, value: object) -> None:
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        attributes[key] = value


def _put_answer(attributes: Attributes, call: Call, end: Event, names: Conventions) -> None:
    response = call.response
    waited = mapping(end.get("category_profile")).get("time_to_first_chunk")
    if isinstance(waited, (int, float)):
        attributes["gen_ai.response.time_to_first_chunk"] = float(waited)
    put_text(attributes, "gen_ai.response.id", response.get("id"))
    put_text(attributes, "gen_ai.response.model", response.get("model"))
    reason = finish_reason(response)
    if reason is not None:
        attributes["gen_ai.response.finish_reasons"] = [shape.FINISH.get(reason, reason)]
    put_text(attributes, "gen_ai.output.messages", shape.output_messages(response, names.finish_reason_in_messages))
    usage = usage_of(call, end)
    if usage is None:
        return
    put_count(attributes, "gen_ai.usage.input_tokens", usage.input)
    put_count(attributes, "gen_ai.usage.output_tokens", usage.output)
    put_count(attributes, names.cache_read, usage.cache_read)
    put_count(attributes, names.cache_write, usage.cache_write)
    put_count(attributes, names.reasoning, usage.reasoning)


def _embedder(attributes: Attributes, item: Ended, conventions: Conventions) -> tuple[str, SpanKind]:
    start, end = item.span.start, item.end
    attributes["gen_ai.operation.name"] = "embeddings"
    _put_server(attributes, start, "")
    model = _request_model(start)
    put_text(attributes, "gen_ai.request.model", model)
    put_count(attributes, conventions.embedding_dimensions, _count(start, "dimensions"))
    formats = mapping(start.get("data")).get("encoding_format")
    if isinstance(formats, str):
        formats = [formats]
    if isinstance(formats, list) and formats and all(isinstance(each, str) for each in formats):
        attributes["gen_ai.request.encoding_formats"] = formats
    if end is not None:
        answered = _text(end, "gen_ai.response.model", "response_model", "model")
        put_text(attributes, "gen_ai.response.model", answered)
        tokens = _count(end, "gen_ai.usage.input_tokens", "input_tokens", "prompt_tokens")
        put_count(attributes, "gen_ai.usage.input_tokens", tokens)
    return _named("embeddings", model), SpanKind.CLIENT


def _request_model(start: Event) -> str | None:
    known = mapping(start.get("category_profile")).get("model_name")
    return first_text(known) or _text(start, "gen_ai.request.model", "model", "model_name")


def _retriever(attributes: Attributes, item: Ended, conventions: Conventions) -> tuple[str, SpanKind]:
    start = item.span.start
    attributes["gen_ai.operation.name"] = "retrieval"
    _put_server(attributes, start, "")
    put_text(attributes, "gen_ai.request.model", _request_model(start))
    source = _text(start, "gen_ai.data_source.id", "data_source_id", "index_name", "collection_name")
    put_text(attributes, "gen_ai.data_source.id", source)
    put_count(attributes, conventions.retrieval_top_k, _count(start, "gen_ai.retrieval.top_k", "top_k"))
    return _named("retrieval", source), SpanKind.CLIENT


_MAKERS = {"agent": _agent, "tool": _tool, "llm": _llm, "embedder": _embedder, "retriever": _retriever}
