# SPDX-License-Identifier: Apache-2.0
"""The normalised response: the checks of what a caller may build one from."""

from __future__ import annotations

from typing import Any

from nemo_relay._codecs import normalise, values


def response_calls(value: Any) -> list[normalise.JsonObject]:
    """Tool calls of a response, arguments parsed."""
    shape: dict[str, normalise.Check] = {"id": normalise.text, "name": normalise.text, "arguments": normalise.anything}
    return [
        normalise._shaped(normalise._object(c, "tool call"), shape, {})
        for c in normalise._list(values.owned(value), "tool_calls")
    ]


def finish_reason(value: Any) -> str:
    """A normalised finish reason or a provider's own, as a plain string."""
    if isinstance(value, str):
        return value
    if isinstance(value, dict) and list(value) == ["unknown"]:
        return normalise.text(value["unknown"], "unknown")
    raise normalise._fail(f"expected a string or {{'unknown': string}}, not {value!r}")


def _cost_source(value: Any, what: str) -> str:
    if value in ("model_pricing", "provider_reported"):
        return str(value)
    raise normalise._fail(f"unknown cost source {value!r}, expected model_pricing or provider_reported")


def _cost(value: Any, what: str) -> normalise.JsonObject:
    optional: dict[str, normalise.Check] = {
        **normalise._members(normalise.real, "total", "input", "output", "cache_read", "cache_write"),
        **normalise._members(normalise.text, "pricing_provider", "pricing_model", "pricing_as_of", "pricing_source"),
        "currency": normalise.text,
    }
    value = normalise._object(value, what)
    return normalise._shaped({"currency": "USD", **value}, {"source": _cost_source}, optional)


def usage(value: Any) -> normalise.JsonObject:
    """Token counts and cost."""
    names = "prompt_tokens completion_tokens total_tokens cache_read_tokens cache_write_tokens uncached_input_tokens"
    optional = {**normalise._members(normalise.tokens, *names.split()), "cost": _cost}
    return normalise._shaped(normalise._object(values.owned(value), "usage"), {}, optional)
