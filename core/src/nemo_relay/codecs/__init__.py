# SPDX-License-Identifier: Apache-2.0
"""Codecs: one view of every provider's requests, responses and streams.

A codec reads a provider's request into an `AnnotatedLLMRequest`, merges edits of that view back into the provider's
own format, and reads a response into an `AnnotatedLLMResponse`. It is passed to a managed call:

>>> from nemo_relay import codecs
>>> from nemo_relay.codecs import LLMRequest
>>> codec = codecs.resolve("openai_chat")
>>> request = LLMRequest({}, {"model": "m-1", "messages": [{"role": "user", "content": "Hi"}]})
>>> view = codec.decode(request)
>>> view.messages = [{"role": "system", "content": "Be brief."}, *view.messages]
>>> codec.encode(view, request).content["messages"][0]
{'role': 'system', 'content': 'Be brief.'}

Modules are loaded with the first codec that needs them.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

from nemo_relay._codecs.model.request import AnnotatedLLMRequest
from nemo_relay._codecs.model.response import AnnotatedLLMResponse
from nemo_relay._codecs.surfaces import BUILTIN as BUILTIN
from nemo_relay._codecs.surfaces import (
    CodecIdentity,
    assembler,
    decode_request_best_effort,
    decode_response_best_effort,
    deregister,
    detect_path,
    detect_request,
    detect_response,
    identity_of,
    register,
    resolve,
)
from nemo_relay._runtime.managed.request import LLMRequest as LLMRequest

if TYPE_CHECKING:
    from nemo_relay._codecs.anthropic.request import AnthropicMessagesCodec
    from nemo_relay._codecs.assembly import Assembler
    from nemo_relay._codecs.bedrock.request import BedrockConverseCodec
    from nemo_relay._codecs.cohere.request import CohereChatCodec
    from nemo_relay._codecs.errors import CodecError, InvalidPayload, MalformedBody
    from nemo_relay._codecs.gemini.request import GeminiGenerateContentCodec
    from nemo_relay._codecs.mistral.request import MistralChatCodec
    from nemo_relay._codecs.model.chunk_marks import chunk_mark
    from nemo_relay._codecs.model.media import by_reference
    from nemo_relay._codecs.model.tokens import TokenUsage
    from nemo_relay._codecs.oci.request import OCIGenAIChatCodec
    from nemo_relay._codecs.openai_chat.request import OpenAIChatCodec
    from nemo_relay._codecs.openai_responses.request import OpenAIResponsesCodec
    from nemo_relay._codecs.sse import SSEAssembler, SSEDecoder

Json = Any

__all__ = [
    "AnnotatedLLMRequest",
    "AnnotatedLLMResponse",
    "AnthropicMessagesCodec",
    "Assembler",
    "BedrockConverseCodec",
    "CodecError",
    "CodecIdentity",
    "CohereChatCodec",
    "GeminiGenerateContentCodec",
    "InvalidPayload",
    "LlmCodec",
    "LlmResponseCodec",
    "MalformedBody",
    "MistralChatCodec",
    "OCIGenAIChatCodec",
    "OpenAIChatCodec",
    "OpenAIResponsesCodec",
    "SSEAssembler",
    "SSEDecoder",
    "TokenUsage",
    "assembler",
    "by_reference",
    "chunk_mark",
    "decode_request_best_effort",
    "decode_response_best_effort",
    "deregister",
    "detect_path",
    "detect_request",
    "detect_response",
    "identity_of",
    "register",
    "resolve",
]

_LAZY = {
    **{codec: module for module, codec, _, _ in BUILTIN.values()},
    "Assembler": "assembly",
    "CodecError": "errors",
    "InvalidPayload": "errors",
    "MalformedBody": "errors",
    "SSEAssembler": "sse",
    "SSEDecoder": "sse",
    "TokenUsage": "model.tokens",
    "by_reference": "model.media",
    "chunk_mark": "model.chunk_marks",
}


def __getattr__(name: str) -> Any:
    module = _LAZY.get(name)
    if module is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(importlib.import_module(f"nemo_relay._codecs.{module}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_LAZY})


@runtime_checkable
class LlmCodec(Protocol):
    """A request codec. Methods are synchronous and must be safe to call from any thread."""

    def decode(self, request: LLMRequest) -> AnnotatedLLMRequest:
        """The request in the normalised shape."""
        ...

    def encode(self, annotated: AnnotatedLLMRequest, original: LLMRequest) -> LLMRequest:
        """``original`` with the edits of ``annotated`` merged in."""
        ...


@runtime_checkable
class LlmResponseCodec(Protocol):
    """A response codec. The method is synchronous and must be safe to call from any thread."""

    def decode_response(self, response: Json) -> AnnotatedLLMResponse:
        """The response in the normalised shape."""
        ...
