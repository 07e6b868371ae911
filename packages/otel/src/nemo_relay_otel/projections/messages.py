# SPDX-License-Identifier: Apache-2.0
"""The normalised request and response of an LLM call, as the events carry them or as the payload can be read."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from nemo_relay_otel.lineage import Event
from nemo_relay_otel.values import count, first_text, mapping, text

Json = Mapping[str, Any]


class Call(NamedTuple):
    """Both sides of an LLM call, in the form that events use; empty where nothing is known."""

    request: Json
    response: Json


def call_of(start: Event, end: Event | None) -> Call:
    """What the call's two events tell, decoded from the payload where no codec took part."""
    return Call(_request(start), {} if end is None else _response(end))


def _request(start: Event) -> Json:
    known = mapping(start.get("category_profile")).get("annotated_request")
    if isinstance(known, dict):
        return known
    data = start.get("data")
    if not isinstance(data, dict) or not isinstance(data.get("content"), dict):
        return {}
    from nemo_relay import LLMRequest
    from nemo_relay.codecs import decode_request_best_effort

    headers = data.get("headers")
    read = decode_request_best_effort(LLMRequest(headers if isinstance(headers, dict) else {}, data["content"]))
    return _event_form(read)


def _response(end: Event) -> Json:
    known = mapping(end.get("category_profile")).get("annotated_response")
    if isinstance(known, dict):
        return known
    if not isinstance(end.get("data"), dict):
        return {}
    from nemo_relay.codecs import decode_response_best_effort

    return _event_form(decode_response_best_effort(end["data"]))


def _event_form(read: Any) -> Json:
    try:
        return {} if read is None else mapping(read.to_event())
    except Exception:  # a codec of somebody's own
        return {}


def model_of(start: Event, end: Event | None, call: Call) -> str | None:
    """The model, by what is nearest to the answer."""
    found = text(call.response.get("model"))
    if found is None and end is not None:
        profile = mapping(end.get("category_profile"))
        found = first_text(mapping(end.get("data")).get("model"), profile.get("model_name"))
    asked = (mapping(start.get("category_profile")).get("model_name"), call.request.get("model"))
    return found or first_text(*asked, mapping(start.get("data")).get("model"))


class Cost(NamedTuple):
    """What a call cost."""

    total: float
    currency: str


def cost_of(end: Event, response: Json) -> Cost | None:
    """What the call cost: as the usage says it, else as the provider's own payload does."""
    cost = mapping(response.get("usage")).get("cost")
    if isinstance(cost, Mapping):
        total = _sum(cost)
        if total is not None:
            return Cost(total, str(cost.get("currency") or "USD"))
    usage = mapping(mapping(end.get("data")).get("usage"))
    for key in ("cost_usd", "cost"):
        value = usage.get(key)
        if isinstance(value, (int, float)) and not isinstance(value, bool):
            return Cost(float(value), "USD")
    return None


def _sum(cost: Json) -> float | None:
    total = cost.get("total")
    if isinstance(total, (int, float)) and not isinstance(total, bool):
        return float(total)
    parts = [v for k, v in cost.items() if isinstance(v, (int, float)) and not isinstance(v, bool) and k != "total"]
    return float(sum(parts)) if parts else None


class Usage(NamedTuple):
    """Token counts; ``input`` includes what came from and went to a cache. None is what nobody counted."""

    input: int | None
    output: int | None
    total: int | None
    cache_read: int | None
    cache_write: int | None
    reasoning: int | None


def usage_of(call: Call, end: Event) -> Usage | None:
    """What the call used, None where nobody counted."""
    usage = mapping(call.response.get("usage"))
    if not usage:
        return None
    read, write = count(usage.get("cache_read_tokens")), count(usage.get("cache_write_tokens"))
    prompt, output = count(usage.get("prompt_tokens")), count(usage.get("completion_tokens"))
    if prompt is not None and _api(call) == "anthropic_messages":  # which counts what was cached apart
        prompt += (read or 0) + (write or 0)
    total = count(usage.get("total_tokens"))
    return Usage(prompt, output, total, read, write, _reasoning(call, end))


def _reasoning(call: Call, end: Event) -> int | None:
    spread = count(mapping(call.response.get("tokens")).get("output_reasoning"))
    if spread is not None:
        return spread
    data = mapping(end.get("data"))
    usage = mapping(data.get("usage"))
    for details in ("output_tokens_details", "completion_tokens_details"):
        found = count(mapping(usage.get(details)).get("reasoning_tokens"))
        if found is not None:
            return found
    return count(mapping(data.get("usageMetadata")).get("thoughtsTokenCount"))


def _api(call: Call) -> str:
    for side in (call.response, call.request):
        if api := text(mapping(side.get("api_specific")).get("api")):
            return api
    return ""


api_of = _api


def finish_reason(response: Json) -> str | None:
    """complete, length, tool_use, content_filter, or the provider's own word."""
    reason = response.get("finish_reason")
    if isinstance(reason, Mapping):
        reason = reason.get("unknown")
    return text(reason)


def parsed(arguments: Any) -> Any:
    """Tool arguments as JSON where they are a string of it."""
    if not isinstance(arguments, str):
        return arguments
    import msgspec

    try:
        return msgspec.json.decode(arguments)
    except (ValueError, RecursionError):
        return arguments
