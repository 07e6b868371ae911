# SPDX-License-Identifier: Apache-2.0
"""The guard through which code goes that is not ours and must not decide about the application's work.

Observers (sinks, sanitizers, injectors, resolvers, gates) and payloads (``__repr__``, properties) may raise
whatever they like, ``SystemExit`` included: a tool's result is not lost for it. Only a real Ctrl-C passes.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from nemo_relay_records.interrupts import is_interrupt


def pass_on(error: BaseException) -> None:
    """Raise ``error`` where it is none that may be kept: Ctrl-C, and the end of a generator that is being closed."""
    if isinstance(error, GeneratorExit) or is_interrupt(error):
        raise error


def blame(error: BaseException, kind: str, name: str, call: str) -> None:
    """Note on ``error`` that it was raised by the callback ``name`` of that kind; it stays the same object.

    Endings of tasks and generators are no errors, and some errors say in their text whose they are.
    """
    if not isinstance(error, Exception):
        return
    if type(error).__module__ == "nemo_relay.errors" and f"{kind} '{name}'" in str(error):
        return
    note = f"raised by the {kind} {name!r} {call}"
    try:
        if note not in getattr(error, "__notes__", ()):
            error.add_note(note)
    except Exception:  # an exception that takes no notes goes as it is
        pass


def call(fn: Callable[..., Any], *args: Any) -> tuple[Any, BaseException | None]:
    """What ``fn(*args)`` returned, and None; or None, and what it raised."""
    try:
        return fn(*args), None
    except BaseException as error:
        if is_interrupt(error):
            raise
        return None, error
