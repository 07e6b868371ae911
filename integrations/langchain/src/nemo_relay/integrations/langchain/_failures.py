# SPDX-License-Identifier: Apache-2.0
"""An exception inside a callback: counted, logged once per kind, never seen by the application."""

from __future__ import annotations

import traceback
from collections import Counter
from collections.abc import Callable
from functools import wraps
from typing import Any, ParamSpec, TypeVar

from nemo_relay import logs
from nemo_relay.errors import GuardrailRejected

P = ParamSpec("P")
T = TypeVar("T")

TARGET = "integrations.langchain"  # of the records in the operational log
_FRAMES = 4  # of a failure's traceback that its record shows
_VERDICT = "_nemo_relay_verdict"
_counts: Counter[str] = Counter()


def callback_failures() -> dict[str, int]:
    """How many callbacks failed since the process began, by ``"<callback>: <exception class>"``.

    Returns:
        A fresh mapping; empty when every callback was recorded.

    >>> isinstance(callback_failures(), dict)
    True
    """
    return dict(_counts)


def note_failure(where: str, error: BaseException) -> None:
    """Count ``error``; log it the first time its class shows up in ``where``.

    Args:
        where: the place that it is counted under.
        error: what was raised.
    """
    kind = f"{where}: {type(error).__name__}"
    _counts[kind] += 1
    if _counts[kind] == 1:
        logs.error(
            f"NeMo Relay could not record {kind}; further failures of this kind are counted only",
            target=TARGET,
            fields={"event": "callback_failed", "callback": where, "error": _text(error), "at": _place(error)},
        )


def _text(error: BaseException) -> str:
    try:
        return str(error)[:400]
    except Exception:
        return ""


def _place(error: BaseException) -> str:
    frames = traceback.extract_tb(error.__traceback__)[-_FRAMES:]
    return " > ".join(f"{frame.name}:{frame.lineno}" for frame in frames)


def verdict(error: T) -> T:
    """``error``, which is what a guardrail says, or raised where it should have said something: callbacks let it by."""
    setattr(error, _VERDICT, True)
    return error


def is_verdict(error: BaseException) -> bool:
    """Whether the application is to see ``error``."""
    return isinstance(error, GuardrailRejected) or getattr(error, _VERDICT, False) is True


def observed(callback: Callable[P, None]) -> Callable[P, None]:
    """The guard around a callback: nothing of ours gets out of it, only the verdict of a guardrail."""

    @wraps(callback)
    def run(*args: P.args, **kwargs: P.kwargs) -> None:
        try:
            callback(*args, **kwargs)
        except Exception as error:
            if is_verdict(error):
                raise
            note_failure(callback.__name__, error)

    setattr(run, _GUARDED, True)
    return run


_GUARDED = "_nemo_relay_guarded"


def guard_callbacks(handler: type[Any]) -> None:
    """Put the guard around each callback that the class ``handler`` defines itself."""
    for name, callback in list(vars(handler).items()):
        if name.startswith("on_") and callable(callback) and not hasattr(callback, _GUARDED):
            setattr(handler, name, observed(callback))


def unguarded(callback: Callable[P, None]) -> Callable[P, None]:
    """What the guard is around, for a callback with a guard of its own."""
    inner: Callable[P, None] = getattr(callback, "__wrapped__", callback)
    return inner


def guard(where: str, callback: Callable[P, None], *args: P.args, **kwargs: P.kwargs) -> None:
    """Call ``callback(*args, **kwargs)``; count what it raises under ``where``.

    Args:
        where: the place that a failure is counted under.
        callback: what observes.
        *args, **kwargs: what it is called with.

    Raises:
        GuardrailRejected: a guardrail refused the call that the framework was about to make.
    """
    try:
        callback(*args, **kwargs)
    except Exception as error:
        if is_verdict(error):
            raise
        note_failure(where, error)


def attempt(where: str, make: Callable[[], T], otherwise: T) -> T:
    """What ``make`` returns; ``otherwise`` where it raises, which is counted under ``where``.

    Args:
        where: the place that a failure is counted under.
        make: makes the value.
        otherwise: the value in its place.

    Returns:
        One of the two.
    """
    try:
        return make()
    except Exception as error:
        note_failure(where, error)
        return otherwise
