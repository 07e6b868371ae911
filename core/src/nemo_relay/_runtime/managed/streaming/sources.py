# SPDX-License-Identifier: Apache-2.0
"""The chunks from further down, as an intercept gets them, and where their producer stands between two pulls."""

from __future__ import annotations

from typing import Any

from nemo_relay._runtime.tree import context
from nemo_relay._runtime.tree.spans import Span


class _Place:
    """Where a producer stands between two pulls; the consumer's own position is untouched by it."""

    __slots__ = ("_before", "_here")

    def __init__(self, here: Span | None) -> None:
        self._here = here

    def __enter__(self) -> None:
        self._before = context.position.get()
        if self._here is not None:
            context.position.set(self._here)

    def __exit__(self, *_: object) -> None:
        self._here = context.position.get()
        context.position.set(self._before)


class Source:
    """The chunks from further down, as an intercept's ``next`` gives them; closing it closes what produces them."""

    __slots__ = ("_closed", "_iterator", "place")

    def __init__(self, iterator: Any, here: Span | None = None) -> None:
        self._iterator = iterator
        self._closed = False
        self.place = _Place(here)

    def is_open(self) -> bool:
        """Whether there is anything to close: an async generator that has ended closed itself."""
        return not self._closed and getattr(self._iterator, "ag_frame", self) is not None

    def __aiter__(self) -> Source:
        return self

    def checked(self) -> Any:
        """The producer, which must be an asynchronous iterator."""
        if not hasattr(self._iterator, "__anext__"):
            raise TypeError(f"expected an asynchronous iterator, got '{type(self._iterator).__name__}'.")
        return self._iterator

    async def __anext__(self) -> Any:
        iterator = self.checked()
        with self.place:
            return await iterator.__anext__()

    async def aclose(self) -> None:
        """Close the producer and wait for its cleanup; once, whoever asks for it."""
        close = None if self._closed else getattr(self._iterator, "aclose", None)
        self._closed = True
        if close is not None:
            with self.place:
                await close()


class SyncSource:
    """The same for a synchronous stream."""

    __slots__ = ("_closed", "_iterator", "_place")

    def __init__(self, iterator: Any, here: Span | None = None) -> None:
        self._iterator = iterator
        self._closed = False
        self._place = _Place(here)

    def __iter__(self) -> SyncSource:
        return self

    def __next__(self) -> Any:
        if not hasattr(self._iterator, "__next__"):
            raise TypeError(f"expected an iterator, got '{type(self._iterator).__name__}'.")
        with self._place:
            return self._iterator.__next__()

    def close(self) -> None:
        """Close the producer; once, whoever asks for it."""
        close = None if self._closed else getattr(self._iterator, "close", None)
        self._closed = True
        if close is not None:
            with self._place:
                close()
