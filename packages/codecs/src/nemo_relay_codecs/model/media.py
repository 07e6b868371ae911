# SPDX-License-Identifier: Apache-2.0
"""Inline media by reference: base64 out, MIME type, size and digest in."""

from __future__ import annotations

import binascii
import hashlib
from typing import Any, NamedTuple

# Keys under which providers put base64, and what else must be in the object for it to be media.
_SLOTS: dict[str, tuple[str, ...]] = {
    "data": ("media_type", "mimeType", "mime_type", "format", "transcript"),
    "bytes": (),
    "file_data": (),
    "b64_json": (),
    "result": ("output_format", "quality", "size"),
}
_MIME_KEYS = ("media_type", "mimeType", "mime_type")
_URL_SAFE = str.maketrans("-_", "+/")
_SHORTEST = 16  # below this a string is no media, and its digest would be longer


class Reference(NamedTuple):
    """A blob that is not carried along."""

    mime_type: str | None
    size: int  # bytes, decoded
    digest: str  # "sha256:<hex>"


def refer(text: str, mime_type: str | None = None) -> Reference:
    """The reference to base64 ``text`` or to a ``data:`` URL."""
    if text.startswith("data:"):
        head, _, text = text.partition(",")
        mime_type = head[5:].partition(";")[0] or mime_type
    try:
        blob = binascii.a2b_base64(text.translate(_URL_SAFE) if "-" in text or "_" in text else text)
    except ValueError:
        blob = text.encode("utf-8", "surrogatepass")
    return Reference(mime_type, len(blob), f"sha256:{hashlib.sha256(blob).hexdigest()}")


def by_reference(value: Any) -> Any:
    """``value`` with inline media replaced by references; the same object if it holds none.

    In ``{"media_type": "image/png", "data": "iVBOR..."}`` the text becomes ``"sha256:..."`` and the object gains
    ``mime_type``, ``size`` (bytes) and ``digest``.
    """
    kind = type(value)
    if kind is dict:
        return _object(value)
    if kind is list:
        out = None
        for i, item in enumerate(value):
            if type(item) is dict or type(item) is list:
                new = by_reference(item)
                if new is not item:
                    out = list(value) if out is None else out
                    out[i] = new
        return value if out is None else out
    return value


def _object(value: dict[str, Any]) -> dict[str, Any]:
    changes: dict[str, Any] = {}
    for key, item in value.items():
        kind = type(item)
        if kind is str:  # nearly every member is a text of some other name: it must not cost a call
            if (key in _SLOTS or item[:5] == "data:") and len(item) >= _SHORTEST and _is_media(value, key, item):
                reference = refer(item, _mime_type(value))
                changes[key] = reference.digest
                if reference.mime_type is not None:
                    changes["mime_type"] = reference.mime_type
                changes["size"], changes["digest"] = reference.size, reference.digest
        elif kind is bytes and key in _SLOTS:
            digest = f"sha256:{hashlib.sha256(item).hexdigest()}"
            changes.update({key: digest, "size": len(item), "digest": digest})
        elif kind is dict or kind is list:
            new = by_reference(item)
            if new is not item:
                changes[key] = new
    return {**value, **changes} if changes else value


def _is_media(holder: dict[str, Any], key: str, text: str) -> bool:
    if text.startswith("data:"):
        return ";base64," in text[:200]
    companions = _SLOTS.get(key)
    if companions is None or text.startswith(("http://", "https://", "sha256:")):
        return False
    if key == "data" and holder.get("type") == "redacted_thinking":
        return False
    return not companions or any(name in holder for name in companions)


def _mime_type(holder: dict[str, Any]) -> str | None:
    for key in _MIME_KEYS:
        if isinstance(holder.get(key), str):
            return str(holder[key])
    short = holder.get("format")
    return f"audio/{short}" if isinstance(short, str) else None
