# SPDX-License-Identifier: Apache-2.0
"""Token counts in disjoint buckets, with a check that they add up to what the provider stated."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec

JsonObject = dict[str, Any]


class TokenUsage(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Every token is counted in exactly one bucket, so sums never count twice. All counts are tokens.

    ``input_total`` and ``output_total`` are the sums of the buckets of their side. `problems` lists where the
    provider's own totals contradict its parts; it is empty for a consistent report.
    """

    input_uncached: int = 0
    input_cache_read: int = 0
    input_cache_write: int = 0
    input_cache_write_1h: int = 0
    input_audio: int = 0
    input_image: int = 0
    input_tool: int = 0
    output_text: int = 0
    output_reasoning: int = 0
    output_audio: int = 0
    output_image: int = 0
    output_prediction_accepted: int = 0
    output_prediction_rejected: int = 0
    server_tool_requests: dict[str, int] = {}
    problems: tuple[str, ...] = ()

    @property
    def input_total(self) -> int:
        """All input tokens."""
        return sum(getattr(self, f) for f in self.__struct_fields__ if f.startswith("input_"))

    @property
    def output_total(self) -> int:
        """All output tokens."""
        return sum(getattr(self, f) for f in self.__struct_fields__ if f.startswith("output_"))

    @property
    def total(self) -> int:
        """All tokens."""
        return self.input_total + self.output_total

    def goes_beyond_usage(self) -> bool:
        """Whether this says more than prompt, completion and cache counts do."""
        plain = ("input_uncached", "input_cache_read", "input_cache_write", "output_text", "problems")
        return any(bool(getattr(self, f)) for f in self.__struct_fields__ if f not in plain)

    def to_dict(self) -> JsonObject:
        """The buckets that are not empty, as JSON."""
        out: JsonObject = msgspec.to_builtins(self)
        return out


def _n(holder: Any, *path: str) -> int | None:
    for key in path:
        holder = holder.get(key) if isinstance(holder, dict) else None
    if isinstance(holder, bool):
        return None
    if isinstance(holder, float) and holder.is_integer():
        holder = int(holder)
    return holder if isinstance(holder, int) and holder >= 0 else None


class _Side:
    """One side's buckets carved out of a stated total."""

    def __init__(self, name: str, total: int | None, remainder: str) -> None:
        self.name, self.total, self.remainder = name, total, remainder
        self.certain = False  # the total is confirmed by the one over both sides: what exceeds it is not there
        self.parts: dict[str, int] = {}

    def take(self, bucket: str, count: int | None) -> None:
        if count:
            self.parts[bucket] = self.parts.get(bucket, 0) + count

    def settle(self, problems: list[str]) -> dict[str, int]:
        carved = sum(self.parts.values())
        if self.total is None:
            return self.parts
        if carved > self.total:
            problems.append(f"{self.name} parts add up to {carved}, more than the stated {self.total}")
            if self.certain:
                self._cut(carved - self.total)
            return self.parts
        self.take(self.remainder, self.total - carved)
        return self.parts

    def _cut(self, excess: int) -> None:
        """Take the excess off the largest parts."""
        for bucket in sorted(self.parts, key=lambda name: -self.parts[name]):
            cut = min(excess, self.parts[bucket])
            self.parts[bucket] -= cut
            excess -= cut


def _settled(
    given: Any, output: Any, problems: list[str], total: int | None, requests: dict[str, int] | None = None
) -> TokenUsage:
    counts = {**given.settle(problems), **output.settle(problems)}
    if total is not None and total != sum(counts.values()):
        problems.append(f"stated total {total} differs from the sum of the buckets {sum(counts.values())}")
    return TokenUsage(**counts, server_tool_requests=requests or {}, problems=tuple(problems))


def _chat(usage: JsonObject) -> TokenUsage:
    prompt, completion, total = (_n(usage, f"{k}_tokens") for k in ("prompt", "completion", "total"))
    given = _Side("prompt_tokens", prompt, "input_uncached")
    cached = _n(usage, "prompt_tokens_details", "cached_tokens")
    elsewhere = (_n(usage, key) for key in ("cached_tokens", "prompt_cache_hit_tokens", "cache_read_input_tokens"))
    given.take("input_cache_read", cached or max((n for n in elsewhere if n), default=0))
    written = _n(usage, "prompt_tokens_details", "cache_write_tokens")
    given.take("input_cache_write", written or _n(usage, "cache_creation_input_tokens"))
    audio = _n(usage, "prompt_tokens_details", "audio_tokens") or 0
    given.take("input_audio", audio)
    given.take("input_image", _n(usage, "prompt_tokens_details", "image_tokens"))
    details = usage.get("completion_tokens_details")
    reasoning = _n(details, "reasoning_tokens") or _n(usage, "reasoning_tokens") or 0
    if prompt is not None and completion is not None and total is not None:
        # Some compatible servers state reasoning outside of the completion count, or only in the total.
        missing = total - prompt - completion
        if missing > 0 and missing == audio != reasoning:
            given.total, missing = prompt + audio, 0  # and some state what was heard outside of the prompt's count
        elif missing > 0 and reasoning in (0, missing):
            reasoning, completion = missing, completion + missing
        given.certain = missing == 0
    output = _Side("completion_tokens", completion, "output_text")
    output.certain = given.certain
    output.take("output_reasoning", reasoning)
    output.take("output_audio", _n(details, "audio_tokens"))
    output.take("output_image", _n(details, "image_tokens"))
    output.take("output_prediction_accepted", _n(details, "accepted_prediction_tokens"))
    output.take("output_prediction_rejected", _n(details, "rejected_prediction_tokens"))
    return _settled(given, output, [], total)


def _responses(usage: JsonObject) -> TokenUsage:
    given = _Side("input_tokens", _n(usage, "input_tokens"), "input_uncached")
    given.take("input_cache_read", _n(usage, "input_tokens_details", "cached_tokens"))
    given.take("input_audio", _n(usage, "input_tokens_details", "audio_tokens"))
    given.take("input_image", _n(usage, "input_tokens_details", "image_tokens"))
    output = _Side("output_tokens", _n(usage, "output_tokens"), "output_text")
    output.take("output_reasoning", _n(usage, "output_tokens_details", "reasoning_tokens"))
    output.take("output_audio", _n(usage, "output_tokens_details", "audio_tokens"))
    return _settled(given, output, [], _n(usage, "total_tokens"))


def _anthropic(usage: JsonObject) -> TokenUsage:
    rounds = usage.get("iterations")
    rounds = [r for r in rounds if isinstance(r, dict)] if isinstance(rounds, list) else []

    def total(key: str) -> int:
        counts = [n for r in rounds if (n := _n(r, key)) is not None]
        return sum(counts) if counts else _n(usage, key) or 0

    problems: list[str] = []
    written = total("cache_creation_input_tokens")
    long = sum(_n(r, "cache_creation", "ephemeral_1h_input_tokens") or 0 for r in rounds or [usage])
    if long > written:
        problems.append(f"1-hour cache writes {long} exceed all cache writes {written}")
        long = written
    given = _Side("input", None, "input_uncached")
    given.take("input_uncached", total("input_tokens"))
    given.take("input_cache_read", total("cache_read_input_tokens"))
    given.take("input_cache_write", written - long)
    given.take("input_cache_write_1h", long)
    output = _Side("output_tokens", total("output_tokens"), "output_text")
    output.take("output_reasoning", _n(usage, "output_tokens_details", "thinking_tokens"))
    stated = usage.get("server_tool_use")
    requests = {k: n for k in stated if (n := _n(stated, k))} if isinstance(stated, dict) else {}
    return _settled(given, output, problems, None, requests)


def _modality(details: Any, name: str) -> int:
    entries = details if isinstance(details, list) else ()
    return sum(_n(e, "tokenCount") or 0 for e in entries if isinstance(e, dict) and e.get("modality") == name)


def _gemini(usage: JsonObject) -> TokenUsage:
    given = _Side("promptTokenCount", _n(usage, "promptTokenCount"), "input_uncached")
    given.take("input_cache_read", _n(usage, "cachedContentTokenCount"))
    for bucket, name in (("input_audio", "AUDIO"), ("input_image", "IMAGE")):
        # Cached media are in the cache bucket already.
        prompt, cached = (_modality(usage.get(k), name) for k in ("promptTokensDetails", "cacheTokensDetails"))
        given.take(bucket, max(prompt - cached, 0))
    output = _Side("candidatesTokenCount", _n(usage, "candidatesTokenCount"), "output_text")
    for bucket, name in (("output_audio", "AUDIO"), ("output_image", "IMAGE")):
        output.take(bucket, _modality(usage.get("candidatesTokensDetails"), name))
    problems: list[str] = []
    counts: dict[str, Any] = {**given.settle(problems), **output.settle(problems)}
    # Thoughts and tool results are stated beside the two counts, not within them.
    counts["input_tool"] = _n(usage, "toolUsePromptTokenCount") or 0
    counts["output_reasoning"] = _n(usage, "thoughtsTokenCount") or 0
    total = _n(usage, "totalTokenCount")
    if total is not None and total != sum(counts.values()):
        problems.append(f"stated total {total} differs from the sum of the buckets {sum(counts.values())}")
    return TokenUsage(**counts, problems=tuple(problems))


def _oci(usage: JsonObject) -> TokenUsage:
    given = _Side("promptTokens", _n(usage, "promptTokens"), "input_uncached")
    given.take("input_cache_read", _n(usage, "promptTokensDetails", "cachedTokens"))
    given.take("input_audio", _n(usage, "promptTokensDetails", "audioTokens"))
    output = _Side("completionTokens", _n(usage, "completionTokens"), "output_text")
    output.take("output_reasoning", _n(usage, "completionTokensDetails", "reasoningTokens"))
    return _settled(given, output, [], _n(usage, "totalTokens"))


def _bedrock(usage: JsonObject) -> TokenUsage:
    given = _Side("input", None, "input_uncached")
    given.take("input_uncached", _n(usage, "inputTokens"))
    given.take("input_cache_read", _n(usage, "cacheReadInputTokens"))
    given.take("input_cache_write", _n(usage, "cacheWriteInputTokens"))
    output = _Side("outputTokens", _n(usage, "outputTokens"), "output_text")
    return _settled(given, output, [], _n(usage, "totalTokens"))


def _cohere(usage: JsonObject) -> TokenUsage:
    given = _Side("input_tokens", _n(usage, "tokens", "input_tokens"), "input_uncached")
    given.take("input_cache_read", _n(usage, "cached_tokens"))
    output = _Side("output_tokens", _n(usage, "tokens", "output_tokens"), "output_text")
    searches = _n(usage, "billed_units", "search_units")
    return _settled(given, output, [], None, {"search_units": searches} if searches else None)


_READERS: dict[str, Callable[[JsonObject], TokenUsage]] = {
    "openai_chat": _chat,
    "mistral_chat": _chat,
    "openai_responses": _responses,
    "anthropic_messages": _anthropic,
    "gemini_generate_content": _gemini,
    "oci_genai": _oci,
    "bedrock_converse": _bedrock,
    "cohere_chat": _cohere,
}


def buckets(codec: str, usage: Any) -> TokenUsage | None:
    """The buckets of a provider's usage object; None if there is no such object or nobody knows its form."""
    reader = _READERS.get(codec)
    return reader(usage) if reader is not None and isinstance(usage, dict) else None
