# SPDX-License-Identifier: Apache-2.0
"""What happens to a failure that must not reach the application: counted, and reported once per kind."""

from __future__ import annotations

import os
import sys
from collections import Counter
from collections.abc import Callable
from typing import Any

from nemo_relay_records.interrupts import is_interrupt

MAX_KINDS = 4_096  # further kinds are counted under their event alone: names of spans may be without number

counts: Counter[str] = Counter()


def text(error: BaseException) -> str:
    """What ``error`` says, without secrets in it: keys in addresses, bearer tokens, passwords.

    A ``__str__`` that raises is the application's: it must not become another error.
    """
    from nemo_relay_records.redaction.redactor import mask

    try:
        return mask(str(error))
    except BaseException as raised:
        if is_interrupt(raised):
            raise
        return "<error without a readable message>"


def describe(error: BaseException) -> str:
    """``Type: message`` of ``error``."""
    return f"{type(error).__name__}: {text(error)}"


def report(event: str, error: BaseException, **fields: object) -> None:
    """Count the failure ``event``; write it to the operational log the first time it happens for these ``fields``."""
    counts[event] += 1
    if is_first(f"{event}:{sorted(fields.items())!r}:{type(error).__name__}"):
        _log(event, describe(error), **fields)


def log_with(write: Callable[..., None]) -> None:
    """Report with ``write``: the log, which stands on this module, gives it."""
    global _log
    _log = write


def is_first(kind: str) -> bool:
    """Count the failure ``kind``; whether it is the first one."""
    if kind not in counts and len(counts) >= MAX_KINDS:
        return False
    counts[kind] += 1
    return counts[kind] == 1


def set_aside() -> Callable[[], None]:
    """Forget what was counted, so that all is reported anew; the returned call remembers it."""
    kept = Counter(counts)
    counts.clear()

    def restore() -> None:
        counts.clear()
        counts.update(kept)

    return restore


def write(line: str) -> None:
    """Write one line to standard error, where there still is one; also where a signal interrupted another line."""
    stream: Any = sys.stderr
    try:
        try:
            stream.write(line + "\n")
        except RuntimeError:  # its buffer takes nothing while this thread is in the middle of a write
            os.write(stream.fileno(), (line + "\n").encode("utf-8", "backslashreplace"))
    except Exception:  # a closed stderr must not become the application's problem
        pass


def _log(event: str, message: str, **_fields: object) -> None:
    write(f"nemo_relay: {event}: {message}")
