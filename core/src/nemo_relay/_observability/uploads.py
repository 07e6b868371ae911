# SPDX-License-Identifier: Apache-2.0
"""Trajectories on their way to where they are kept. The local file is the spool: what cannot be sent stays there.

A document that is written again while it waits is sent once, as it is then. Nothing waits for the network but the
thread that sends.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

from nemo_relay._runtime.log import faults

TRIES = 4
BACKOFF_SECONDS = 0.5  # doubled with every try


class Store(Protocol):
    """Takes documents."""

    def put(self, name: str, content: bytes, session_id: str) -> None:
        """Keep one; raises what keeps it from doing so."""


class Uploads:
    """Sends each written file to every store.

    Args:
        stores: by their place in the document (``storage[0]``).
        folder: what names of documents are relative to.
        failed: hears of each document that a store did not take: place, text, session.
    """

    def __init__(self, stores: dict[str, Store], folder: Path, failed: Callable[[str, str, str], Any]) -> None:
        self._stores = stores
        self._folder = folder
        self._failed = failed
        self._waiting: dict[Path, str] = {}
        self._changed = threading.Condition()
        self._busy = False
        self._closing = threading.Event()
        self._thread: threading.Thread | None = None

    def written(self, path: Path, session_id: str) -> None:
        """``path`` holds a new document of the session."""
        with self._changed:
            self._waiting[path] = session_id
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="nemo-relay-uploads", daemon=True)
                self._thread.start()
            self._changed.notify_all()

    def close(self, seconds: float = 10.0) -> None:
        """Send what waits, for at most ``seconds``; say what could not be sent."""
        with self._changed:
            self._changed.wait_for(lambda: not self._waiting and not self._busy, seconds)
            left = dict(self._waiting)
            self._waiting.clear()
            self._closing.set()
            self._changed.notify_all()
        for path, session_id in left.items():
            for place in self._stores:
                self._failed(place, f"'{path.name}' was not sent in time; it is in {str(path.parent)!r}", session_id)

    def _run(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._waiting or self._closing.is_set())
                if not self._waiting:
                    return
                path = next(iter(self._waiting))
                session_id = self._waiting.pop(path)
                self._busy = True
            try:
                self._send(path, session_id)
            except Exception as error:  # one odd file must not end the thread that serves the others
                faults.report("atif_upload_failed", error)
            with self._changed:
                self._busy = False
                self._changed.notify_all()

    def _send(self, path: Path, session_id: str) -> None:
        content = path.read_bytes()
        name = path.relative_to(self._folder).as_posix() if path.is_relative_to(self._folder) else path.name
        for place, store in self._stores.items():
            failure = self._tried(store, name, content, session_id)
            if failure is not None:
                self._failed(place, faults.text(failure), session_id)

    def _tried(self, store: Store, name: str, content: bytes, session_id: str) -> Exception | None:
        failure: Exception | None = None
        for number in range(TRIES):
            try:
                store.put(name, content, session_id)
                return None
            except Exception as error:
                failure = error
            if number + 1 < TRIES and self._closing.wait(BACKOFF_SECONDS * 2**number):
                break
        return failure
