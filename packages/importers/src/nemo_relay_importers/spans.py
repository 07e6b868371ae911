# SPDX-License-Identifier: Apache-2.0
"""Spans of OpenTelemetry: OTLP JSON, one document or one a line, with the names of OpenInference and of GenAI."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from nemo_relay_projections.facts import mapping

from .events import Event, Span, identity, response, stamp, tokens, whole
from .report import ImportReport
from .sources import records

_KINDS = {
    "LLM": "llm",
    "TOOL": "tool",
    "AGENT": "agent",
    "CHAIN": "function",
    "RETRIEVER": "retriever",
    "EMBEDDING": "embedder",
    "RERANKER": "reranker",
    "GUARDRAIL": "guardrail",
    "EVALUATOR": "evaluator",
}
_OPERATIONS = {
    "chat": "llm",
    "text_completion": "llm",
    "generate_content": "llm",
    "execute_tool": "tool",
    "invoke_agent": "agent",
    "create_agent": "agent",
    "embeddings": "embedder",
}


def read(path: Path, report: ImportReport) -> Iterator[Event]:
    """The events of all spans, parents first; it holds the spans of the file in memory."""
    report.read = 0
    found: dict[str, Mapping[str, Any]] = {}
    for document in _documents(path, report):
        for span in _spans(document):
            report.read += 1
            key = span.get("spanId") or mapping(span.get("context")).get("span_id")
            if isinstance(key, str) and key:
                found.setdefault(key, span)
                report.mapped += 1
            else:
                report.skip("no span id")
    yield from _events(found)


def _documents(path: Path, report: ImportReport) -> Iterator[Any]:
    from .sources import document

    try:
        whole_file = document(path)
    except ValueError:
        yield from records(path, report)
        return
    yield from whole_file if isinstance(whole_file, list) else [whole_file]


def _spans(document: Any) -> Iterator[Mapping[str, Any]]:
    """The spans of an OTLP document, or the one that it is (as exports of single spans are)."""
    resources = mapping(document).get("resourceSpans")
    if isinstance(resources, list):
        for resource in resources:
            scopes = mapping(resource).get("scopeSpans")
            for scope in scopes if isinstance(scopes, list) else ():
                spans = mapping(scope).get("spans")
                yield from (mapping(span) for span in (spans if isinstance(spans, list) else ()))
    elif isinstance(document, Mapping) and isinstance(document.get("spans"), list):
        yield from (mapping(span) for span in document["spans"])
    else:
        yield mapping(document)


def _events(found: Mapping[str, Mapping[str, Any]]) -> Iterator[Event]:
    made: dict[str, Span] = {}
    below: dict[str, list[str]] = {}
    tops = []
    for key, span in found.items():
        parent = span.get("parentSpanId") or span.get("parent_id") or span.get("parent_span_id")
        if isinstance(parent, str) and parent in found and parent != key:
            below.setdefault(parent, []).append(key)
        else:
            tops.append(key)
    waiting: list[tuple[str, str | None, bool]] = [(key, None, False) for key in reversed(tops)]
    while waiting:
        key, above, done = waiting.pop()
        source = found[key]
        attributes = _attributes(source.get("attributes"))
        if done:
            yield _ended(made[key], source, attributes)
            continue
        made[key] = _begun(key, source, attributes, made[above] if above else None)
        yield made[key].start(_input(made[key], attributes))
        waiting.append((key, above, True))
        waiting += [(child, key, False) for child in reversed(below.get(key, []))]


def _begun(key: str, source: Mapping[str, Any], attributes: Event, parent: Span | None) -> Span:
    trace = source.get("traceId") or mapping(source.get("context")).get("trace_id") or ""
    kind = attributes.get("openinference.span.kind") or attributes.get("mlflow.spanType") or source.get("span_kind")
    operation = _OPERATIONS.get(str(attributes.get("gen_ai.operation.name")), "")
    category = _KINDS.get(str(kind).strip('"').upper()) or operation
    name = str(attributes.get("tool.name") or attributes.get("gen_ai.tool.name") or source.get("name") or "span")
    metadata: Event = {"relay.source": "otlp", "trace_id": trace, "span_id": key}
    session = attributes.get("session.id") or attributes.get("gen_ai.conversation.id")
    if session:
        metadata["session_id"] = session
    time = stamp(source.get("startTimeUnixNano") or source.get("start_time") or source.get("start_time_unix_nano"))
    made = Span(identity("span", trace, key), name, category or "function", parent, time, metadata)
    model = _model(attributes)
    made.profile = {"model_name": model} if made.category == "llm" else None
    call = attributes.get("gen_ai.tool.call.id") or attributes.get("tool_call.id")
    if made.category == "tool" and call:
        made.profile = {"tool_call_id": call}
    return made


def _model(attributes: Event) -> str | None:
    names = ("llm.model_name", "gen_ai.response.model", "gen_ai.request.model")
    return next((str(attributes[name]) for name in names if attributes.get(name)), None)


def _input(span: Span, attributes: Event) -> Any:
    if span.category == "llm":
        messages = _listed(attributes, "llm.input_messages") or _parsed(attributes.get("gen_ai.input.messages"))
        if messages:
            return {"content": {"model": _model(attributes), "messages": messages}, "headers": {}}
    names = ("input.value", "gen_ai.tool.call.arguments", "mlflow.spanInputs", "gen_ai.input.messages")
    return next((_parsed(attributes[name]) for name in names if name in attributes), None)


def _ended(span: Span, source: Mapping[str, Any], attributes: Event) -> Event:
    names = ("output.value", "gen_ai.tool.call.result", "mlflow.spanOutputs", "gen_ai.output.messages")
    data = next((_parsed(attributes[name]) for name in names if name in attributes), None)
    if span.category == "llm":
        output = _listed(attributes, "llm.output_messages") or _parsed(attributes.get("gen_ai.output.messages"))
        data = output[0] if isinstance(output, list) and output else data
        usage = _usage(attributes)
        text = mapping(data).get("content") if isinstance(data, Mapping) else data
        span.profile = response(_model(attributes), text, usage, attributes.get("gen_ai.response.id"))
    status = mapping(source.get("status"))
    code = status.get("code", source.get("status_code"))
    failed = code in (2, "2", "STATUS_CODE_ERROR", "ERROR")
    error = str(status.get("message") or source.get("status_message") or "error") if failed else None
    time = source.get("endTimeUnixNano") or source.get("end_time") or source.get("end_time_unix_nano")
    return span.end(stamp(time), data, error=error)


def _usage(attributes: Event) -> Event:
    def count(*names: str) -> int:
        return next((whole(attributes[name]) for name in names if name in attributes), 0)

    given = count("llm.token_count.prompt", "gen_ai.usage.input_tokens")
    read = count("llm.token_count.prompt_details.cache_read", "gen_ai.usage.cache_read.input_tokens")
    written = count("llm.token_count.prompt_details.cache_write", "gen_ai.usage.cache_creation.input_tokens")
    out = count("llm.token_count.completion", "gen_ai.usage.output_tokens")
    usage = tokens(max(0, given - read - written), read, written, out)
    cost = attributes.get("llm.cost.total")
    if isinstance(cost, int | float):
        usage["cost"] = {"total": float(cost), "currency": "USD"}
    return usage if given or out else {}


def _attributes(given: Any) -> Event:
    """Attributes as a flat object, from OTLP's list, a flat or a nested object."""
    if isinstance(given, list):
        return {str(mapping(one).get("key")): _value(mapping(one).get("value")) for one in given}
    flat: Event = {}
    waiting: list[tuple[str, Any]] = [("", given)]
    while waiting:
        name, value = waiting.pop()
        if isinstance(value, Mapping):
            waiting += [(f"{name}.{key}" if name else str(key), item) for key, item in value.items()]
        elif name:
            flat[name] = value
    return flat


def _value(value: Any) -> Any:
    typed = mapping(value)
    for name, item in typed.items():
        if name == "intValue":
            return int(item) if str(item).lstrip("-").isdigit() else 0
        if name == "arrayValue":
            listed = mapping(item).get("values")
            return [_value(one) for one in listed] if isinstance(listed, list) else []
        if name == "kvlistValue":
            return _attributes(mapping(item).get("values"))
        return item
    return None


def _listed(attributes: Event, prefix: str) -> list[Event]:
    """Messages of OpenInference: ``prefix.0.message.role`` and so on."""
    direct = attributes.get(prefix)
    if isinstance(direct, list):
        return [dict(mapping(mapping(one).get("message") or one)) for one in direct]
    found: dict[int, Event] = {}
    for name, value in attributes.items():
        head, _, rest = name.removeprefix(f"{prefix}.").partition(".")
        if not name.startswith(f"{prefix}.") or not head.isdigit():
            continue
        rest = rest.removeprefix("message.")
        message = found.setdefault(int(head), {})
        if rest in ("role", "content", "name", "tool_call_id"):
            message[rest] = value
        elif rest.startswith("tool_calls."):
            _called(message, rest.removeprefix("tool_calls."), value)
    return [message for _, message in sorted(found.items())]


def _called(message: Event, rest: str, value: Any) -> None:
    number, _, name = rest.partition(".")
    calls = message.setdefault("tool_calls", [])
    while number.isdigit() and len(calls) <= int(number) < 1000:
        calls.append({"type": "function", "function": {}})
    if not number.isdigit() or int(number) >= len(calls):
        return
    name = name.removeprefix("tool_call.")
    if name == "id":
        calls[int(number)]["id"] = value
    elif name.startswith("function."):
        calls[int(number)]["function"][name.removeprefix("function.")] = value


def _parsed(value: Any) -> Any:
    if not isinstance(value, str) or value[:1] not in '{["':
        return value
    try:
        return json.loads(value)
    except (ValueError, RecursionError):
        return value
