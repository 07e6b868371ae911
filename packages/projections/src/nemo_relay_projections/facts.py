# SPDX-License-Identifier: Apache-2.0
"""What one event says, read with patience: every function here takes any JSON and never raises."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any, NamedTuple

_STAMP = re.compile(r"(\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d)(?:\.(\d{1,9})\d*)?(Z|[+-]\d\d:\d\d)")
_CANCELLED = ("CancelledError", "GeneratorExit")
_PREFIX = "internal error: "
_USAGE_NAMES = ("usage", "usage_metadata", "usageMetadata")


class Tokens(NamedTuple):
    """Tokens of one or more LLM calls.

    `input` includes those read from the provider's cache (`cached`) and those put into it (`written`), `output` the
    `reasoning` ones.
    """

    input: int = 0
    output: int = 0
    cached: int = 0
    reasoning: int = 0
    written: int = 0

    @property
    def total(self) -> int:
        """Input and output together."""
        return self.input + self.output

    def plus(self, other: Tokens) -> Tokens:
        """The sum of the two, count by count."""
        return Tokens(*(mine + theirs for mine, theirs in zip(self, other, strict=True)))


def mapping(value: object) -> Mapping[str, Any]:
    """The value if it is a JSON object, else an empty one."""
    return value if isinstance(value, Mapping) else {}


def text(value: object) -> str | None:
    """The value if it is a string with something in it, else None."""
    return value if isinstance(value, str) and value else None


def timestamp_ns(stamp: object) -> int | None:
    """An RFC 3339 timestamp as nanoseconds since 1970, or None when it is not one."""
    match = _STAMP.fullmatch(stamp) if isinstance(stamp, str) else None
    if match is None:
        return None
    second, fraction, zone = match.groups()
    try:
        whole = datetime.fromisoformat(second + zone)
    except ValueError:
        return None
    return int(whole.timestamp()) * 1_000_000_000 + int((fraction or "").ljust(9, "0"))


def outcome(end: Mapping[str, Any]) -> str:
    """How the span ended, in one word: what an adapter said (`relay.outcome`), else what the status tells."""
    metadata, data = mapping(end.get("metadata")), mapping(end.get("data"))
    if named := text(metadata.get("relay.outcome")):
        return named
    if metadata.get("otel.status_code") == "ERROR":
        return "cancelled" if _was_cancelled(metadata) else "error"
    if end.get("category") == "guardrail" and data.get("rejected") is True:
        return "rejected"
    return "ok"


def _was_cancelled(metadata: Mapping[str, Any]) -> bool:
    description = str(metadata.get("otel.status_description", ""))
    return metadata.get("exception.type") in _CANCELLED or description.endswith("execution cancelled")


def error_text(end: Mapping[str, Any]) -> str | None:
    """What went wrong, as `Type: message` where both are known."""
    metadata, data = mapping(end.get("metadata")), mapping(end.get("data"))
    if described := text(metadata.get("otel.status_description")):
        return _with_type(described.removeprefix(_PREFIX), metadata.get("exception.type"))
    error = data.get("error")
    if isinstance(error, Mapping):
        return _with_type(str(error.get("message", "")), error.get("type"))
    return _first_text(error, metadata.get("error.code"), data.get("content"))


def _with_type(message: str, kind: object) -> str:
    if not isinstance(kind, str) or message.startswith(kind):
        return message
    return f"{kind}: {message}" if message else kind


def tokens(end: Mapping[str, Any]) -> Tokens | None:
    """What an LLM end event counted: normalised, as the provider sent it, or as LangChain keeps it."""
    found = usage(end)
    return counted(found) if found else None


def usage(end: Mapping[str, Any]) -> Mapping[str, Any]:
    """The usage object of an LLM end event, empty where it has none."""
    data = mapping(end.get("data"))
    annotated = mapping(mapping(mapping(end.get("category_profile")).get("annotated_response")))
    for found in (annotated.get("usage"), *(data.get(name) for name in _USAGE_NAMES)):
        if isinstance(found, Mapping) and found:
            return found
    return {}


def counted(usage: Mapping[str, Any]) -> Tokens:
    """The counts of a usage object, whoever's names it uses."""
    # Anthropic's own form counts the cached input apart from the rest, and its normalised form says what is not cached.
    apart = _count(usage, "cache_read_input_tokens") + _count(usage, "cache_creation_input_tokens")
    details_in = mapping(usage.get("prompt_tokens_details") or usage.get("input_token_details"))
    details_out = mapping(usage.get("completion_tokens_details") or usage.get("output_token_details"))
    cached = _count(usage, "cache_read_tokens", "cache_read_input_tokens") or _count(
        details_in, "cached_tokens", "cache_read"
    )
    written = _count(usage, "cache_write_tokens", "cache_creation_input_tokens") or _count(
        details_in, "cache_write_tokens", "cache_creation"
    )
    stated = _count(usage, "prompt_tokens", "input_tokens", "promptTokenCount") + apart
    whole = usage["uncached_input_tokens"] if isinstance(usage.get("uncached_input_tokens"), int) else None
    return Tokens(
        input=stated if whole is None else max(stated, whole + cached + written),
        output=_count(usage, "completion_tokens", "output_tokens", "candidatesTokenCount"),
        cached=cached,
        reasoning=_count(usage, "reasoning_tokens") or _count(details_out, "reasoning_tokens", "reasoning"),
        written=written,
    )


def dollars(usage: Mapping[str, Any]) -> float | None:
    """The cost that a normalised usage object states, in US dollars; None where it states none."""
    cost = mapping(usage.get("cost"))
    total = cost.get("total")
    known = isinstance(total, int | float) and not isinstance(total, bool) and cost.get("currency", "USD") == "USD"
    return float(total) if known and total is not None else None


def _count(source: Mapping[str, Any], *names: str) -> int:
    for name in names:
        value = source.get(name)
        if isinstance(value, int) and value >= 0:
            return value
    return 0


def response_model(end: Mapping[str, Any]) -> str | None:
    """The model that answered, as the response names it, else as the call was made with."""
    profile = mapping(end.get("category_profile"))
    annotated, data = mapping(profile.get("annotated_response")), mapping(end.get("data"))
    return _first_text(annotated.get("model"), data.get("model"), profile.get("model_name"))


def request_model(start: Mapping[str, Any]) -> str | None:
    """The model that was asked for."""
    profile, data = mapping(start.get("category_profile")), mapping(start.get("data"))
    asked = mapping(profile.get("annotated_request")).get("model")
    return _first_text(profile.get("model_name"), asked, mapping(data.get("content")).get("model"))


def _first_text(*values: object) -> str | None:
    return next((found for value in values if (found := text(value))), None)
