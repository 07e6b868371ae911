# SPDX-License-Identifier: Apache-2.0
"""A real pseudo-terminal with a program in it, and the picture that a person would see."""

from __future__ import annotations

import os
import select
import sys
import time
from contextlib import suppress
from typing import Self

import pyte

from pseudo_terminal import start_on_terminal


class Terminal:
    """Runs `python -m nemo_relay_viewer ...`; `lines` is the screen."""

    def __init__(self, *arguments: str, columns: int = 140, rows: int = 30, **environment: str) -> None:
        self.screen = pyte.Screen(columns, rows)
        self._stream = pyte.ByteStream(self.screen)
        self.raw = b""
        inherited = {name: value for name, value in os.environ.items() if name not in ("COLUMNS", "LINES", "NO_COLOR")}
        env = {**inherited, "TERM": "xterm-256color", "PYTHONIOENCODING": "utf-8", **environment}
        command = [sys.executable, "-m", "nemo_relay_viewer", *arguments]
        self.process, self._end = start_on_terminal(command, columns=columns, lines=rows, env=env)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.type("\x11")  # textual's own way out
        if self.exit_code(10) is None:
            self.process.kill()
            self.process.wait()
        os.close(self._end)

    @property
    def lines(self) -> list[str]:
        return [line.rstrip() for line in self.screen.display]

    @property
    def text(self) -> str:
        return "\n".join(self.lines)

    def type(self, keys: str) -> None:
        with suppress(OSError):  # it may be gone
            os.write(self._end, keys.encode())

    def ask(self, key: str, text: str) -> None:
        """Press a key that opens an entry, and answer."""
        self.type(key)
        self.settle()
        self.type(text + "\r")

    def until(self, wanted: str, seconds: float = 40) -> str:
        """The screen as soon as the text is on it."""
        end = time.monotonic() + seconds
        while wanted not in self.text:
            assert time.monotonic() < end, f"no {wanted!r} on the screen:\n{self.text}"
            if not self._read(0.1):
                assert wanted in self.text, f"the program ended without {wanted!r}:\n{self.text}"
        return self.text

    def without(self, unwanted: str, seconds: float = 40) -> str:
        """The screen as soon as the text is no longer on it."""
        end = time.monotonic() + seconds
        while unwanted in self.text:
            assert time.monotonic() < end, f"still {unwanted!r} on the screen:\n{self.text}"
            self._read(0.1)
        return self.text

    def settle(self, seconds: float = 0.5) -> str:
        """The screen when nothing has come for a while."""
        while select.select([self._end], [], [], seconds)[0] and self._read(0):
            pass
        return self.text

    def _read(self, seconds: float) -> bool:
        if select.select([self._end], [], [], seconds)[0]:
            try:
                data = os.read(self._end, 1 << 16)
            except OSError:
                return False
            self.raw += data
            self._stream.feed(data)
        return True

    def exit_code(self, seconds: float = 20) -> int | None:
        """The exit code when it ends in time."""
        end = time.monotonic() + seconds
        while self.process.poll() is None and time.monotonic() < end:
            self._read(0.05)
        return self.process.returncode
