# SPDX-License-Identifier: Apache-2.0
"""Server-sent events with the very bytes they came in, so that an unedited one leaves as it was."""

from __future__ import annotations

import re
from typing import Any, NamedTuple

import msgspec

from nemo_relay.codecs import SSEDecoder

_BLANK_LINE = re.compile(rb"\r\n\r\n|\n\n|\r\r")
NOTHING = object()


class RawFrame(NamedTuple):
    """One event: its bytes with the blank line, and its JSON value; ``NOTHING`` where it has none."""

    raw: bytes
    value: Any


class FrameCutter:
    """Cuts a byte stream at its blank lines."""

    def __init__(self) -> None:
        self._rest = bytearray()
        self._seen = 0

    def feed(self, data: bytes) -> list[RawFrame]:
        """The events that ``data`` completes."""
        rest = self._rest
        rest += data
        found, start = [], 0
        for blank in _BLANK_LINE.finditer(rest, max(0, self._seen - 3)):
            raw = bytes(rest[start : blank.end()])
            found.append(RawFrame(raw, _value(raw)))
            start = blank.end()
        del rest[:start]
        self._seen = len(rest)
        return found

    def finish(self) -> list[RawFrame]:
        """What is left when the stream ends without a blank line."""
        raw = bytes(self._rest)
        self._rest.clear()
        return [RawFrame(raw, _value(raw))] if raw else []


def _value(raw: bytes) -> Any:
    decoder = SSEDecoder()
    frames = [*decoder.feed(raw), *decoder.finish()]
    if not frames:
        return NOTHING
    try:
        return msgspec.json.decode(frames[0].data)
    except (msgspec.MsgspecError, RecursionError):
        return NOTHING


def encoded(value: Any) -> bytes:
    """An event for an edited value, named as the provider names it: by the type inside, if it has one."""
    kind = value.get("type") if isinstance(value, dict) else None
    name = b"event: %b\n" % kind.encode() if isinstance(kind, str) and kind.isprintable() else b""
    return b"%bdata: %b\n\n" % (name, msgspec.json.encode(value))
