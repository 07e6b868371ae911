# SPDX-License-Identifier: Apache-2.0
"""Protobuf's wire format, as far as attributes and spans need it.

Written by hand, since setting twenty fields of message objects costs three times as much as joining their bytes.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from struct import Struct
from typing import Any

from nemo_relay_otel.values import I64_MAX, I64_MIN

_BYTES = 2  # the wire type of strings, bytes and messages
_MOST_KEYS = 4_096
_double = Struct("<d").pack
_fixed64 = Struct("<Q").pack
_fixed32 = Struct("<I").pack


def _varint(value: int) -> bytes:
    made = bytearray()
    while value > 0x7F:
        made.append(value & 0x7F | 0x80)
        value >>= 7
    made.append(value)
    return bytes(made)


_SMALL = tuple(_varint(value) for value in range(1 << 11))  # lengths of most things
_SHORT = tuple(bytes((size + 2, 0x0A, size)) for size in range(126))  # what stands before a short text in its AnyValue
_heads: dict[str, bytes] = {}  # of the keys seen: the key as a field, and the tag of the value behind it


def varint(value: int) -> bytes:
    """A number that is not negative."""
    return _SMALL[value] if value < 1 << 11 else _varint(value)


def tag(number: int, kind: int = _BYTES) -> bytes:
    """What stands in front of a field."""
    return _varint(number << 3 | kind)


def utf8(text: str) -> bytes:
    """The text, with a question mark for each lone surrogate, which UTF-8 has no form for."""
    return text.encode() if text.isascii() else text.encode(errors="replace")


def field(head: bytes, content: bytes) -> bytes:
    """A string, bytes or a message behind its tag."""
    return head + varint(len(content)) + content


def fixed64(head: bytes, value: int) -> bytes:
    """A number of 64 bits behind its tag."""
    return head + _fixed64(value)


def fixed32(head: bytes, value: int) -> bytes:
    """A number of 32 bits behind its tag."""
    return head + _fixed32(value)


def attributes(head: bytes, items: Iterable[tuple[str, Any]]) -> list[bytes]:
    """Pieces of repeated ``KeyValue`` fields behind the tag ``head``."""
    pieces: list[bytes] = []
    for key, value in items:
        before = _heads.get(key) or _head(key)
        if value.__class__ is str:
            content = value.encode() if value.isascii() else value.encode(errors="replace")
            size = len(content)
            if size < 126:
                whole = len(before) + size + 3
                pieces += (head, _SMALL[whole] if whole < 2048 else _varint(whole), before, _SHORT[size], content)
                continue
        made = any_value(value)
        length = varint(len(made))
        pieces += (head, varint(len(before) + len(length) + len(made)), before, length, made)
    return pieces


def _head(key: str) -> bytes:
    if len(_heads) >= _MOST_KEYS:
        _heads.clear()
    made = _heads[key] = field(b"\x0a", utf8(key)) + b"\x12"
    return made


def any_value(value: Any) -> bytes:
    """An ``AnyValue``: what JSON has, and text of what it has not."""
    kind = value.__class__
    if kind is str:
        return field(b"\x0a", utf8(value))
    if kind is bool:
        return b"\x10\x01" if value else b"\x10\x00"
    if kind is int:
        if I64_MIN <= value <= I64_MAX:
            return b"\x18" + _varint(value & 0xFFFF_FFFF_FFFF_FFFF)
        return field(b"\x0a", str(value).encode())
    if kind is float:
        return b"\x21" + _double(value)
    if isinstance(value, Mapping):
        pairs = sorted((str(key), item) for key, item in value.items())
        return field(b"\x32", b"".join(attributes(b"\x0a", pairs)))
    if isinstance(value, (list, tuple)):
        return field(b"\x2a", b"".join(field(b"\x0a", any_value(item)) for item in value))
    return field(b"\x0a", b"null" if value is None else utf8(str(value)))
