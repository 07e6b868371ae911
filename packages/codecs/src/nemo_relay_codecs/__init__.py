# SPDX-License-Identifier: Apache-2.0
"""Codecs: one view of every provider's requests, responses and streams, of what was used, and of what it cost.

A codec reads a provider's request into an `AnnotatedLLMRequest`, merges edits of that view back into the provider's
own format, and reads a response into an `AnnotatedLLMResponse`:

>>> import nemo_relay_codecs as codecs
>>> codec = codecs.resolve("openai_chat")
>>> request = codecs.LLMRequest({}, {"model": "m-1", "messages": [{"role": "user", "content": "Hi"}]})
>>> view = codec.decode(request)
>>> view.messages = [{"role": "system", "content": "Be brief."}, *view.messages]
>>> codec.encode(view, request).content["messages"][0]
{'role': 'system', 'content': 'Be brief.'}

This package knows nothing of the runtime, which offers it as ``nemo_relay.codecs`` and its prices as
``nemo_relay.model_pricing``. One folder holds what is particular to one provider; modules are loaded with the first
codec that needs them.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from nemo_relay_codecs._version import __version__ as __version__

if TYPE_CHECKING:
    from nemo_relay_codecs.anthropic.request import AnthropicMessagesCodec as AnthropicMessagesCodec
    from nemo_relay_codecs.assembly import Assembler as Assembler
    from nemo_relay_codecs.bedrock.request import BedrockConverseCodec as BedrockConverseCodec
    from nemo_relay_codecs.cohere.request import CohereChatCodec as CohereChatCodec
    from nemo_relay_codecs.errors import CodecError as CodecError
    from nemo_relay_codecs.errors import InvalidPayload as InvalidPayload
    from nemo_relay_codecs.errors import MalformedBody as MalformedBody
    from nemo_relay_codecs.gemini.request import GeminiGenerateContentCodec as GeminiGenerateContentCodec
    from nemo_relay_codecs.mistral.request import MistralChatCodec as MistralChatCodec
    from nemo_relay_codecs.model.chunk_marks import chunk_mark as chunk_mark
    from nemo_relay_codecs.model.media import by_reference as by_reference
    from nemo_relay_codecs.model.request import AnnotatedLLMRequest as AnnotatedLLMRequest
    from nemo_relay_codecs.model.response import AnnotatedLLMResponse as AnnotatedLLMResponse
    from nemo_relay_codecs.model.tokens import TokenUsage as TokenUsage
    from nemo_relay_codecs.oci.request import OCIGenAIChatCodec as OCIGenAIChatCodec
    from nemo_relay_codecs.openai_chat.request import OpenAIChatCodec as OpenAIChatCodec
    from nemo_relay_codecs.openai_responses.request import OpenAIResponsesCodec as OpenAIResponsesCodec
    from nemo_relay_codecs.protocols import LlmCodec as LlmCodec
    from nemo_relay_codecs.protocols import LlmResponseCodec as LlmResponseCodec
    from nemo_relay_codecs.request import LLMRequest as LLMRequest
    from nemo_relay_codecs.sse import SSEAssembler as SSEAssembler
    from nemo_relay_codecs.sse import SSEDecoder as SSEDecoder
    from nemo_relay_codecs.surfaces import CodecIdentity as CodecIdentity
    from nemo_relay_codecs.surfaces import assembler as assembler
    from nemo_relay_codecs.surfaces import decode_request_best_effort as decode_request_best_effort
    from nemo_relay_codecs.surfaces import decode_response_best_effort as decode_response_best_effort
    from nemo_relay_codecs.surfaces import deregister as deregister
    from nemo_relay_codecs.surfaces import detect_path as detect_path
    from nemo_relay_codecs.surfaces import detect_request as detect_request
    from nemo_relay_codecs.surfaces import detect_response as detect_response
    from nemo_relay_codecs.surfaces import identity_of as identity_of
    from nemo_relay_codecs.surfaces import register as register
    from nemo_relay_codecs.surfaces import resolve as resolve

_HOMES = {
    "AnnotatedLLMRequest": "model.request",
    "AnnotatedLLMResponse": "model.response",
    "AnthropicMessagesCodec": "anthropic.request",
    "Assembler": "assembly",
    "BedrockConverseCodec": "bedrock.request",
    "CodecError": "errors",
    "CodecIdentity": "surfaces",
    "CohereChatCodec": "cohere.request",
    "GeminiGenerateContentCodec": "gemini.request",
    "InvalidPayload": "errors",
    "LLMRequest": "request",
    "LlmCodec": "protocols",
    "LlmResponseCodec": "protocols",
    "MalformedBody": "errors",
    "MistralChatCodec": "mistral.request",
    "OCIGenAIChatCodec": "oci.request",
    "OpenAIChatCodec": "openai_chat.request",
    "OpenAIResponsesCodec": "openai_responses.request",
    "SSEAssembler": "sse",
    "SSEDecoder": "sse",
    "TokenUsage": "model.tokens",
    "assembler": "surfaces",
    "by_reference": "model.media",
    "chunk_mark": "model.chunk_marks",
    "decode_request_best_effort": "surfaces",
    "decode_response_best_effort": "surfaces",
    "deregister": "surfaces",
    "detect_path": "surfaces",
    "detect_request": "surfaces",
    "detect_response": "surfaces",
    "identity_of": "surfaces",
    "register": "surfaces",
    "resolve": "surfaces",
}
__all__ = list(_HOMES)


def __getattr__(name: str) -> Any:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f"{__name__}.{home}"), name)
    if isinstance(value, type) and value.__module__.startswith(f"{__name__}."):
        value.__module__ = __name__  # what tracebacks, reprs and pickles say
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOMES})
