# SPDX-License-Identifier: Apache-2.0
"""OTLP over HTTP, in protobuf or JSON, on one connection that is kept open."""

from __future__ import annotations

import gzip
import http.client
import ssl
import urllib.request
from base64 import b64encode
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import SplitResult, unquote, urlsplit, urlunsplit

from nemo_relay_otel.transport.codec import Codec
from nemo_relay_spool.outcome import Item, Outcome, Refused, Retry, TooLarge

_TRANSIENT = frozenset((408, 425, 429, 500, 502, 503, 504))
_LONGEST_WAIT = 300.0
_LONGEST_ANSWER = 1 << 20
_LONGEST_REASON = 200


def shown(endpoint: str) -> str:
    """An endpoint as messages may show it: without user, password, query and fragment."""
    parts = urlsplit(endpoint)
    return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, "", ""))


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
        self._url = urlsplit(endpoint)
        self._codec = codec
        self._headers = headers
        self._timeout = timeout or None
        self._patience = 1
        self._tls = tls
        self._compress = compress
        self._connection: http.client.HTTPConnection | None = None
        self._proxy = _proxy(self._url)

    def encode(self, record: Any) -> Item:
        """A record in the codec's form."""
        return self._codec.encode(record)

    def send(self, items: Sequence[Item]) -> Outcome:
        """Try once."""
        try:
            headers = {"Content-Type": self._codec.content_type, **self._own_headers(), **self._headers()}
            body = self._codec.body(items)
        except (OSError, ValueError) as error:  # a header file that cannot be read
            return Retry(_reason(error))
        if self._compress:
            body = gzip.compress(body, 5, mtime=0)
            headers["Content-Encoding"] = "gzip"
        fresh = self._connection is None
        try:
            try:
                return self._attempt(body, headers)
            except (http.client.RemoteDisconnected, ConnectionError):
                if fresh:
                    raise
                self.close()  # the server closed a connection that was idle: that says nothing about it
                return self._attempt(body, headers)
        except ssl.SSLCertVerificationError as error:
            self.close()
            return Retry(f"TLS verification failed: {error.verify_message}")
        except TimeoutError:
            self.close()
            self._patience = min(self._patience * 2, 8)
            return Retry("no answer in time")
        except (OSError, http.client.HTTPException, ValueError) as error:
            self.close()
            return Retry(_reason(error))

    def _own_headers(self) -> dict[str, str]:
        from nemo_relay_otel import __version__

        own = {"User-Agent": f"nemo-relay-otel/{__version__}"}
        if self._url.username is not None:
            own["Authorization"] = _basic(self._url)
        return own

    def _attempt(self, body: bytes, headers: Mapping[str, str]) -> Outcome:
        connection = self._connection or self._connect()
        self._connection = connection
        connection.request("POST", self._path(), body, dict(headers))
        with connection.getresponse() as response:
            answer = response.read(_LONGEST_ANSWER)
            if not response.isclosed() or response.will_close:
                self.close()
            if response.length and len(answer) < _LONGEST_ANSWER:
                raise http.client.IncompleteRead(answer, response.length)
            return self._judge(response, answer)

    def _judge(self, response: http.client.HTTPResponse, answer: bytes) -> Outcome:
        status = response.status
        if 200 <= status < 300:
            self._patience = 1
            return self._codec.verdict(answer)
        reason = f"HTTP {status} {response.reason}"
        if status in _TRANSIENT:
            return Retry(reason, _retry_after(response.headers.get("Retry-After")))
        if status == 413:
            return TooLarge(reason)
        if 300 <= status < 400:
            return Refused(f"{reason}: a redirection is not followed; name the address it leads to")
        said = self._codec.message(answer)
        return Refused(f"{reason}: {said[:_LONGEST_REASON]}" if said else reason)

    def _path(self) -> str:
        path = (self._url.path or "/") + (f"?{self._url.query}" if self._url.query else "")
        if self._proxy is not None and self._url.scheme == "http":
            return f"http://{self._url.netloc.rpartition('@')[2]}{path}"
        return path

    def _connect(self) -> http.client.HTTPConnection:
        url, timeout = self._url, None if self._timeout is None else self._timeout * self._patience
        via = self._proxy or url
        host, port = via.hostname or "", via.port
        if url.scheme != "https":
            return http.client.HTTPConnection(host, port, timeout=timeout)
        connection = http.client.HTTPSConnection(
            host, port, timeout=timeout, context=self._tls or ssl.create_default_context()
        )
        if self._proxy is not None:
            credentials = {"Proxy-Authorization": _basic(via)} if via.username is not None else {}
            connection.set_tunnel(url.hostname or "", url.port, credentials)
        return connection

    def close(self) -> None:
        """Close the connection."""
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()


def _proxy(url: SplitResult) -> SplitResult | None:
    """The proxy that the environment names for this address."""
    named = urllib.request.getproxies().get(url.scheme)
    if not named or urllib.request.proxy_bypass(url.hostname or ""):
        return None
    return urlsplit(named if "//" in named else f"//{named}")


def _basic(url: SplitResult) -> str:
    pair = f"{unquote(url.username or '')}:{unquote(url.password or '')}"
    return "Basic " + b64encode(pair.encode()).decode()


def _retry_after(value: str | None) -> float | None:
    """Seconds, of a number or of a date."""
    if not value:
        return None
    try:
        seconds = float(value)
    except ValueError:
        try:
            seconds = (parsedate_to_datetime(value) - datetime.now(UTC)).total_seconds()
        except (TypeError, ValueError):
            return None
    return min(max(seconds, 0.0), _LONGEST_WAIT)


def _reason(error: Exception) -> str:
    said = error.strerror if isinstance(error, OSError) else None
    return f"{type(error).__name__}: {said}" if said else type(error).__name__
