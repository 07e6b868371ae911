# SPDX-License-Identifier: Apache-2.0
"""A command in a real pseudo-terminal: keys in, screen out."""

from __future__ import annotations

import os
import re
import select
import time
from pathlib import Path

import pyte

from pseudo_terminal import start_on_terminal

ENTER, DOWN, UP, DELETE, INTERRUPT = "\r", "\x1b[B", "\x1b[A", "\x1b[3~", "\x03"
_SECONDS = 60  # a hang, not a measure
# Keyboard protocols that pyte would print as text.
_UNKNOWN = re.compile(rb"\x1b\[[<>=][0-9;]*u|\x1b\[\?[0-9;]*\$p|\x1bP.*?\x1b\\")


class Terminal:
    """One process on a terminal of its own.

    Args:
        command: what runs on it.
        cwd: where.
        env: its whole environment.
    """

    def __init__(self, command: list[str], cwd: Path, env: dict[str, str], columns: int = 100, lines: int = 30) -> None:
        self._screen = pyte.Screen(columns, lines)
        self._stream = pyte.ByteStream(self._screen)
        env = {**env, "TERM": "xterm-256color"}
        self.process, self._master = start_on_terminal(command, columns=columns, lines=lines, env=env, cwd=cwd)
        self.scrolled = b""

    @property
    def text(self) -> str:
        """What stands on the screen."""
        return "\n".join(line.rstrip() for line in self._screen.display)

    def press(self, *keys: str) -> None:
        """Type, as fast as somebody who is quick at it."""
        for key in keys:
            os.write(self._master, key.encode())
            time.sleep(0.05)

    def until(self, wanted: str, *, gone: bool = False) -> str:
        """Wait until a text is on the screen, or off it."""
        end = time.monotonic() + _SECONDS
        while (wanted in self.text) is gone:
            assert time.monotonic() < end, f"{wanted!r} is {'still' if gone else 'not'} there:\n{self.text}"
            if not self._read(0.5) and self.process.poll() is not None:
                assert (wanted in self.text) is not gone, f"it ended, without {wanted!r}:\n{self.text}"
        return self.text

    def settle(self) -> None:
        """Take in what is drawn, until nothing more is."""
        while self._read(0.4):
            pass

    def until_line(self, label: str, value: str) -> None:
        """Wait until a line says something of something."""
        end = time.monotonic() + _SECONDS
        while not any(label in line and value in line for line in self.text.splitlines()):
            assert time.monotonic() < end, f"no line says {value!r} of {label!r}:\n{self.text}"
            self._read(0.5)

    def wait(self) -> int:
        """Wait for the end of the process."""
        end = time.monotonic() + _SECONDS
        while self.process.poll() is None:
            assert time.monotonic() < end, f"it does not end:\n{self.text}"
            self._read(0.2)
        while self._read(0.1):
            pass
        return self.process.returncode

    def close(self) -> None:
        """End what still runs."""
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        os.close(self._master)

    def _read(self, seconds: float) -> bool:
        ready, _, _ = select.select([self._master], [], [], seconds)
        if not ready:
            return False
        try:
            piece = os.read(self._master, 65536)
        except OSError:  # Linux's way of saying that nobody has the other end open
            return False
        self.scrolled += piece
        self._stream.feed(_UNKNOWN.sub(b"", piece))
        return bool(piece)
