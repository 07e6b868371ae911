# SPDX-License-Identifier: Apache-2.0
"""Credentials that the gateway adds where a client sends none: configured ones, or those that a command prints."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping, Sequence

from nemo_relay_gateway._http.message import Headers
from nemo_relay_gateway.config import ANTHROPIC, GEMINI
from nemo_relay_gateway.errors import CredentialUnavailable

NAMES = frozenset(
    b"authorization cookie x-api-key api-key anthropic-api-key x-goog-api-key proxy-authorization".split()
)
_KEY_HEADERS = {ANTHROPIC: b"x-api-key", GEMINI: b"x-goog-api-key"}
_SECONDS = 10.0  # for a command
_LONGEST = 16 * 1024


class Credentials:
    """The credentials of the providers, each for its own provider alone.

    Args:
        headers: ``Authorization`` values by provider.
        commands: the words of commands by provider, each of which prints a key or an ``Authorization`` value.
        kept_seconds: how long what a command printed is used.
    """

    def __init__(
        self, headers: Mapping[str, str], commands: Mapping[str, Sequence[str]], kept_seconds: float = 300.0
    ) -> None:
        self._headers = headers
        self._commands = commands
        self._kept = kept_seconds
        self._printed: dict[str, tuple[float, bytes]] = {}
        self._locks = {provider: asyncio.Lock() for provider in commands}

    def missing(self, provider: str, headers: Headers) -> bool:
        """Whether a command has to be asked before a request can go to this provider."""
        known = self._printed.get(provider)
        is_fresh = known is not None and known[0] > time.monotonic()
        return provider in self._commands and not is_fresh and not _has_one(headers)

    def completed(self, provider: str, headers: Headers) -> Headers:
        """The header fields of a request with a credential: the client's own, else ours."""
        if _has_one(headers):
            return headers
        printed = self._printed.get(provider)
        if printed is not None:
            return [*headers, _field(provider, printed[1])]
        configured = self._headers.get(provider)
        return headers if configured is None else [*headers, (b"Authorization", configured.encode())]

    def rejected(self, provider: str) -> None:
        """The provider did not accept what was sent: the command is asked anew for the next request."""
        self._printed.pop(provider, None)

    async def fetch(self, provider: str) -> None:
        """Ask the command of a provider, once for all that wait.

        Raises:
            CredentialUnavailable: it failed, or printed nothing that can be used.
        """
        async with self._locks[provider]:
            if self.missing(provider, []):
                value = await _run(provider, self._commands[provider])
                self._printed[provider] = time.monotonic() + self._kept, value


def _has_one(headers: Headers) -> bool:
    return any(key.lower() in NAMES for key, _ in headers)


def _field(provider: str, value: bytes) -> tuple[bytes, bytes]:
    if value.lower().startswith((b"bearer ", b"basic ")):
        return b"Authorization", value
    name = _KEY_HEADERS.get(provider)
    return (b"Authorization", b"Bearer " + value) if name is None else (name, value)


async def _run(provider: str, words: Sequence[str]) -> bytes:
    """What a command prints. Neither that nor what it complains of is shown: both may be secret."""
    try:
        process = await asyncio.create_subprocess_exec(
            *words,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
        )
    except OSError as error:
        raise CredentialUnavailable(provider, f"it cannot be started ({error.strerror})") from None
    try:
        async with asyncio.timeout(_SECONDS):
            printed, _ = await process.communicate()
    except TimeoutError:
        raise CredentialUnavailable(provider, f"it did not end within {_SECONDS:g} seconds") from None
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    if process.returncode:
        raise CredentialUnavailable(provider, f"it ended with code {process.returncode}")
    value = printed.strip()
    if not value or len(value) > _LONGEST or not value.isascii() or not value.decode().isprintable():
        raise CredentialUnavailable(provider, "it printed nothing that can stand in a header")
    return value
