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
        AnnotatedLLMRequest as AnnotatedLLMRequest,
    )
    from nemo_relay_codecs import (
        AnnotatedLLMResponse as AnnotatedLLMResponse,
    )
    from nemo_relay_codecs import (
        AnthropicMessagesCodec as AnthropicMessagesCodec,
    )
    from nemo_relay_codecs import (
        Assembler as Assembler,
    )
    from nemo_relay_codecs import (
        BedrockConverseCodec as BedrockConverseCodec,
    )
    from nemo_relay_codecs import (
        CodecError as CodecError,
    )
    from nemo_relay_codecs import (
        CodecIdentity as CodecIdentity,
    )
    from nemo_relay_codecs import (
        CohereChatCodec as CohereChatCodec,
    )
    from nemo_relay_codecs import (
        GeminiGenerateContentCodec as GeminiGenerateContentCodec,
    )
    from nemo_relay_codecs import (
        InvalidPayload as InvalidPayload,
    )
    from nemo_relay_codecs import (
        LlmCodec as LlmCodec,
    )
    from nemo_relay_codecs import (
        LLMRequest as LLMRequest,
    )
    from nemo_relay_codecs import (
        LlmResponseCodec as LlmResponseCodec,
    )
    from nemo_relay_codecs import (
        MalformedBody as MalformedBody,
    )
    from nemo_relay_codecs import (
        MistralChatCodec as MistralChatCodec,
    )
    from nemo_relay_codecs import (
        OCIGenAIChatCodec as OCIGenAIChatCodec,
    )
    from nemo_relay_codecs import (
        OpenAIChatCodec as OpenAIChatCodec,
    )
    from nemo_relay_codecs import (
        OpenAIResponsesCodec as OpenAIResponsesCodec,
    )
    from nemo_relay_codecs import (
        SSEAssembler as SSEAssembler,
    )
    from nemo_relay_codecs import (
        SSEDecoder as SSEDecoder,
    )
    from nemo_relay_codecs import (
        TokenUsage as TokenUsage,
    )
    from nemo_relay_codecs import (
        assembler as assembler,
    )
    from nemo_relay_codecs import (
        by_reference as by_reference,
    )
    from nemo_relay_codecs import (
        chunk_mark as chunk_mark,
    )
    from nemo_relay_codecs import (
        decode_request_best_effort as decode_request_best_effort,
    )
    from nemo_relay_codecs import (
        decode_response_best_effort as decode_response_best_effort,
    )
    from nemo_relay_codecs import (
        deregister as deregister,
    )
    from nemo_relay_codecs import (
        detect_path as detect_path,
    )
    from nemo_relay_codecs import (
        detect_request as detect_request,
    )
    from nemo_relay_codecs import (
        detect_response as detect_response,
    )
    from nemo_relay_codecs import (
        identity_of as identity_of,
    )
    from nemo_relay_codecs import (
        register as register,
    )
    from nemo_relay_codecs import (
        resolve as resolve,
    )

__all__ = list(_codecs.__all__)


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = globals()[name] = getattr(_codecs, name)
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
