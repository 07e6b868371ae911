# SPDX-License-Identifier: Apache-2.0
"""Everything that a function may raise."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any


class Application(Exception):
    """What applications raise."""


class Unspeakable(Exception):
    """Cannot even say what it is."""

    def __str__(self) -> str:
        raise ValueError("no text")

    __repr__ = __str__


class Below(BaseException):
    """Beside Exception."""


def with_notes() -> BaseException:
    error = Application("a", 2)
    error.add_note("mine")
    return error


def with_cause() -> BaseException:
    error = Application()
    error.__cause__ = KeyError("cause")
    return error


MAKERS: dict[str, Callable[[], BaseException]] = {
    "application": lambda: Application("text"),
    "notes": with_notes,
    "cause": with_cause,
    "unspeakable": Unspeakable,
    "below": Below,
    "group": lambda: ExceptionGroup("several", [ValueError("1"), Application()]),
    "cancelled": lambda: asyncio.CancelledError("by itself"),
    "stop async iteration": lambda: StopAsyncIteration("x"),
    "generator exit": GeneratorExit,
    "keyboard interrupt": KeyboardInterrupt,
    "system exit": lambda: SystemExit(3),
    "assertion": lambda: AssertionError("no"),
    "os error": lambda: OSError(2, "no file"),
    "timeout": lambda: TimeoutError("late"),
    "recursion": lambda: RecursionError("deep"),
}


def described(error: BaseException) -> list[Any]:
    """What can be seen of ``error``, apart from its identity."""
    frame = error.__traceback__
    innermost = None
    while frame is not None:
        innermost, frame = frame.tb_frame.f_code.co_name, frame.tb_next
    return [
        type(error),
        [repr(arg) for arg in error.args] if not isinstance(error, BaseExceptionGroup) else str(error),
        type(error.__cause__),
        type(error.__context__),
        error.__suppress_context__,
        getattr(error, "__notes__", None),
        innermost,
    ]
