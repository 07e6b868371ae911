# SPDX-License-Identifier: Apache-2.0
"""Function definitions and tool choices, as several surfaces share them."""

from __future__ import annotations

from typing import Any

from nemo_relay_codecs import request_readers
from nemo_relay_codecs.base import JsonObject, native
from nemo_relay_codecs.errors import InvalidPayload


def own_choice(choice: JsonObject, provider: str, surface: str) -> Any:
    """The raw value of a native tool choice of this provider."""
    if choice["provider"] != provider:
        raise InvalidPayload(f"tool choice for {choice['provider']} cannot be encoded for {surface}")
    return choice["value"]


def decode_choice(raw: Any, provider: str) -> Any:
    """A Chat tool choice in normalised form."""
    if isinstance(raw, str) and raw in ("auto", "none", "required"):
        return raw
    if isinstance(raw, dict) and raw.get("type") == "function" and isinstance(raw.get("function"), dict):
        name = raw["function"].get("name")
        if isinstance(name, str):
            return {"type": "function", "function": {"name": name}}
    return native(provider, "tool_choice", raw)


def check_function(function: JsonObject, surface: str) -> JsonObject:
    """A function definition with its modelled members checked and null ones dropped (``parameters`` stays)."""
    if not isinstance(function.get("name"), str):
        raise InvalidPayload(f"{surface} function tool is missing name")
    description, strict = function.get("description", ""), function.get("strict", False)
    if type(description) is not str and description is not None:
        request_readers.string(description, surface, "function tool description")
    if type(strict) is not bool and strict is not None:
        request_readers.boolean(strict, surface, "function tool strict")
    if description is None or strict is None:
        return {k: v for k, v in function.items() if v is not None or k not in ("description", "strict")}
    return function
