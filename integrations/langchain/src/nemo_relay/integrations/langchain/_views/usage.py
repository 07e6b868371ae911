# SPDX-License-Identifier: Apache-2.0
"""Token counts, wherever an integration leaves them, in the names that every exporter reads."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from langchain_core.outputs import LLMResult

_KEYS = ("usage_metadata", "token_usage", "usage")
_TIERS = ("ephemeral_5m_input_tokens", "ephemeral_1h_input_tokens")


def usage_of(result: LLMResult | None) -> dict[str, int] | None:
    """The usage of a model run: LangChain's own, else what the provider's answer says in any of the usual places."""
    if result is None:
        return None
    return next((found for found in map(usage_view, _places(result)) if found), None)


def _places(result: LLMResult) -> Iterator[Any]:
    choices = result.generations[0] if result.generations else []
    messages = [getattr(choice, "message", None) for choice in choices]
    for message in messages:
        yield getattr(message, "usage_metadata", None)
    holders = [result.llm_output, *(choice.generation_info for choice in choices)]
    holders.extend(getattr(message, "response_metadata", None) for message in messages)
    for holder in holders:
        for key in _KEYS:
            yield _part(holder, key)


def usage_view(reported: Any) -> dict[str, int] | None:
    """A provider's or LangChain's counts in the common names; None when there are none.

    What is no count is left out. Nothing odd in them makes the others unreadable.
    """
    into = _part(reported, "input_token_details", "prompt_tokens_details", "input_tokens_details")
    out = _part(reported, "output_token_details", "completion_tokens_details", "output_tokens_details")
    found = {
        "prompt_tokens": _count(reported, "input_tokens", "prompt_tokens"),
        "completion_tokens": _count(reported, "output_tokens", "completion_tokens"),
        "total_tokens": _count(reported, "total_tokens"),
        "cache_read_tokens": _count(reported, "cache_read_input_tokens"),
        "cache_write_tokens": _count(reported, "cache_creation_input_tokens"),
    }
    if into is not None or out is not None:
        found.update(_details(into, out, found))
    return {name: count for name, count in found.items() if count is not None} or None


def _details(into: Any, out: Any, found: dict[str, int | None]) -> dict[str, int | None]:
    audio = [count for part in (into, out) if (count := _count(part, "audio", "audio_tokens")) is not None]
    return {
        "cache_read_tokens": _first(_count(into, "cache_read", "cached_tokens"), found["cache_read_tokens"]),
        "cache_write_tokens": _first(_written(into), found["cache_write_tokens"]),
        "reasoning_tokens": _count(out, "reasoning", "reasoning_tokens"),
        "audio_tokens": sum(audio) or None,
    }


def is_free(reported: Any) -> bool:
    """Whether these counts are those that LangChain gives to an answer from its cache: at a cost of nothing at all."""
    cost = _part(reported, "total_cost")
    return type(cost) is int and cost == 0


def _written(into: Any) -> int | None:
    """Tokens written to a cache; where Anthropic counts them by lifetime, LangChain sets the sum to zero."""
    return sum(_count(into, name) or 0 for name in _TIERS) or _count(into, "cache_creation")


def _first(*counts: int | None) -> int | None:
    return next((count for count in counts if count is not None), None)


def _count(holder: Any, *names: str) -> int | None:
    value = _part(holder, *names)
    if value is None or isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value < 2**63:
        return None
    return int(value)


def _part(holder: Any, *names: str) -> Any:
    """The first of these members that ``holder`` has and that says something."""
    if type(holder) is dict or isinstance(holder, Mapping):
        for name in names:
            value = holder.get(name)
            if value is not None:
                return value
        return None
    if holder is None or isinstance(holder, (str, int, float, list, tuple)):
        return None
    return next((value for name in names if (value := getattr(holder, name, None)) is not None), None)
