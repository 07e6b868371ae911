# SPDX-License-Identifier: Apache-2.0
"""OTLP into a file or onto the console: a line of JSON, or a length and a protobuf request, for each batch."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from nemo_relay_otel.transport.codec import Codec, JsonCodec
from nemo_relay_spool.journal import make_folder
from nemo_relay_spool.outcome import Delivered, Item, Outcome, Retry

SUFFIXES = {"json_lines": ".jsonl", "proto": ".otlp.pb"}


class FileTransport:
    """Appends batches to a file.

    Args:
        folder: made with mode 0700 where it is missing.
        filename: a single path component; named after the time of construction when None.
        codec: how batches are written: lines of JSON, or protobuf after its length (4 bytes, big-endian).
        overwrite: whether to start a fresh file.

    Raises:
        ValueError: the file cannot be opened.
    """

    def __init__(self, folder: str, filename: str | None, codec: Codec, *, overwrite: bool) -> None:
        self._codec = codec
        self._lines = isinstance(codec, JsonCodec)
        suffix = SUFFIXES["json_lines" if self._lines else "proto"]
        name = filename or time.strftime(f"nemo-relay-otlp-%Y-%m-%d-%H.%M.%S{suffix}", time.gmtime())
        path = Path(folder) / name
        self.target = str(path)
        try:
            make_folder(path.parent)
        except OSError as error:
            raise ValueError(f'failed to create OTLP output directory "{folder}": {error.strerror}') from None
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | getattr(os, "O_NOFOLLOW", 0)
        try:
            self._fd = os.open(path, flags | (os.O_TRUNC if overwrite else 0), 0o600)
        except OSError as error:
            raise ValueError(f'failed to open OTLP output file "{path}": {error.strerror}') from None

    def encode(self, record: Any) -> Item:
        """A record in the file's form."""
        return self._codec.encode(record)

    def send(self, items: Sequence[Item]) -> Outcome:
        """Append a batch; one that the disk does not take whole is taken back."""
        body = self._codec.body(items)
        content = body + b"\n" if self._lines else len(body).to_bytes(4, "big") + body
        try:
            before = os.fstat(self._fd).st_size
            written = os.write(self._fd, content)
            if written < len(content):
                os.ftruncate(self._fd, before)
                return Retry("the disk took a part of it")
        except OSError as error:
            return Retry(f"OSError: {error.strerror}")
        return Delivered()

    def close(self) -> None:
        """Close the file."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1


class ConsoleTransport:
    """Prints batches as lines of OTLP/JSON to standard output, or to standard error."""

    def __init__(self, codec: JsonCodec, stream: str) -> None:
        self._codec = codec
        self._stream = stream
        self.target = stream

    def encode(self, record: Any) -> Item:
        """A record in JSON."""
        return self._codec.encode(record)

    def send(self, items: Sequence[Item]) -> Outcome:
        """Print a batch."""
        try:
            print(self._codec.body(items).decode(), file=getattr(sys, self._stream), flush=True)
        except (OSError, ValueError) as error:
            return Retry(type(error).__name__)
        return Delivered()

    def close(self) -> None:
        """The console stays open."""
