# SPDX-License-Identifier: Apache-2.0
"""The normalised model: what a caller may assign to an annotation, and the copy the annotation keeps.

Every function takes a fresh copy (see `values.owned`), checks it and drops what the model does not know.
A failure is a `ValueError` whose text is the detail; the attribute adds its own introduction.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from nemo_relay_codecs.values import I64_MIN, is_u64, owned

JsonObject = dict[str, Any]
Check = Callable[[Any, str], Any]


def _fail(detail: str) -> ValueError:
    return ValueError(detail)


def _kind(value: Any) -> str:
    return type(value).__name__


def _object(value: Any, what: str) -> JsonObject:
    if isinstance(value, dict):
        return value
    raise _fail(f"{what}: expected an object, not {_kind(value)}")


def _list(value: Any, what: str) -> list[Any]:
    if isinstance(value, list):
        return value
    raise _fail(f"{what}: expected a list, not {_kind(value)}")


def text(value: Any, what: str) -> str:
    """A string."""
    if isinstance(value, str):
        return value
    raise _fail(f"{what}: expected a string, not {_kind(value)}")


def flag(value: Any, what: str) -> bool:
    """A bool."""
    if isinstance(value, bool):
        return value
    raise _fail(f"{what}: expected a bool, not {_kind(value)}")


def tokens(value: Any, what: str) -> int:
    """An integer from 0 to 2**64 - 1."""
    if is_u64(value):
        return value
    raise _fail(f"{what}: expected an integer from 0 to 2**64 - 1, not {value!r}")


def signed(value: Any, what: str) -> int:
    """An integer from -2**63 to 2**63 - 1."""
    if type(value) is int and I64_MIN <= value < -I64_MIN:
        return value
    raise _fail(f"{what}: expected a 64-bit integer, not {value!r}")


def real(value: Any, what: str) -> float:
    """A number, as a float."""
    if type(value) in (int, float):
        return float(value)
    raise _fail(f"{what}: expected a number, not {_kind(value)}")


def anything(value: Any, what: str) -> Any:
    """Any JSON value."""
    return value


def items(value: Any, what: str) -> list[Any]:
    """A list of any JSON values."""
    return _list(value, what)


def texts(value: Any, what: str) -> list[str]:
    """A list of strings."""
    return [text(item, what) for item in _list(value, what)]


def _shaped(
    value: JsonObject,
    required: dict[str, Check],
    optional: dict[str, Check],
    *,
    keep_unknown: bool = False,
    nulls: bool = False,
) -> JsonObject:
    """``value`` with its members checked, in its own key order."""
    for key in required:
        if key not in value:
            raise _fail(f"missing field {key!r}")
    out: JsonObject = {}
    for key, item in value.items():
        if key in required:
            out[key] = required[key](item, key)
        elif key in optional:
            if item is not None:
                out[key] = optional[key](item, key)
            elif nulls:
                out[key] = None
        elif keep_unknown:
            out[key] = item
    return out


def _tag(value: JsonObject, key: str, known: dict[str, Any]) -> str:
    tag = value.get(key)
    if key not in value:
        raise _fail(f"missing field {key!r}")
    if not isinstance(tag, str) or tag not in known:
        raise _fail(f"unknown {key} {tag!r}, expected one of {', '.join(known)}")
    return tag


def _literal(value: Any, what: str) -> Any:
    return value


_NATIVE: dict[str, Check] = {"provider": text, "kind": text, "value": anything}


def _image_url(value: Any, what: str) -> JsonObject:
    return _shaped(_object(value, what), {"url": text}, {"detail": text})


_PARTS: dict[str, tuple[dict[str, Check], dict[str, Check]]] = {
    "text": ({"type": _literal, "text": text}, {}),
    "image_url": ({"type": _literal, "image_url": _image_url}, {}),
    "image": ({"type": _literal, "image": anything}, {}),
    "audio": ({"type": _literal, "audio": anything}, {}),
    "file": ({"type": _literal, "file": anything}, {}),
    "refusal": ({"type": _literal, "refusal": text}, {}),
    "tool_use": ({"type": _literal, "id": text, "name": text, "input": anything}, {}),
    "tool_result": ({"type": _literal, "tool_use_id": text, "content": anything}, {"is_error": flag}),
    "provider_native": ({"type": _literal, **_NATIVE}, {}),
}


def part(value: Any, what: str = "content part") -> JsonObject:
    """One content part."""
    value = _object(value, what)
    tag = _tag(value, "type", _PARTS)
    required, optional = _PARTS[tag]
    return _shaped(value, required, optional, keep_unknown=tag != "provider_native")


def content(value: Any, what: str = "content") -> Any:
    """Message content: a string or a list of parts."""
    if isinstance(value, str):
        return value
    if isinstance(value, list):
        return [part(item) for item in value]
    raise _fail(f"{what}: expected a string or a list of content parts, not {_kind(value)}")


def _called_function(value: Any, what: str) -> JsonObject:
    return _shaped(_object(value, what), {"name": text, "arguments": text}, {})


def _calls(value: Any, what: str) -> list[JsonObject]:
    shape: dict[str, Check] = {"id": text, "type": text, "function": _called_function}
    return [_shaped(_object(item, what), shape, {}) for item in _list(value, what)]


def _nullable_text(value: Any, what: str) -> str | None:
    return None if value is None else text(value, what)


_SPOKEN: tuple[dict[str, Check], dict[str, Check]] = ({"role": _literal, "content": content}, {"name": text})
_MESSAGES: dict[str, tuple[dict[str, Check], dict[str, Check]]] = {
    "system": _SPOKEN,
    "user": _SPOKEN,
    "developer": _SPOKEN,
    "assistant": ({"role": _literal}, {"content": content, "tool_calls": _calls, "name": text}),
    "tool": ({"role": _literal, "content": content, "tool_call_id": text}, {}),
    "function": ({"role": _literal, "name": text, "content": _nullable_text}, {}),
    "tool_call": ({"role": _literal, "call_id": text, "name": text, "arguments": anything}, {"id": text}),
    "tool_result": ({"role": _literal, "call_id": text, "output": anything}, {"id": text}),
    "provider_native": ({"role": _literal, **_NATIVE}, {}),
}


def message(value: Any, what: str = "message") -> JsonObject:
    """One message."""
    value = _object(value, what)
    role = _tag(value, "role", _MESSAGES)
    if role == "function" and "content" not in value:
        value = {**value, "content": None}
    required, optional = _MESSAGES[role]
    return _shaped(value, required, optional, keep_unknown=role in ("tool_call", "tool_result"))


def messages(value: Any) -> list[JsonObject]:
    """The conversation."""
    return [message(item) for item in _list(owned(value), "messages")]


def _function(value: Any, what: str) -> JsonObject:
    optional: dict[str, Check] = {"description": text, "parameters": anything, "strict": flag}
    return _shaped(_object(value, what), {"name": text}, optional, keep_unknown=True)


def _tool(value: Any, what: str) -> JsonObject:
    value = _object(value, what)
    shapes: dict[str, dict[str, Check]] = {
        "function": {"type": _literal, "function": _function},
        "provider_native": {"type": _literal, **_NATIVE},
    }
    tag = _tag(value, "type", shapes)
    return _shaped(value, shapes[tag], {}, keep_unknown=tag == "function")


def tools(value: Any) -> list[JsonObject]:
    """The tools offered."""
    return [_tool(item, "tool") for item in _list(owned(value), "tools")]


def tool_choice(value: Any) -> Any:
    """``auto``, ``none``, ``required``, a named function, or a provider's own object."""
    value = owned(value)
    if isinstance(value, str):
        if value in ("auto", "none", "required"):
            return value
        raise _fail(f"unknown choice {value!r}, expected auto, none or required")
    value = _object(value, "tool_choice")
    if "provider" in value and "kind" in value:
        return _shaped(value, dict(_NATIVE), {})

    def named(item: Any, what: str) -> JsonObject:
        return _shaped(_object(item, what), {"name": text}, {})

    return _shaped(value, {"type": text, "function": named}, {})


def params(value: Any) -> JsonObject:
    """Sampling parameters; a lone ``stop`` string is one stop sequence."""
    value = _object(owned(value), "params")

    def stop(item: Any, what: str) -> list[str]:
        return [item] if isinstance(item, str) else texts(item, what)

    def limit(item: Any, what: str) -> int:
        # A bool counts here, as for the attributes that are plain Python integers.
        return int(item) if isinstance(item, bool) else tokens(item, what)

    return _shaped(value, {}, {"temperature": real, "max_tokens": limit, "top_p": real, "stop": stop})


def instructions(value: Any) -> Any:
    """System text or parts."""
    return content(owned(value))


def extra(value: Any) -> JsonObject:
    """Members that the model does not name."""
    return _object(owned(value), "extra")


def json(value: Any) -> Any:
    """Any JSON value, copied."""
    return owned(value)


def _members(check: Check, *names: str) -> dict[str, Check]:
    return dict.fromkeys(names, check)


_CUSTOM: tuple[dict[str, Check], dict[str, Check]] = ({"api_name": text, "data": anything}, {})
_REQUEST_APIS: dict[str, tuple[dict[str, Check], dict[str, Check]]] = {
    "openai_chat": (
        {},
        {
            **_members(
                anything,
                *("audio", "function_call", "logit_bias", "moderation", "prediction", "prompt_cache_options"),
                *("response_format", "stream_options", "web_search_options"),
            ),
            "functions": items,
            "modalities": texts,
            **_members(real, "frequency_penalty", "presence_penalty"),
            "logprobs": flag,
            "n": tokens,
            "seed": signed,
            **_members(
                text,
                *("prompt_cache_key", "prompt_cache_retention", "reasoning_effort", "safety_identifier", "verbosity"),
            ),
        },
    ),
    "openai_responses": (
        {},
        {
            "background": flag,
            **_members(
                anything,
                *("context_management", "conversation", "moderation", "prompt", "prompt_cache_options"),
                *("stream_options", "text"),
            ),
            **_members(text, "prompt_cache_key", "prompt_cache_retention", "safety_identifier"),
        },
    ),
    "anthropic_messages": (
        {},
        {
            **_members(anything, "cache_control", "output_config", "thinking"),
            **_members(text, "container", "inference_geo", "user_profile_id"),
            "top_k": tokens,
        },
    ),
    "oci_genai": ({}, {"compartment_id": text, "serving_mode": anything, "api_format": text}),
    "custom": _CUSTOM,
}
# Surfaces beyond the published ones keep their members as they are.
_OPEN = ("bedrock_converse", "cohere_chat", "mistral_chat")
_REQUEST_APIS.update((name, ({}, {})) for name in _OPEN)
_RESPONSE_APIS: dict[str, tuple[dict[str, Check], dict[str, Check]]] = {
    "openai_chat": ({}, {"logprobs": anything, **_members(text, "system_fingerprint", "service_tier")}),
    "openai_responses": (
        {},
        {
            "output_items": items,
            **_members(text, "status", "previous_response_id", "service_tier"),
            "store": flag,
            **_members(
                anything,
                *("incomplete_details", "truncation", "reasoning", "input_tokens_details", "output_tokens_details"),
            ),
        },
    ),
    "anthropic_messages": (
        {},
        {
            **_members(text, "object_type", "role", "stop_reason", "stop_sequence", "service_tier"),
            "container": anything,
            "content_blocks": items,
        },
    ),
    "oci_genai": ({}, _members(text, "api_format", "model_version")),
    "gemini_generate_content": (
        {},
        {
            "thoughts_tokens": tokens,
            **_members(anything, "safety_ratings", "grounding_metadata", "citation_metadata"),
        },
    ),
    "custom": _CUSTOM,
}


_RESPONSE_APIS.update((name, ({}, {})) for name in _OPEN)


def _api_specific(value: Any, apis: dict[str, tuple[dict[str, Check], dict[str, Check]]]) -> JsonObject:
    value = _object(owned(value), "api_specific")
    tag = _tag(value, "api", apis)
    required, optional = apis[tag]
    return _shaped(
        value, {"api": _literal, **required}, optional, keep_unknown=tag == "gemini_generate_content" or tag in _OPEN
    )


def request_api(value: Any) -> JsonObject:
    """``api_specific`` of a request."""
    return _api_specific(value, _REQUEST_APIS)


def response_api(value: Any) -> JsonObject:
    """``api_specific`` of a response."""
    return _api_specific(value, _RESPONSE_APIS)
