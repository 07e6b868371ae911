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
