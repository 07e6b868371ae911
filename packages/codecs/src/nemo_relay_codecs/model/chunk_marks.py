# SPDX-License-Identifier: Apache-2.0
"""The data of ``llm.chunk`` marks: what a chunk was about, never what it said."""

from __future__ import annotations

from typing import Any

from nemo_relay_codecs.response_readers import present
from nemo_relay_codecs.values import is_u64

JsonObject = dict[str, Any]
_ANTHROPIC = frozenset(
    (
        *("message_start", "content_block_start", "content_block_delta", "content_block_stop"),
        *("message_delta", "message_stop", "ping"),
    )
)


def chunk_mark(chunk: Any, index: int) -> JsonObject:
    """The mark's data for one chunk of a stream; never raises.

    Args:
        chunk: JSON of any provider, or the object that its SDK makes of it.
        index: which one it is, from 0.

    Returns:
        The index, the provider and what the chunk is about, without its text.

    >>> chunk_mark({"type": "content_block_stop", "index": 0}, 3)
    {'chunk_index': 3, 'provider': 'anthropic_messages', 'event_type': 'content_block_stop', 'indices': {'index': 0}}
    """
    mark: JsonObject = {"chunk_index": index, "provider": "unknown"}
    if type(chunk) is not dict:
        chunk = getattr(chunk, "__dict__", None)  # an SDK's chunk object shows its members there
        if not isinstance(chunk, dict):
            return mark
    if chunk.get("object") == "chat.completion.chunk":
        return _chat(chunk, mark)
    kind = chunk.get("type")
    if isinstance(kind, str):
        if kind in _ANTHROPIC:
            return _anthropic(chunk, kind, mark)
        if kind.startswith("response."):
            return _responses(chunk, kind, mark)
    return mark


def _chat(chunk: JsonObject, mark: JsonObject) -> JsonObject:
    mark["provider"] = "openai_chat_completions"
    mark["event_type"] = "chat.completion.chunk"
    indices: list[int] = []
    reasons: list[JsonObject] = []
    choices = chunk.get("choices")
    for choice in choices if isinstance(choices, list) else ():
        index, reason = _member(choice, "index"), _member(choice, "finish_reason")
        known = {"choice_index": index} if is_u64(index) else {}
        indices += known.values()
        if isinstance(reason, str):
            reasons.append({**known, "finish_reason": reason})
    mark.update(present(choice_indices=indices or None, finish_reasons=reasons or None))
    return _with_usage(mark, _openai_usage(chunk.get("usage")))


def _responses(chunk: JsonObject, kind: str, mark: JsonObject) -> JsonObject:
    mark["provider"] = "openai_responses"
    mark["event_type"] = kind
    indices = {k: chunk[k] for k in ("output_index", "content_index") if is_u64(chunk.get(k))}
    response = chunk.get("response")
    status = _member(response, "status")
    reason = _member(_member(response, "incomplete_details"), "reason")
    mark.update(
        present(
            indices=indices or None,
            status=status if isinstance(status, str) else None,
            finish_reason=reason if isinstance(reason, str) else None,
        )
    )
    usage = _member(response, "usage")
    return _with_usage(mark, _openai_usage(chunk.get("usage") if usage is None else usage))


def _anthropic(chunk: JsonObject, kind: str, mark: JsonObject) -> JsonObject:
    mark["provider"] = "anthropic_messages"
    mark["event_type"] = kind
    index = chunk.get("index")
    reason = _member(chunk.get("delta"), "stop_reason")
    mark.update(
        present(
            indices={"index": index} if is_u64(index) else None,
            stop_reason=reason if isinstance(reason, str) else None,
        )
    )
    usage = chunk.get("usage")
    return _with_usage(mark, _anthropic_usage(_member(chunk.get("message"), "usage") if usage is None else usage))


def _member(value: Any, key: str) -> Any:
    if isinstance(value, dict):
        return value.get(key)
    return getattr(value, key, None) if value is not None else None


def _with_usage(mark: JsonObject, usage: JsonObject) -> JsonObject:
    if usage:
        mark["usage"] = usage
    return mark


def _count(usage: Any, *keys: str) -> int | None:
    for key in keys:
        found = _member(usage, key)
        if is_u64(found):
            return int(found)
    return None


def _openai_usage(usage: Any) -> JsonObject:
    if usage is None:
        return {}
    details = _member(usage, "prompt_tokens_details") or _member(usage, "input_tokens_details")
    return present(
        prompt_tokens=_count(usage, "prompt_tokens", "input_tokens"),
        completion_tokens=_count(usage, "completion_tokens", "output_tokens"),
        total_tokens=_count(usage, "total_tokens"),
        cache_read_tokens=_count(details, "cached_tokens"),
    )


def _anthropic_usage(usage: Any) -> JsonObject:
    if usage is None:
        return {}
    given, output = _count(usage, "input_tokens"), _count(usage, "output_tokens")
    return present(
        prompt_tokens=given,
        completion_tokens=output,
        total_tokens=None if given is None or output is None else given + output,
        cache_read_tokens=_count(usage, "cache_read_input_tokens"),
        cache_write_tokens=_count(usage, "cache_creation_input_tokens"),
    )
