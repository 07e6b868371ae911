# SPDX-License-Identifier: Apache-2.0
"""Cohere v2 chat, where it differs from OpenAI's."""

from __future__ import annotations

import math
from typing import Any, ClassVar

from msgspec import Struct

from nemo_relay_codecs import request_readers
from nemo_relay_codecs.base import JsonObject
from nemo_relay_codecs.model import cost, parts
from nemo_relay_codecs.openai_chat import request
from nemo_relay_codecs.openai_chat.parts import message_parts
from nemo_relay_codecs.request_readers import Member
from nemo_relay_codecs.response_readers import Document, present, uncached

ID = "cohere_chat"
_FINISH = {
    "COMPLETE": "complete",
    "STOP_SEQUENCE": "complete",
    "MAX_TOKENS": "length",
    "TOOL_CALL": "tool_use",
    "ERROR_TOXIC": "content_filter",
}
_RENAMED = ("top_p", "stop")
_MODELLED = frozenset(("id", "model", "message", "finish_reason", "usage", "logprobs"))


def _stop(value: Any, surface: str, key: str) -> list[str]:
    return request_readers.strings(value, f"{surface} stop_sequences value")


def _whole(count: float | None) -> int | None:
    return None if count is None or not math.isfinite(count) or count < 0 else int(count)


class CohereChatCodec(request.OpenAIChatCodec):
    """Cohere v2 chat: ``p`` and ``stop_sequences``, upper-case tool choices, one message instead of choices.

    >>> response = {"id": "r1", "finish_reason": "COMPLETE", "message": {"content": [{"type": "text", "text": "Hi"}]}}
    >>> view = CohereChatCodec().decode_response(response)
    >>> view.response_text(), view.finish_reason
    ('Hi', 'complete')
    """

    __slots__ = ()

    id: ClassVar[str] = ID
    surface: ClassVar[str] = "Cohere"
    label: ClassVar[str] = "Cohere"
    document: ClassVar[Document] = Document("Cohere")
    pricing_provider: ClassVar[str] = "cohere"
    members: ClassVar[dict[str, Member]] = {
        **{k: m for k, m in request.MEMBERS.items() if k not in _RENAMED},
        **request_readers.param(request_readers.number, "p", "top_p"),
        **request_readers.param(_stop, "stop_sequences", "stop"),
    }
    shape: ClassVar[type[Struct] | None] = request.chat_shape(members, stop_sequences=list[str] | None)
    wire_params: ClassVar[dict[str, str]] = {"top_p": "p", "stop": "stop_sequences"}
    wire_choices: ClassVar[dict[str, str]] = {"required": "REQUIRED", "none": "NONE"}
    hidden_keys: ClassVar[frozenset[str]] = frozenset(("tool_plan", "citations"))

    def _decode_choice(self, raw: Any) -> Any:
        return raw.lower() if raw in ("REQUIRED", "NONE") else super()._decode_choice(raw)

    def _read_response(self, response: Any) -> JsonObject:
        document = self.document
        root = document.root(response)
        message = {} if isinstance(root.get("message"), str) else document.mapping(root, "message") or {}
        reason = document.text(root, "finish_reason")
        fields = present(
            id=document.text(root, "id"),
            model=document.text(root, "model"),
            message=self._message_content(message),
            tool_calls=self._calls(message),
            finish_reason=None if reason is None else _FINISH.get(reason, reason),
        )
        usage = document.mapping(root, "usage")
        if usage is not None:
            fields["usage"] = self._usage(usage)
        rest = {k: v for k, v in message.items() if k not in ("role", "content", "tool_calls")}
        fields["api_specific"] = {"api": self.id, **present(logprobs=root.get("logprobs")), **rest}
        extra = {k: v for k, v in root.items() if k not in _MODELLED or (k == "message" and isinstance(v, str))}
        if extra:
            fields["extra"] = extra
        cost.add_estimate(fields, self.pricing_provider, self.id, usage)
        return fields

    def _usage(self, usage: JsonObject) -> JsonObject:
        document = self.document
        counts = document.mapping(usage, "tokens") or {}
        prompt, completion = document.number(counts, "input_tokens"), document.number(counts, "output_tokens")
        given, output = (_whole(n) for n in (prompt, completion))
        cached = document.number(usage, "cached_tokens")
        read = _whole(cached)
        return present(
            prompt_tokens=given,
            completion_tokens=output,
            total_tokens=None if given is None or output is None else given + output,
            cache_read_tokens=read,
            uncached_input_tokens=uncached(given, read),
        )

    def choices(self, response: Any) -> list[JsonObject]:
        """The one alternative of a response, its content as neutral parts."""
        root = response if isinstance(response, dict) else {}
        message = root.get("message")
        message = dict(message) if isinstance(message, dict) else {}
        plan, cited = message.pop("tool_plan", None), message.pop("citations", None)
        read = [parts.reasoning(plan)] if isinstance(plan, str) and plan else []
        read += message_parts(message)
        read += [parts.citation(c) for c in cited] if isinstance(cited, list) else []
        reason = root.get("finish_reason")
        known = _FINISH.get(reason, reason) if isinstance(reason, str) else None
        return [{"index": 0, "parts": read, **present(finish_reason=known)}]
