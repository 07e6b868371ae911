# SPDX-License-Identifier: Apache-2.0
"""The chat history of OCI's Cohere format, as messages."""

from __future__ import annotations

from typing import Any

from nemo_relay_codecs.base import JsonObject, native
from nemo_relay_codecs.errors import InvalidPayload

_PROVIDER = "oci_genai"
_TURNS = {"USER": "user", "CHATBOT": "assistant", "SYSTEM": "system"}


def read_history(history: Any) -> list[JsonObject]:
    """The turns of a COHERE chat history."""
    if not isinstance(history, list):
        raise InvalidPayload("OCI GenAI COHERE chatHistory must be an array")
    return [_turn(turn) for turn in history]


def _turn(turn: Any) -> JsonObject:
    if not isinstance(turn, dict):
        raise InvalidPayload("OCI GenAI COHERE chatHistory turn must be an object")
    stated = turn.get("role")
    role = stated.upper() if isinstance(stated, str) else "USER"
    if role in _TURNS and isinstance(turn.get("message"), str):
        return {"role": _TURNS[role], "content": turn["message"]}
    return native(_PROVIDER, role, turn, role="provider_native")
