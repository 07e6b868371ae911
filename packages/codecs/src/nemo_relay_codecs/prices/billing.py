# SPDX-License-Identifier: Apache-2.0
"""What of a usage is billed at which rate: the surface that counted the tokens says what its counts include."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from nemo_relay_codecs.model.tokens import TokenUsage

JsonObject = dict[str, Any]
# Surfaces whose input tokens leave out the cached ones, and the makers that a catalogue knows by such a surface.
_SEPARATE_SURFACES = frozenset(("anthropic_messages", "bedrock_converse"))
_SEPARATE_MAKERS = frozenset(("anthropic", "aws", "amazon", "bedrock"))
# Tiers of service that are sold at a part of the price that catalogues list.
_TIERS = {"flex": 0.5, "batch": 0.5}
_UNPRICED = frozenset(("priority",))
_LONG_WRITE = 1.6  # a cache write for an hour costs twice the input, one for five minutes 1.25 times


class Call(NamedTuple):
    """How a call was made: over which surface, what the provider counted in detail, in which tier of service."""

    surface: str | None = None
    tokens: TokenUsage | None = None
    service_tier: str | None = None

    @property
    def factor(self) -> float | None:
        """What its tier costs in relation to the listed price; None where no catalogue says."""
        tier = (self.service_tier or "").lower()
        return None if tier in _UNPRICED else _TIERS.get(tier, 1.0)


def service_tier(api: Any, usage: Any) -> str | None:
    """The tier of service that a response states: beside its usage, or in it."""
    for holder in (api, usage):
        stated = holder.get("service_tier") if isinstance(holder, dict) else None
        if isinstance(stated, str):
            return stated
    return None


class Billed(NamedTuple):
    """Token counts by the rate they are billed at; ``prompt`` is what long-context tiers go by."""

    prompt: int | None
    input: int
    output: int
    cache_read: int
    cache_write: int
    cache_write_1h: int
    input_audio: int
    output_audio: int

    def amounts(self, rates: Mapping[str, float]) -> tuple[dict[str, float], bool]:
        """Costs by kind, and whether there was a rate for everything."""
        out: dict[str, float] = {}
        complete = True
        for kind, count, special, other in (
            ("input", self.input, self.input_audio, rates.get("input_audio_per_million")),
            ("output", self.output, self.output_audio, rates.get("output_audio_per_million")),
            ("cache_read", self.cache_read, 0, None),
            ("cache_write", self.cache_write, self.cache_write_1h, _long_write(rates)),
        ):
            rate = rates.get(f"{kind}_per_million")
            if count and rate is not None:
                special = min(special, count)
                out[kind] = ((count - special) * rate + special * (rate if other is None else other)) / 1e6
            elif count:
                complete = False
        return out, complete


def _long_write(rates: Mapping[str, float]) -> float | None:
    stated, short = rates.get("cache_write_1h_per_million"), rates.get("cache_write_per_million")
    return stated if stated is not None or short is None else short * _LONG_WRITE


def billed(entry: JsonObject, usage: Mapping[str, Any], call: Call) -> Billed:
    """The counts of a normalised ``usage``, and what ``call`` knows beyond them, by the rates of ``entry``."""
    names = ("prompt_tokens", "completion_tokens", "cache_read_tokens", "cache_write_tokens")
    given, completion, read, written = (usage.get(name) or 0 for name in names)
    tokens = call.tokens
    if tokens is None:
        billable = max(given - read, 0) if _is_included(entry, call) else given
        return Billed(usage.get("prompt_tokens"), billable, completion, read, written, 0, 0, 0)
    completion = max(completion, tokens.output_total)  # some state thoughts beside the completion
    read = read or tokens.input_cache_read
    within = tokens.input_cache_write if not written else 0  # a part of the prompt, where no count of its own is
    written = written or tokens.input_cache_write + tokens.input_cache_write_1h
    separate = call.surface in _SEPARATE_SURFACES
    prompt = given + read + written if separate else max(given, tokens.input_total)
    billable = given if separate else max(prompt - within - (read if _is_included(entry, call) else 0), 0)
    return Billed(
        prompt=prompt if separate or "prompt_tokens" in usage else None,
        input=billable,
        output=completion,
        cache_read=read,
        cache_write=written,
        cache_write_1h=tokens.input_cache_write_1h,
        input_audio=tokens.input_audio,
        output_audio=tokens.output_audio,
    )


def _is_included(entry: JsonObject, call: Call) -> bool:
    """Whether the prompt's count includes what was read from a cache.

    That is up to the surface. Where the surface is unknown, or a catalogue of one's own knows better about a server,
    the entry says; but what it says of Anthropic or Amazon it says of their own surfaces.
    """
    if call.surface in _SEPARATE_SURFACES:
        return False
    stated = entry["prompt_cache"]["read_accounting"] == "included_in_prompt_tokens"
    return stated or (call.surface is not None and entry["provider"].lower() in _SEPARATE_MAKERS)
