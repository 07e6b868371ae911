# SPDX-License-Identifier: Apache-2.0
"""Requests and answers as they pass: header fields keep their order, their case and their duplicates."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from http import HTTPStatus
from typing import NamedTuple

import msgspec

Headers = list[tuple[bytes, bytes]]

# Fields of one connection (RFC 9110, 7.6.1); what `Connection` names besides is added to them.
_HOP_BY_HOP = frozenset(
    b"connection keep-alive proxy-authenticate proxy-authorization proxy-connection te trailer upgrade".split()
) | {b"transfer-encoding"}
_FRAMING = frozenset((b"content-length", b"host", b"expect"))


@dataclass(frozen=True)
class Request:
    """A whole request of a client."""

    method: bytes
    target: bytes
    headers: Headers
    body: bytes
    upgrade: bytes = b""  # the protocol that the client wants to change to

    @property
    def path(self) -> str:
        """The path of the target, without its query."""
        return self.target.partition(b"?")[0].decode("latin-1")

    @cached_property
    def _first(self) -> dict[bytes, bytes]:
        return {key.lower(): value for key, value in reversed(self.headers)}

    def header(self, name: bytes) -> bytes | None:
        """The first value of a header field, by its lower-case name."""
        return self._first.get(name)


class Response(NamedTuple):
    """An answer that the gateway makes itself."""

    status: int
    headers: Headers
    body: bytes

    @classmethod
    def json(cls, status: int, value: object) -> Response:
        """An answer with a JSON body."""
        return cls(status, [(b"content-type", b"application/json")], msgspec.json.encode(value))

    @classmethod
    def error(cls, status: int, message: str, kind: str = "nemo_relay_gateway_error", **more: str) -> Response:
        """An error in the shape that provider SDKs read."""
        return cls.json(status, {"error": {"message": message, "type": kind, **more}})


def first(headers: Headers, name: bytes) -> bytes | None:
    """The first value of a header field, by its lower-case name."""
    for key, value in headers:
        if key.lower() == name:
            return value
    return None


def end_to_end(headers: Headers, drop: Iterable[bytes] = ()) -> Headers:
    """The header fields that a proxy passes on.

    Args:
        headers: as they came.
        drop: lower-case names that stay here besides.
    """
    left_out = {*_HOP_BY_HOP, *drop}
    for key, value in headers:
        if key.lower() == b"connection":
            left_out.update(token.strip().lower() for token in value.split(b","))
    return [pair for pair in headers if pair[0].lower() not in left_out]


def forwardable(headers: Headers, drop: Iterable[bytes] = ()) -> Headers:
    """The header fields of a request that its next hop gets; framing and ``Host`` are written anew for it."""
    return end_to_end(headers, {*_FRAMING, *drop})


def request_head(method: bytes, target: bytes, headers: Headers, length: int | None) -> bytes:
    """The bytes of a request up to its body; ``length`` is None for a request that has none."""
    lines = [method + b" " + target + b" HTTP/1.1", *(key + b": " + value for key, value in headers)]
    if length is not None:
        lines.append(b"Content-Length: %d" % length)
    return b"\r\n".join((*lines, b"", b""))


def response_head(status: int, reason: bytes, headers: Headers) -> bytes:
    """The bytes of an answer up to its body."""
    lines = [b"HTTP/1.1 %d %b" % (status, reason), *(key + b": " + value for key, value in headers)]
    return b"\r\n".join((*lines, b"", b""))


def reason_of(status: int) -> bytes:
    """The usual phrase of a status."""
    try:
        return HTTPStatus(status).phrase.encode()
    except ValueError:
        return b"Unknown"


def has_body(method: bytes, status: int) -> bool:
    """Whether an answer carries a body at all."""
    return method != b"HEAD" and status >= 200 and status not in (204, 304)
