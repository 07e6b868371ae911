# SPDX-License-Identifier: Apache-2.0
"""A process on a pseudo-terminal of its own, which ends with whoever holds the other side: for tests of screens."""

from __future__ import annotations

import fcntl
import os
import pty
import struct
import subprocess
import sys
import termios
from pathlib import Path

# Leads a session already; the first terminal that it opens becomes its own, and hanging up ends it. No code runs
# between fork and exec: the tests have threads.
_OWNING = "import os, sys; os.close(os.open(os.ttyname(0), os.O_RDWR)); os.execv(sys.argv[1], sys.argv[1:])"


def start_on_terminal(
    command: list[str], *, columns: int, lines: int, env: dict[str, str], cwd: Path | None = None
) -> tuple[subprocess.Popen[bytes], int]:
    """Start ``command``, whose first word is a path.

    Args:
        command: what runs on it.
        columns: the width of the terminal.
        lines: its height.
        env: the whole environment.
        cwd: where it runs.

    Returns:
        The process, and the descriptor of the terminal's other side.
    """
    ours, theirs = pty.openpty()
    try:
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))
        process = subprocess.Popen(
            [sys.executable, "-c", _OWNING, *command],
            cwd=cwd,
            env=env,
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            start_new_session=True,
        )
    finally:
        os.close(theirs)
    return process, ours
