# SPDX-License-Identifier: Apache-2.0
"""Content codings undone for the record; what passes through the gateway keeps its own."""

from __future__ import annotations

import zlib
from collections.abc import Callable

import brotli
import zstandard

MAX_DECODED = 256 * 1024 * 1024  # bytes; a small body can unfold without end
_PIECE = 64 * 1024


class Undecodable(ValueError):
    """A body that does not have the coding it names, or names one that is not known."""


class Decoder:
    """Undoes a content coding piece by piece.

    Args:
        coding: the value of ``content-encoding``; empty or ``identity`` for none.

    Raises:
        Undecodable: nobody here knows the coding.
    """

    def __init__(self, coding: str) -> None:
        steps = [step for step in (word.strip().lower() for word in coding.split(",")) if step not in ("", "identity")]
        try:
            self._steps = [_DECODERS[step]() for step in reversed(steps)]
        except KeyError as error:
            raise Undecodable(f"content-encoding {error.args[0]!r} is not known") from None
        self._size = 0

    def feed(self, data: bytes) -> bytes:
        """What ``data`` adds to the decoded body.

        Raises:
            Undecodable: the bytes do not have the coding, or unfold beyond the bound.
        """
        if not self._steps:
            return data
        out = []
        for start in range(0, len(data), _PIECE):
            piece = data[start : start + _PIECE]
            try:
                for step in self._steps:
                    piece = step(piece)
            except (zlib.error, zstandard.ZstdError, brotli.error) as error:
                raise Undecodable(str(error)) from None
            self._size += len(piece)
            if self._size > MAX_DECODED:
                raise Undecodable(f"the body unfolds to more than {MAX_DECODED} bytes")
            out.append(piece)
        return b"".join(out)


def decoded(body: bytes, coding: str) -> bytes:
    """A whole body without its coding.

    Raises:
        Undecodable: see ``Decoder``.
    """
    return Decoder(coding).feed(body)


def _gzip() -> Callable[[bytes], bytes]:
    return zlib.decompressobj(zlib.MAX_WBITS | 32).decompress


def _zstd() -> Callable[[bytes], bytes]:
    return zstandard.ZstdDecompressor().decompressobj(read_across_frames=True).decompress


def _br() -> Callable[[bytes], bytes]:
    process: Callable[[bytes], bytes] = brotli.Decompressor().process
    return process


_DECODERS: dict[str, Callable[[], Callable[[bytes], bytes]]] = {
    "gzip": _gzip,
    "x-gzip": _gzip,
    "deflate": _gzip,
    "zstd": _zstd,
    "br": _br,
}
