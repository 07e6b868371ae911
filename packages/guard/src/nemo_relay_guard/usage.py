# SPDX-License-Identifier: Apache-2.0
"""What a model call took: tokens, and money where a price is known."""

from __future__ import annotations

from typing import Any

from nemo_relay import codecs, model_pricing
from nemo_relay.codecs import AnnotatedLLMResponse


def of_response(response: Any, codec: Any, provider: str) -> dict[str, float]:
    """``tokens`` and ``usd`` of a response, as far as it tells."""
    annotated = _annotated(response, codec)
    usage = getattr(annotated, "usage", None)
    if not isinstance(usage, dict):
        return {}
    total = usage.get("total_tokens")
    if not isinstance(total, int):
        total = sum(usage.get(name) or 0 for name in ("prompt_tokens", "completion_tokens"))
    found = {"tokens": float(total)}
    cost = usage.get("cost") or model_pricing.price(annotated, provider).cost
    if isinstance(cost, dict) and isinstance(cost.get("total"), (int, float)):
        found["usd"] = float(cost["total"])
    return found


def at_most(content: Any, provider: str) -> dict[str, float]:
    """What the answer to a request may take at most, where the request says."""
    if not isinstance(content, dict):
        return {}
    settings = content.get("generationConfig")
    places = (content, settings if isinstance(settings, dict) else {})
    names = ("max_tokens", "max_completion_tokens", "max_output_tokens", "maxOutputTokens")
    limit = next((place[name] for place in places for name in names if isinstance(place.get(name), int)), None)
    if limit is None:
        return {}
    found = {"tokens": float(limit)}
    model = content.get("model")
    if isinstance(model, str):
        answer = AnnotatedLLMResponse(model=model, usage={"completion_tokens": limit})
        cost = model_pricing.price(answer, provider).cost
        if isinstance(cost, dict) and isinstance(cost.get("total"), (int, float)):
            found["usd"] = float(cost["total"])
    return found


def _annotated(response: Any, codec: Any) -> Any:
    if codec is not None:
        try:
            return codec.decode_response(response)
        except Exception:
            return None
    return codecs.decode_response_best_effort(response)


class Streamed:
    """What a streamed call took: its chunks put together, as far as somebody knows how.

    Args:
        context: the request's codec, which the chunks are of.
        content: the request.
    """

    def __init__(self, context: Any, content: Any) -> None:
        name = context.codec.id or codecs.detect_request(content)
        self._codec = None if name is None else codecs.resolve(name)
        self._assembler: Any = None if self._codec is None else codecs.assembler(self._codec)

    def push(self, chunk: Any) -> None:
        """Take one chunk."""
        if self._assembler is not None:
            try:
                self._assembler.push(chunk)
            except Exception:
                self._assembler = None  # what it is like nobody knows: the call counts, its tokens do not

    def spent(self, provider: str) -> dict[str, float]:
        """``tokens`` and ``usd``, as far as the stream has told."""
        if self._assembler is None:
            return {}
        try:
            return of_response(self._assembler.finish(), self._codec, provider)
        except Exception:
            return {}
