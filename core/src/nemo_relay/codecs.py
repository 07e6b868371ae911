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

All of it is ``nemo_relay_codecs``, a distribution of its own. Modules are loaded with the first codec that needs them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import nemo_relay_codecs as _codecs

if TYPE_CHECKING:
    from nemo_relay_codecs import (
        AnnotatedLLMRequest,
        AnnotatedLLMResponse,
        AnthropicMessagesCodec,
        Assembler,
        BedrockConverseCodec,
        CodecError,
        CodecIdentity,
        CohereChatCodec,
        GeminiGenerateContentCodec,
        InvalidPayload,
        LlmCodec,
        LLMRequest,
        LlmResponseCodec,
        MalformedBody,
        MistralChatCodec,
        OCIGenAIChatCodec,
        OpenAIChatCodec,
        OpenAIResponsesCodec,
        SSEAssembler,
        SSEDecoder,
        TokenUsage,
        assembler,
        by_reference,
        chunk_mark,
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
    "LLMRequest",
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


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = globals()[name] = getattr(_codecs, name)
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
