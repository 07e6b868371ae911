# SPDX-License-Identifier: Apache-2.0
"""A dead network: an address where nothing listens, and a guard that notes every attempt to reach anything."""

from __future__ import annotations

import atexit
import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import cache
from typing import Any
from unittest.mock import patch

_WAYS_OUT = ("connect", "connect_ex", "sendto")


class NetworkUsed(RuntimeError):
    """Something reached for the network while it was dead."""


@cache
def endpoint() -> str:
    """The URL of a port that is taken and does not listen: a connection to it is refused, whatever else runs.

    One for the process, because LangChain keeps its HTTP clients by URL, and each costs a reading of all certificates.
    """
    taken = socket.socket()
    taken.bind(("127.0.0.1", 0))
    atexit.register(taken.close)
    return f"http://127.0.0.1:{taken.getsockname()[1]}"


@contextmanager
def network() -> Iterator[list[str]]:
    """No socket connects and no name is looked up inside; yields what was attempted, also by who hid the error.

    Raises:
        NetworkUsed: in the code that tries.
    """
    attempts: list[str] = []

    def refuse(way: str) -> Any:
        def refused(*args: Any, **_: Any) -> Any:
            target = next((arg for arg in args if isinstance(arg, (str, tuple))), None)
            attempts.append(f"{way} {target!r}")
            raise NetworkUsed(f"{attempts[-1]}: the network is dead while a cassette is replayed")

        return refused

    with ExitStack() as stack:
        for way in _WAYS_OUT:
            stack.enter_context(patch.object(socket.socket, way, refuse(way)))
        stack.enter_context(patch.object(socket, "getaddrinfo", refuse("getaddrinfo")))
        yield attempts
