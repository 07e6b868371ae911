# SPDX-License-Identifier: Apache-2.0
"""One registration: a callback with a name and a priority, and the checks that each one passes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from nemo_relay._runtime.awaitables import is_async_callable, running_loop
from nemo_relay._runtime.checks import expect, expect_text
from nemo_relay_records import encoding

Sink = Callable[[bytes], None]


class Entry:
    """One registration: its callback and what was found out about it when it was registered."""

    __slots__ = ("break_chain", "fn", "form", "is_async", "loop", "name", "owner", "priority", "sink")

    def __init__(self, name: str, priority: int, fn: Any, *, break_chain: bool = False, form: int = 0) -> None:
        self.name = name
        self.priority = priority
        self.fn = fn
        self.break_chain = break_chain
        self.form = form  # which published generation's parameter list the callback takes
        self.is_async = False
        self.loop: Any = None  # the event loop that was running when it was registered
        self.owner: tuple[str, int] | None = None  # (plugin kind, ordinal) of the plugin that made it
        self.sink: Sink | None = None  # takes the event's line on the emitter's thread


class Audience:
    """Who hears of an event: sinks take its line at once, on the emitter's thread; callbacks get it from the queue.

    Attributes:
        sinks: all of them.
        plain: the sinks that take the line and no more.
        makers: of the others, what takes the line and the payloads that it was made of (``sinks.Tap.made_of``).
        callbacks: the other subscribers.
    """

    __slots__ = ("callbacks", "makers", "plain", "sinks")

    def __init__(self, entries: tuple[Entry, ...]) -> None:
        self.sinks = tuple(entry.sink for entry in entries if entry.sink is not None)
        self.makers = tuple(sink.made_of for sink in self.sinks if hasattr(sink, "made_of"))
        self.plain = tuple(sink for sink in self.sinks if not hasattr(sink, "made_of"))
        self.callbacks = tuple(entry for entry in entries if entry.sink is None)


def checked_entry(kind: str, name: Any, priority: Any, fn: Any, break_chain: Any) -> Entry:
    """An entry for the family ``kind``.

    Raises:
        TypeError: the name is no string, the priority no integer, ``break_chain`` no bool, or an LLM sanitizer
            does not take ``(payload, context)``.
        OverflowError: the priority does not fit 32 bits.
    """
    expect_text(name, "name")
    if not isinstance(priority, int):
        raise TypeError(f"'{type(priority).__name__}' object cannot be interpreted as an integer")
    if not -(2**31) <= priority < 2**31:
        raise OverflowError("out of range integral type conversion attempted")
    expect(break_chain, bool, where="break_chain")
    encoding.load()  # not with the first event, in the middle of somebody's work
    # Nor by the dispatcher's thread: a fork in the middle of its import would leave the child a lock that nobody holds.
    from nemo_relay._runtime.events import wire as _wire  # noqa: F401

    made = Entry(name, priority, fn, break_chain=break_chain, form=_form(kind, fn))
    made.is_async = is_async_callable(fn)
    made.loop = running_loop()
    return made


def _form(kind: str, fn: Any) -> int:
    """Which generation's parameter list ``fn`` takes; 0 is the current one."""
    if kind in _LLM_SANITIZERS:
        return _sanitizer_form(fn)
    older = _OLDER_FORMS.get(kind)
    if older is None:
        return 0
    current, before = older
    return int(not _binds(fn, current) and _binds(fn, before))


_LLM_SANITIZERS = ("llm_sanitize_request_guardrail", "llm_sanitize_response_guardrail")

# How many positional arguments a callback takes now, and took in 0.5 to 0.9.
_OLDER_FORMS = {
    "tool_execution_intercept": (2, 3),
    "llm_execution_intercept": (4, 3),
    "llm_stream_execution_intercept": (4, 2),
}


def _binds(fn: Any, count: int) -> bool:
    import inspect

    try:
        inspect.signature(fn).bind(*range(count))
    except TypeError:
        return False
    except ValueError:  # a builtin without a signature: taken at its word
        return True
    return True


def _sanitizer_form(fn: Any) -> int:
    """0 for ``(payload, context)``, 1 for ``(payload)`` of 0.5 and 0.6."""
    import inspect

    try:
        inspect.signature(fn)
    except (TypeError, ValueError):
        raise TypeError(
            "LLM sanitizer callback signature cannot be inspected; use a callable that accepts `(payload, context)`"
        ) from None
    if _binds(fn, 2):
        return 0
    if _binds(fn, 1):
        return 1
    raise TypeError("LLM sanitizer callback must accept `(payload, context)`")
