# SPDX-License-Identifier: Apache-2.0
"""Neutral parts: what a model said, in one vocabulary for all providers, nothing left out.

Readers of an answer (exporters, evaluators, the viewer) walk these instead of five wire formats. They never raise:
whatever they do not know becomes a ``provider_native`` part with its value.
"""

from __future__ import annotations

from typing import Any

from nemo_relay_codecs.model.media import refer
from nemo_relay_codecs.values import parsed

JsonObject = dict[str, Any]


def rest(value: JsonObject, *known: str) -> JsonObject:
    """The members of ``value`` beside ``known``, as a part's ``extra`` (absent if there are none)."""
    left = {k: v for k, v in value.items() if k not in known and v is not None}
    return {"extra": left} if left else {}


def text(value: str, **more: Any) -> JsonObject:
    """Something the model said."""
    return {"type": "text", "text": value, **more}


def refusal(value: str) -> JsonObject:
    """The model's words for not answering."""
    return {"type": "refusal", "text": value}


def reasoning(value: Any = None, *, signature: Any = None, encrypted: Any = None, **more: Any) -> JsonObject:
    """What the model thought: open text, a signature that lets it be replayed, or an encrypted form."""
    part = {"type": "reasoning", "text": value, "signature": signature, "encrypted": encrypted}
    return {**{k: v for k, v in part.items() if v is not None}, **more}


def tool_call(call_id: Any, name: Any, arguments: Any, *, server: bool = False, **more: Any) -> JsonObject:
    """A call of a tool; ``server`` if the provider runs it itself."""
    part = {"type": "tool_call", "id": call_id, "name": name, "arguments": arguments, **more}
    return {**part, "server": True} if server else part


def tool_result(call_id: Any, name: Any, output: Any, **more: Any) -> JsonObject:
    """The result of a tool that the provider ran."""
    return {"type": "tool_result", "id": call_id, "name": name, "output": output, "server": True, **more}


def citation(value: Any) -> JsonObject:
    """A source of what was said: the provider's object, with URL and title where it has them."""
    part: JsonObject = {"type": "citation", "value": value}
    for holder in _holders(value):
        for name, keys in (("url", ("url", "uri")), ("title", ("title", "document_title")), ("text", ("cited_text",))):
            found = next((holder[k] for k in keys if isinstance(holder.get(k), str)), None)
            if found is not None and name not in part:
                part[name] = found
    return part


def _holders(value: Any) -> list[JsonObject]:
    if not isinstance(value, dict):
        return []
    return [value, *(v for v in value.values() if isinstance(v, dict))]


def media(modality: str, data: Any, mime_type: str | None = None, **more: Any) -> JsonObject:
    """Inline media by reference: MIME type, size in bytes, digest."""
    part: JsonObject = {"type": "media", "modality": modality, **more}
    if isinstance(data, str):
        reference = refer(data, mime_type)
        part.update(size=reference.size, digest=reference.digest)
        mime_type = reference.mime_type
    return {**part, "mime_type": mime_type} if mime_type is not None else part


def unknown(kind: str, value: Any) -> JsonObject:
    """What no other part can express."""
    return {"type": "provider_native", "kind": kind, "value": value}


def arguments(value: Any) -> Any:
    """Call arguments as a value; text that is no JSON stays text, and none at all is an empty object."""
    if not isinstance(value, str):
        return value
    return parsed(value) if value.strip() else {}


def without_data(audio: JsonObject) -> JsonObject:
    """The members of an audio object beside its data."""
    return {k: v for k, v in audio.items() if k not in ("data", "type", "modality") and v is not None}
