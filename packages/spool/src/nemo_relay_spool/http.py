# SPDX-License-Identifier: Apache-2.0
"""POSTs to one address, on a connection that is kept open.

The standard library's client, since it writes no log: others note the whole address, or headers, with the credentials
that may stand in them.
"""

from __future__ import annotations

import http.client
import ssl
import urllib.request
from base64 import b64encode
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from urllib.parse import SplitResult, unquote, urlsplit, urlunsplit

from nemo_relay_spool.outcome import Delivered, Outcome, Refused, Retry, TooLarge

_TRANSIENT = frozenset((408, 425, 429, 500, 502, 503, 504))
_LONGEST_WAIT = 300.0
_LONGEST_ANSWER = 1 << 20
_LONGEST_REASON = 200


def shown(url: str) -> str:
    """An address as messages may show it: without user, password, query and fragment."""
    parts = urlsplit(url)
    if not parts.netloc:  # a host and a port
        return url.rpartition("@")[2]
    return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, "", ""))


def authorization(url: str) -> dict[str, str]:
    """The header that the credentials in an address stand for."""
    parts = urlsplit(url)
    return {} if parts.username is None else {"Authorization": _basic(parts)}


class HttpClient:
    """Posts bodies.

    Args:
        url: where; ``user:password@`` in it is sent as ``Authorization``.
        timeout: seconds for one attempt, None for no limit; doubled after each one that timed out, up to eight times.
        tls: for ``https``; the system's authorities when None.
        verdict: what a body that came with a successful answer says.
        message: what one that came with a refusal says.
    """

    def __init__(
        self,
        url: str,
        timeout: float | None,
        tls: ssl.SSLContext | None = None,
        verdict: Callable[[bytes], Delivered] = lambda answer: Delivered(),
        message: Callable[[bytes], str] = lambda answer: "",
    ) -> None:
        self._url = urlsplit(url)
        self._authorization = authorization(url)
        self._timeout = timeout
        self._patience = 1
        self._tls = tls
        self._verdict = verdict
        self._message = message
        self._connection: http.client.HTTPConnection | None = None
        self._proxy = _proxy(self._url)

    def post(self, body: bytes, headers: Mapping[str, str]) -> Outcome:
        """Try once."""
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
            return Retry(reason(error))

    def _attempt(self, body: bytes, headers: Mapping[str, str]) -> Outcome:
        connection = self._connection or self._connect()
        self._connection = connection
        connection.request("POST", self._path(), body, {**self._authorization, **headers})
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
            return self._verdict(answer)
        reason = f"HTTP {status} {response.reason}"
        if status in _TRANSIENT:
            return Retry(reason, _retry_after(response.headers.get("Retry-After")))
        if status == 413:
            return TooLarge(reason)
        if 300 <= status < 400:
            return Refused(f"{reason}: a redirection is not followed; name the address it leads to")
        explanation = self._message(answer)
        return Refused(f"{reason}: {explanation[:_LONGEST_REASON]}" if explanation else reason)

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


def reason(error: Exception) -> str:
    """What kind of error it was, and what the system says; nothing that the application gave."""
    explanation = error.strerror if isinstance(error, OSError) else None
    return f"{type(error).__name__}: {explanation}" if explanation else type(error).__name__
