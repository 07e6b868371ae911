# SPDX-License-Identifier: Apache-2.0
"""The content of a Chat message that comes in typed pieces, as Mistral, Cohere and others send it."""

from __future__ import annotations

from typing import Any

from nemo_relay_codecs.base import native
from nemo_relay_codecs.errors import InvalidPayload


def content_of(pieces: list[Any], provider: str) -> Any:
    """Chunked content: one text where all of it is text beside thoughts, else a list of parts."""
    visible = [p for p in pieces if not (isinstance(p, dict) and p.get("type") == "thinking")]
    for piece in visible:
        if not isinstance(piece, dict):
            raise InvalidPayload(f"{provider} content chunk must be an object")
    texts = [p["text"] for p in visible if p.get("type") == "text" and isinstance(p.get("text"), str)]
    if len(texts) == len(visible):
        return "".join(texts) if texts else None
    return [
        p
        if p.get("type") == "text" and isinstance(p.get("text"), str)
        else native(provider, str(p.get("type", "unknown")), p, type="provider_native")
        for p in visible
    ]
