# SPDX-License-Identifier: Apache-2.0
"""The normalised response: the checks of what a caller may build one from."""

from __future__ import annotations

from typing import Any

from nemo_relay_codecs import values
from nemo_relay_codecs.model import request_checks


def response_calls(value: Any) -> list[request_checks.JsonObject]:
    """Tool calls of a response, arguments parsed."""
    return [
        request_checks._shaped(request_checks._object(c, "tool call"), _CALL, {})
        for c in request_checks._list(values.owned(value), "tool_calls")
    ]


def finish_reason(value: Any) -> str:
    """A normalised finish reason or a provider's own, as a plain string."""
    if isinstance(value, str):
        return value
    if isinstance(value, dict) and list(value) == ["unknown"]:
        return request_checks.text(value["unknown"], "unknown")
    raise request_checks._fail(f"expected a string or {{'unknown': string}}, not {value!r}")


def _cost_source(value: Any, what: str) -> str:
    if value in ("model_pricing", "provider_reported"):
        return str(value)
    raise request_checks._fail(f"unknown cost source {value!r}, expected model_pricing or provider_reported")


def _cost(value: Any, what: str) -> request_checks.JsonObject:
    value = request_checks._object(value, what)
    return request_checks._shaped({"currency": "USD", **value}, {"source": _cost_source}, _COST)


def usage(value: Any) -> request_checks.JsonObject:
    """Token counts and cost."""
    return request_checks._shaped(request_checks._object(values.owned(value), "usage"), {}, _USAGE)


_CALL: dict[str, request_checks.Check] = {
    "id": request_checks.text,
    "name": request_checks.text,
    "arguments": request_checks.anything,
}
_COST: dict[str, request_checks.Check] = {
    **request_checks._members(request_checks.real, "total", "input", "output", "cache_read", "cache_write"),
    **request_checks._members(
        request_checks.text, "pricing_provider", "pricing_model", "pricing_as_of", "pricing_source"
    ),
    "currency": request_checks.text,
}
_USAGE: dict[str, request_checks.Check] = {
    **request_checks._members(
        request_checks.tokens,
        *("prompt_tokens", "completion_tokens", "total_tokens"),
        *("cache_read_tokens", "cache_write_tokens", "uncached_input_tokens"),
    ),
    "cost": _cost,
}
_DEPTH = 32
_ORDER = ("id", "model", "message", "tool_calls", "finish_reason", "usage")
_FINISHED = ("complete", "length", "tool_use", "content_filter")


def is_event_form(event: dict[str, Any]) -> bool:
    """Whether ``event`` is, as it stands, what an annotation made of it would show; False where it takes a closer look.

    Media apart: those are for ``by_reference``.
    """
    place = -1
    for name, value in event.items():
        if name not in _ORDER or place >= (place := _ORDER.index(name)) or not _is_shown_so(name, value):
            return False
    return True


def _is_shown_so(name: str, value: Any) -> bool:
    if name == "usage":
        counted = type(value) is dict and "cost" not in value and _USAGE.keys() >= value.keys()
        return counted and all(map(values.is_u64, value.values()))
    if name == "tool_calls":
        return type(value) is list and all(map(_is_call, value))
    return type(value) is str and (name != "finish_reason" or value in _FINISHED)


def _is_call(call: Any) -> bool:
    return (
        type(call) is dict
        and call.keys() == _CALL.keys()
        and type(call["id"]) is type(call["name"]) is str
        and _is_json(call["arguments"], _DEPTH)
    )


def _is_json(value: Any, depth: int) -> bool:
    kind = type(value)
    if kind is str or kind is bool or value is None:
        return True
    if kind is int:
        return bool(values.I64_MIN <= value <= values.U64_MAX)
    if kind is float:
        return bool(value - value == 0.0)
    if depth and kind is dict:
        return all(type(key) is str and _is_json(item, depth - 1) for key, item in value.items())
    return depth > 0 and kind is list and all(_is_json(item, depth - 1) for item in value)
