# SPDX-License-Identifier: Apache-2.0
"""Scopes opened in the body of a generator.

A generator runs in its consumer's context, so a scope that it holds open across a ``yield`` would become the parent
of whatever the consumer does in between, and two interleaved generators would nest into each other. Context variables
alone cannot tell them apart. So such a scope is remembered by the frame that opened it, and counts only while that
generator is running or awaiting, not while it is suspended at a ``yield``. A generator that *is* a context manager
(``contextlib``, a pytest fixture) is the exception: there the body of the ``with`` block is meant to be inside.
"""

from __future__ import annotations

import sys
from contextvars import ContextVar
from opcode import opmap
from types import FrameType

from nemo_relay._runtime.tree.spans import Span, is_within

GENERATOR = 0x20 | 0x200  # CO_GENERATOR, CO_ASYNC_GENERATOR
_YIELD_VALUE = opmap["YIELD_VALUE"]
_RESUME = opmap["RESUME"]
_AFTER_AWAIT = 3  # RESUME's argument says what the frame was suspended at
_CONTEXT_MANAGERS = frozenset({"_pytest.fixtures", "anyio.pytest_plugin", "contextlib", "pytest_asyncio.plugin"})
_ENTERING = frozenset({"__enter__", "__aenter__"})

frames: dict[Span, FrameType] = {}
_innermost: dict[FrameType, Span] = {}

# Scopes of generators that this context entered without opening them, each with where the context came from: a
# generator may be pulled by one consumer after another, and the span itself knows the way back of its opener alone.
_adopted: ContextVar[tuple[tuple[Span, Span], ...]] = ContextVar("nemo_relay_adopted", default=())
_MOST_ADOPTED = 8
adoptions = False  # whether there ever was one


def note(span: Span, opener: FrameType) -> None:
    """Remember ``span`` as one that the generator frame ``opener`` holds open."""
    if not _is_context_manager(opener):
        frames[span] = opener
        _innermost[opener] = span


def forget(span: Span) -> bool:
    """``span`` has ended; whether a generator held it."""
    frame = frames.pop(span, None)
    if frame is None:
        return False
    if _innermost.get(frame) is span:
        outer = span.parent_span
        while outer is not None and frames.get(outer) is not frame:
            outer = outer.parent_span
        if outer is None:
            del _innermost[frame]
        else:
            _innermost[frame] = outer
    return True


def adopt(span: Span, own: Span) -> None:
    """This context is inside ``span``, which another one opened, and came from ``own``."""
    global adoptions
    adoptions = True
    _adopted.set((*_adopted.get()[1 - _MOST_ADOPTED :], (span, own)))


def before(span: Span) -> Span | None:
    """Where this context stood before it was inside ``span``."""
    if adoptions:
        for adopted, own in reversed(_adopted.get()):
            if adopted is span:
                return own
    return span._before


def without_suspended(here: Span) -> Span:
    """Where the consumer stands whose context says ``here``: in something open that no suspended generator holds."""
    while here.parent_span is not None and (not here.is_open or (here in frames and _is_suspended(frames[here]))):
        # Not the parent: another consumer may have opened that.
        here = before(here) or here.parent_span
    return here


def seen_from(here: Span, depth: int) -> Span:
    """The span that the running code stands in, given that its context says ``here``."""
    running = _running(sys._getframe(depth))
    return here if running is None or is_within(here, running) else running


def _running(frame: FrameType | None) -> Span | None:
    """The scope of the nearest generator that is executing the code that asks."""
    while frame is not None:
        found = _innermost.get(frame)
        if found is not None:
            return found
        frame = frame.f_back
    return None


def _is_suspended(frame: FrameType) -> bool:
    """Whether the generator stands at a ``yield``; one that awaits has work in progress."""
    code, at = frame.f_code.co_code, frame.f_lasti
    if at < 0 or at + 3 >= len(code):
        return False
    if code[at] == _YIELD_VALUE:
        at += 2
    # Python 3.13 points at the instruction to go on with, older ones at the one that was executed last.
    return code[at] == _RESUME and code[at + 1] & 0b11 != _AFTER_AWAIT


def _is_context_manager(frame: FrameType) -> bool:
    driver = frame.f_back
    if driver is None:
        return False
    return driver.f_code.co_name in _ENTERING or driver.f_globals.get("__name__") in _CONTEXT_MANAGERS
