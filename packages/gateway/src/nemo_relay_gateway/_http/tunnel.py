# SPDX-License-Identifier: Apache-2.0
"""A connection to a provider that changes to another protocol (``101``), and is a pipe from then on."""

from __future__ import annotations

from typing import Protocol

from nemo_relay_gateway._http.upstream import Sink, UpstreamConnection

_SWITCHED = 101


class Pipe(Sink, Protocol):
    """Who holds both ends of a pipe."""

    def on_full(self) -> None:
        """The provider reads more slowly than the client writes."""

    def on_writable(self) -> None:
        """The provider reads again."""


class Tunnel(UpstreamConnection):
    """One connection, for one client; it is never used again. Its sink is a ``Pipe``."""

    final_interim = _SWITCHED
    may_rest = True

    def write(self, data: bytes) -> None:
        """Pass bytes of the client on."""
        self.transport.write(data)

    def close(self) -> None:
        """End it, once the provider has what is under way to it."""
        self._sink = None
        self.transport.close()

    def pause_writing(self) -> None:
        if self._sink is not None:
            self._pipe.on_full()

    def resume_writing(self) -> None:
        if self._sink is not None:
            self._pipe.on_writable()

    @property
    def _pipe(self) -> Pipe:
        pipe: Pipe = self._sink  # type: ignore[assignment]
        return pipe
