# SPDX-License-Identifier: Apache-2.0
"""An exception inside a callback: counted, logged once per kind, never seen by the application."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable
from functools import wraps
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")

_log = logging.getLogger("nemo_relay.integrations.langchain")
_counts: Counter[str] = Counter()


def callback_failures() -> dict[str, int]:
    """How many callbacks failed since the process began, by ``"<callback>: <exception class>"``.

    Returns:
        A fresh mapping; empty when every callback was recorded.

    >>> isinstance(callback_failures(), dict)
    True
    """
    return dict(_counts)


def note_failure(where: str, error: Exception) -> None:
    """Count ``error``; log it the first time its class shows up in ``where``."""
    kind = f"{where}: {type(error).__name__}"
    _counts[kind] += 1
    if _counts[kind] == 1:
        _log.error(
            "NeMo Relay could not record %s; further failures of this kind are counted only",
            kind,
            exc_info=error,
        )


def observed(callback: Callable[P, None]) -> Callable[P, None]:
    """Keep what ``callback`` raises away from the framework, which would log it at every call."""

    @wraps(callback)
    def run(*args: P.args, **kwargs: P.kwargs) -> None:
        guard(callback.__name__, callback, *args, **kwargs)

    return run


def guard(where: str, callback: Callable[P, None], *args: P.args, **kwargs: P.kwargs) -> None:
    """Call ``callback``; count what it raises under ``where``."""
    try:
        callback(*args, **kwargs)
    except Exception as error:
        note_failure(where, error)


def attempt(where: str, make: Callable[[], T], otherwise: T) -> T:
    """What ``make`` returns; ``otherwise`` where it raises, which is counted under ``where``."""
    try:
        return make()
    except Exception as error:
        note_failure(where, error)
        return otherwise
