# SPDX-License-Identifier: Apache-2.0
"""Mistral chat completions, where they differ from OpenAI's."""

from __future__ import annotations

from typing import Any, ClassVar

from nemo_relay_codecs.base import JsonObject
from nemo_relay_codecs.openai_chat import request
from nemo_relay_codecs.openai_chat.parts import choice_of
from nemo_relay_codecs.openai_chat.response import FINISH
from nemo_relay_codecs.request_readers import Member
from nemo_relay_codecs.response_readers import Document
from nemo_relay_codecs.values import text_of

ID = "mistral_chat"
_FINISH = {**FINISH, "model_length": "length"}


class MistralChatCodec(request.OpenAIChatCodec):
    """Mistral chat completions: content in chunks, thinking, ``any`` as a tool choice, arguments as objects.

    >>> response = {"choices": [{"message": {"content": [{"type": "text", "text": "Hi"}]}}]}
    >>> MistralChatCodec().decode_response(response).response_text()
    'Hi'
    """

    __slots__ = ()

    id: ClassVar[str] = ID
    surface: ClassVar[str] = "Mistral"
    label: ClassVar[str] = "Mistral"
    document: ClassVar[Document] = Document("Mistral")
    pricing_provider: ClassVar[str] = "mistral"
    members: ClassVar[dict[str, Member]] = request.MEMBERS
    wire_choices: ClassVar[dict[str, str]] = {"required": "any"}
    hidden_keys: ClassVar[frozenset[str]] = frozenset(("prefix",))

    def _message(self, raw: Any) -> JsonObject:
        if isinstance(raw, dict) and raw.get("role") == "tool" and "name" in raw:
            raw = {k: v for k, v in raw.items() if k != "name"}
        if isinstance(raw, dict) and raw.get("role") == "assistant" and isinstance(raw.get("tool_calls"), list):
            raw = {**raw, "tool_calls": [_call(call) for call in raw["tool_calls"]]}
        return super()._message(raw)

    def _image(self, raw: JsonObject) -> JsonObject:
        if isinstance(raw.get("image_url"), str):
            return {**raw, "image_url": {"url": raw["image_url"]}}
        return super()._image(raw)

    def _decode_choice(self, raw: Any) -> Any:
        return "required" if raw == "any" else super()._decode_choice(raw)

    def _choice(self, choice: JsonObject) -> JsonObject:
        fields = super()._choice(choice)
        if fields.get("finish_reason") == "model_length":
            fields["finish_reason"] = "length"
        return fields

    def _arguments(self, function: JsonObject) -> Any:
        value = function.get("arguments")
        return value if isinstance(value, dict) else super()._arguments(function)

    def choices(self, response: Any) -> list[JsonObject]:
        """Every alternative of a response, its content as neutral parts."""
        raw = response.get("choices") or ()
        return [choice_of(choice, position, _FINISH) for position, choice in enumerate(raw)]


def _call(call: Any) -> Any:
    """A call of a request as OpenAI writes it: Mistral takes arguments as an object, and calls without a type."""
    function = call.get("function") if isinstance(call, dict) else None
    if not isinstance(function, dict):
        return call
    if isinstance(function.get("arguments"), dict):
        function = {**function, "arguments": text_of(function["arguments"])}
    return {**call, "type": call.get("type") or "function", "function": function}
