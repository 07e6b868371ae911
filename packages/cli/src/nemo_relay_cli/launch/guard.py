# SPDX-License-Identifier: Apache-2.0
"""``python -I -S guard.py PARENT PROGRAM ARGS...``: becomes the program, and dies with its parent.

Linux tells a process that its parent has died, so that a gateway that is killed leaves no agent behind which talks to
a dead port. Elsewhere it only becomes the program.
"""

import os
import sys

_PR_SET_PDEATHSIG = 1
_SIGTERM = 15


def main(argv: list[str]) -> int:
    """Become the program; the exit code where that fails."""
    parent, program = int(argv[1]), argv[2:]
    if sys.platform == "linux":
        import ctypes

        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, _SIGTERM)
        if os.getppid() != parent:  # it died before we asked to be told
            return 1
    try:
        os.execv(program[0], program)
    except OSError as error:
        sys.stderr.write(f"launcher error: {program[0]!r} cannot be started: {error.strerror}\n")
        return 126 if isinstance(error, PermissionError) else 127


if __name__ == "__main__":
    sys.exit(main(sys.argv))
