# SPDX-License-Identifier: Apache-2.0
"""OpenAI Chat Completions, responses."""

from __future__ import annotations

from typing import Any, ClassVar

from nemo_relay_codecs.model import cost
from nemo_relay_codecs.openai_chat.content import content_of
from nemo_relay_codecs.openai_chat.parts import choice_of
from nemo_relay_codecs.response_readers import Document, JsonObject, present, uncached
from nemo_relay_codecs.values import is_u64, parsed, text_of

FINISH = {
    "stop": "complete",
    "length": "length",
    "tool_calls": "tool_use",
    "function_call": "tool_use",
    "content_filter": "content_filter",
}
# Where others state what OpenAI states in the details: Moonshot and Together, DeepSeek, routers to Claude.
CACHED = ("cached_tokens", "prompt_cache_hit_tokens", "cache_read_input_tokens")
_MODELLED = frozenset(("id", "model", "choices", "system_fingerprint", "service_tier", "usage"))
_DOCUMENT = Document("OpenAI Chat")


class ChatResponses:
    """The response side of the Chat codec and of those that stand on it."""

    __slots__ = ()

    id: ClassVar[str]
    document: ClassVar[Document] = _DOCUMENT
    pricing_provider: ClassVar[str] = "openai"

    def _read_response(self, response: Any) -> JsonObject:
        document = self.document
        root = document.root(response)
        fields = present(id=document.text(root, "id"), model=document.text(root, "model"))
        first: JsonObject | None = None
        for choice in document.objects(root, "choices"):
            read = self._choice(choice)
            first = read if first is None else first
        first = first or {}
        logprobs = first.pop("logprobs", None)
        fields.update(first)
        usage = document.mapping(root, "usage")
        if usage is not None:
            fields["usage"] = self._usage(usage)
        fields["api_specific"] = {
            "api": self.id,
            **present(
                logprobs=logprobs,
                system_fingerprint=document.text(root, "system_fingerprint"),
                service_tier=document.text(root, "service_tier"),
            ),
        }
        extra = {k: v for k, v in root.items() if k not in _MODELLED}
        if extra:
            fields["extra"] = extra
        cost.add_estimate(fields, self.pricing_provider, self.id, usage)
        return fields

    def _choice(self, choice: JsonObject) -> JsonObject:
        """The normalised fields of one choice; each choice is checked, the first is used."""
        document = self.document
        message = document.mapping(choice, "message") or {}
        reason = document.text(choice, "finish_reason")
        return present(
            message=self._message_content(message),
            tool_calls=self._calls(message),
            finish_reason=FINISH.get(reason, reason) if reason else None,
            logprobs=choice.get("logprobs"),
        )

    def _message_content(self, message: JsonObject) -> Any:
        content = message.get("content")
        if isinstance(content, list):
            return content_of(content, self.id)
        return text_of(content) if isinstance(content, dict) else self.document.text(message, "content")

    def _calls(self, message: JsonObject) -> list[JsonObject] | None:
        document = self.document
        if message.get("tool_calls") is None:
            return None
        out = []
        for call in document.objects(message, "tool_calls"):
            call_id = document.text(call, "id")
            function = document.mapping(call, "function") or {}
            name = document.text(function, "name")
            arguments = self._arguments(function)
            if call.get("type") == "custom" and name is None and isinstance(call.get("custom"), dict):
                name, arguments = document.text(call["custom"], "name"), call["custom"].get("input")
            if name or (name is not None and (call_id or arguments)):
                out.append({"id": call_id or "", "name": name, "arguments": arguments})
        return out

    def _arguments(self, function: JsonObject) -> Any:
        text = self.document.text(function, "arguments")
        return {} if text is None or not text.strip() else parsed(text)

    def _usage(self, usage: JsonObject) -> JsonObject:
        document = self.document
        prompt = document.count(usage, "prompt_tokens")
        details = document.mapping(usage, "prompt_tokens_details") or {}
        cached = document.count(details, "cached_tokens")
        cached = cached or max((n for key in CACHED if is_u64(n := usage.get(key))), default=cached)
        return present(
            prompt_tokens=prompt,
            completion_tokens=document.count(usage, "completion_tokens"),
            total_tokens=document.count(usage, "total_tokens"),
            cache_read_tokens=cached,
            uncached_input_tokens=uncached(prompt, cached),
            cost=cost.reported(usage, document),
        )

    def choices(self, response: Any) -> list[JsonObject]:
        """Every alternative of a response, its content as neutral parts."""
        raw = response.get("choices") or ()
        return [choice_of(choice, position, FINISH) for position, choice in enumerate(raw)]
