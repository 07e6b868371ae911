# SPDX-License-Identifier: Apache-2.0
"""Which codec a payload belongs to: by name, by shape of a request or response, by path of a URL."""

from __future__ import annotations

import importlib
import threading
from functools import cache
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from nemo_relay_codecs.assembly import Assembler
    from nemo_relay_codecs.base import Codec

_PACKAGE = "nemo_relay_codecs"
# id -> (module, codec class, module of the assembler, assembler class)
BUILTIN: dict[str, tuple[str, str, str, str]] = {
    "openai_chat": ("openai_chat.request", "OpenAIChatCodec", "openai_chat.stream", "ChatAssembler"),
    "openai_responses": (
        *("openai_responses.request", "OpenAIResponsesCodec"),
        *("openai_responses.stream", "ResponsesAssembler"),
    ),
    "anthropic_messages": ("anthropic.request", "AnthropicMessagesCodec", "anthropic.stream", "AnthropicAssembler"),
    "gemini_generate_content": ("gemini.request", "GeminiGenerateContentCodec", "gemini.stream", "GeminiAssembler"),
    "oci_genai": ("oci.request", "OCIGenAIChatCodec", "oci.stream", "OCIAssembler"),
    "bedrock_converse": ("bedrock.request", "BedrockConverseCodec", "bedrock.stream", "BedrockAssembler"),
    "cohere_chat": ("cohere.request", "CohereChatCodec", "cohere.stream", "CohereAssembler"),
    "mistral_chat": ("mistral.request", "MistralChatCodec", "mistral.stream", "MistralAssembler"),
}
_ALIASES = {
    **dict.fromkeys(("openai", "openai.chat", "openai_chat_completions", "openai.chat_completions"), "openai_chat"),
    **dict.fromkeys(("chat", "chat_completions", "azure", "azure_openai"), "openai_chat"),
    **dict.fromkeys(("openai.responses", "responses"), "openai_responses"),
    **dict.fromkeys(("anthropic", "anthropic.messages", "claude"), "anthropic_messages"),
    **dict.fromkeys(("gemini", "google", "gemini.generate_content", "vertex"), "gemini_generate_content"),
    **dict.fromkeys(("oci", "oci.genai"), "oci_genai"),
    **dict.fromkeys(("bedrock", "bedrock.converse"), "bedrock_converse"),
    **dict.fromkeys(("cohere", "cohere.chat"), "cohere_chat"),
    **dict.fromkeys(("mistral", "mistral.chat"), "mistral_chat"),
}
_custom: dict[str, Any] = {}
_custom_lock = threading.Lock()


class CodecIdentity(NamedTuple):
    """What a context says of the codec in use: ``kind`` is ``none``, ``builtin`` or ``opaque``."""

    kind: str
    id: str | None


def identity_of(codec: Any) -> CodecIdentity:
    """The identity of a codec object, of None for no codec."""
    if codec is None:
        return CodecIdentity("none", None)
    builtin = getattr(codec, "codec_kind", None) == "builtin"
    return CodecIdentity("builtin", codec.codec_id) if builtin else CodecIdentity("opaque", None)


@cache
def _builtin(name: str) -> Codec:
    module, cls, _, _ = BUILTIN[name]
    codec: Codec = getattr(importlib.import_module(f"{_PACKAGE}.{module}"), cls)()
    return codec


def register(name: str, codec: Any) -> None:
    """Make a codec of the application available under ``name``.

    Args:
        name: in any case; not one of a built-in codec.
        codec: an object with the methods of ``LlmCodec``, ``LlmResponseCodec`` or both.

    Raises:
        ValueError: the name is a built-in's or taken.
    """
    key = name.strip().lower()
    with _custom_lock:
        if key in BUILTIN or key in _ALIASES or key in _custom:
            raise ValueError(f"codec name {name!r} is taken; deregister it first or use another")
        _custom[key] = codec


def deregister(name: str) -> bool:
    """Forget a registered codec; False if there was none."""
    with _custom_lock:
        return _custom.pop(name.strip().lower(), None) is not None


def resolve(name: str) -> Any:
    """The codec of a name: an id, a provider's usual name, or a registered one.

    Raises:
        LookupError: nobody has that name.
    """
    key = name.strip().lower()
    if key in _custom:
        return _custom[key]
    key = _ALIASES.get(key, key)
    if key not in BUILTIN:
        known = ", ".join(sorted({*BUILTIN, *_custom}))
        raise LookupError(f"no codec is named {name!r}; known are {known}")
    return _builtin(key)


def assembler(codec: Any) -> Assembler:
    """A fresh assembler for a codec, given by object or by name.

    Raises:
        LookupError: the codec has none. Give a codec of your own an ``assembler()`` method.
    """
    if isinstance(codec, str):
        codec = resolve(codec)
    own = getattr(codec, "assembler", None)
    if callable(own):
        made: Assembler = own()
        return made
    entry = BUILTIN.get(getattr(codec, "id", None) or "")
    if entry is None:
        raise LookupError(f"{codec!r} has no stream assembler; give it an assembler() method that returns one")
    made = getattr(importlib.import_module(f"{_PACKAGE}.{entry[2]}"), entry[3])()
    return made


def detect_request(content: Any, hint: str | None = None) -> str | None:
    """The id of the surface that a request body belongs to, None if it looks like none.

    Args:
        content: the body.
        hint: a provider name that the caller knows, for bodies that several providers share.
    """
    if not isinstance(content, dict):
        return None
    named = (hint or "").strip().lower()
    if "input" in content or "instructions" in content or isinstance(content.get("prompt"), dict):
        return "openai_responses"
    if _is_bedrock(content):
        return "bedrock_converse"
    if "system" in content or (named in ("anthropic", "anthropic.messages") and "messages" in content):
        return "anthropic_messages"
    if _is_oci(content, named):
        return "oci_genai"
    if "messages" in content:
        return {"cohere": "cohere_chat", "mistral": "mistral_chat"}.get(named, "openai_chat")
    return "gemini_generate_content" if "contents" in content else None


def _is_oci(content: dict[str, Any], hint: str) -> bool:
    nested = isinstance(content.get("chatRequest"), dict)
    return (
        (nested and ("servingMode" in content or "compartmentId" in content))
        or "apiFormat" in content
        or (nested and hint in ("oci", "oci.genai"))
    )


def _is_bedrock(content: dict[str, Any]) -> bool:
    return "messages" in content and ("inferenceConfig" in content or "toolConfig" in content or "modelId" in content)


def detect_response(response: Any) -> str | None:
    """The id of the one surface whose shape a response has; None if it has none or more than one."""
    if not isinstance(response, dict):
        return None
    found = [name for name, test in _RESPONSE_TESTS.items() if test(response)]
    return found[0] if len(found) == 1 else None


def _gemini_response(response: dict[str, Any]) -> bool:
    feedback = response.get("promptFeedback")
    blocked = isinstance(feedback, dict) and ("blockReason" in feedback or "safetyRatings" in feedback)
    return isinstance(response.get("candidates"), list) or blocked


def _oci_response(response: dict[str, Any]) -> bool:
    inner = response.get("chatResponse")
    return "apiFormat" in (inner if isinstance(inner, dict) else response)


def _bedrock_response(response: dict[str, Any]) -> bool:
    output = response.get("output")
    return isinstance(output, dict) and isinstance(output.get("message"), dict)


def _cohere_response(response: dict[str, Any]) -> bool:
    usage = response.get("usage")
    counted = isinstance(usage, dict) and ("billed_units" in usage or "tokens" in usage)
    return counted and isinstance(response.get("message"), dict)


_RESPONSE_TESTS = {
    "openai_chat": lambda r: isinstance(r.get("choices"), list),
    "openai_responses": lambda r: isinstance(r.get("output"), list) or isinstance(r.get("output_text"), str),
    "anthropic_messages": lambda r: r.get("type") == "message" and isinstance(r.get("content"), list),
    "oci_genai": _oci_response,
    "gemini_generate_content": _gemini_response,
    "bedrock_converse": _bedrock_response,
    "cohere_chat": _cohere_response,
}
_ROUTES = (
    ("/chat/completions", "openai_chat"),
    ("/responses", "openai_responses"),
    ("/messages", "anthropic_messages"),
    (":generatecontent", "gemini_generate_content"),
    (":streamgeneratecontent", "gemini_generate_content"),
    ("/actions/chat", "oci_genai"),
    ("/converse", "bedrock_converse"),
    ("/converse-stream", "bedrock_converse"),
    ("/v2/chat", "cohere_chat"),
)
# Vertex AI and Bedrock carry the makers' own formats; the path names the maker.
_CLOUD_ROUTES = (":rawpredict", ":streamrawpredict", "/invoke", "/invoke-with-response-stream")
_CLOUD_MAKERS = {"anthropic": "anthropic_messages", "claude": "anthropic_messages", "mistral": "mistral_chat"}


def detect_path(path: str) -> str | None:
    """The id of the surface that a URL's path belongs to, None if it is no model call."""
    trimmed = path.partition("?")[0].rstrip("/").lower()
    if trimmed.endswith(_CLOUD_ROUTES):
        return next((name for maker, name in _CLOUD_MAKERS.items() if maker in trimmed), None)
    return next((name for suffix, name in _ROUTES if trimmed.endswith(suffix)), None)


def decode_request_best_effort(request: Any, hint: str | None = None) -> Any:
    """The annotation of a request nobody named a codec for, None if its shape is unknown or it cannot be read.

    Args:
        request: an ``LLMRequest``.
        hint: a provider name that the caller knows, for bodies that several providers share.

    Returns:
        The annotation, or None.
    """
    name = detect_request(request.content, hint)
    return None if name is None else _quietly(_builtin(name).decode, request)


def decode_response_best_effort(response: Any) -> Any:
    """The annotation of a response nobody named a codec for, None if its shape is unknown or it cannot be read."""
    name = detect_response(response)
    return None if name is None else _quietly(_builtin(name).decode_response, response)


def _quietly(decode: Any, value: Any) -> Any:
    try:
        return decode(value)
    except (RuntimeError, ValueError, TypeError):
        return None
