# SPDX-License-Identifier: Apache-2.0
"""OTLP over HTTP, in protobuf or JSON, on one connection that is kept open."""

from __future__ import annotations

import gzip
import ssl
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from nemo_relay_otel.transport.codec import Codec
from nemo_relay_spool.http import HttpClient, reason, shown
from nemo_relay_spool.outcome import Item, Outcome, Retry


class HttpTransport:
    """Sends batches with POST.

    Args:
        endpoint: the URL, signal path included.
        codec: how records are encoded.
        headers: called before each attempt, so that a rotated token is found.
        timeout: seconds for one attempt; doubled after each one that timed out, up to eight times.
        tls: for ``https``; the system's authorities when None.
        compress: whether bodies are sent gzipped.
    """

    def __init__(
        self,
        endpoint: str,
        codec: Codec,
        headers: Callable[[], Mapping[str, str]],
        timeout: float,
        tls: ssl.SSLContext | None = None,
        compress: bool = True,
    ) -> None:
        self.target = shown(endpoint)
        self._codec = codec
        self._headers = headers
        self._compress = compress
        self._client = HttpClient(endpoint, timeout or None, tls, codec.verdict, codec.message)

    def encode(self, record: Any) -> Item:
        """A record in the codec's form."""
        return self._codec.encode(record)

    def send(self, items: Sequence[Item]) -> Outcome:
        """Try once."""
        try:
            headers = {"Content-Type": self._codec.content_type, "User-Agent": _agent(), **self._headers()}
            body = self._codec.body(items)
        except (OSError, ValueError) as error:  # a header file that cannot be read
            return Retry(reason(error))
        if self._compress:
            body = gzip.compress(body, 5, mtime=0)
            headers["Content-Encoding"] = "gzip"
        return self._client.post(body, headers)

    def close(self) -> None:
        """Close the connection."""
        self._client.close()


def _agent() -> str:
    from nemo_relay_otel import __version__

    return f"nemo-relay-otel/{__version__}"
