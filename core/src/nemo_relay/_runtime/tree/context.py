# SPDX-License-Identifier: Apache-2.0
"""Where the running code stands in the work tree.

One context variable holds the current span, another the stack it belongs to. Nothing here is shared and mutable, so
nothing has to be forked: a task, a thread with a copied context or an executor simply has its own position.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextvars import ContextVar

from nemo_relay._runtime import guard
from nemo_relay._runtime.log import faults
from nemo_relay._runtime.tree import generators
from nemo_relay._runtime.tree.spans import ScopeStack, Span, is_within
from nemo_relay.errors import NotFound, RootScopeError, ScopeOrderError

position: ContextVar[Span | None] = ContextVar("nemo_relay_position", default=None)
stack_var: ContextVar[ScopeStack | None] = ContextVar("scope_stack", default=None)

# Set where events are delivered: a callback stands where its event was emitted, even if that span has closed meanwhile.
as_emitted: ContextVar[bool] = ContextVar("nemo_relay_as_emitted", default=False)

# The events emitted by a callback that works on an event; None outside. They are delivered right after that event.
publishing: ContextVar[list[Callable[[], None]] | None] = ContextVar("nemo_relay_event_sanitizer_active", default=None)

_get = position.get
_set = position.set


class _Bound(threading.local):
    """The stack a thread was given by hand, for the contexts in it that have none of their own."""

    stack: ScopeStack | None = None
    explicit = False


bound = _Bound()

_resolvers: dict[str, Callable[[], Span | None]] = {}


def current() -> Span:
    """The span that work started here belongs to."""
    here = _get()
    if here is None:
        here = begin()
    elif not here.is_open and not as_emitted.get():  # closed elsewhere, e.g. by the code that started this task
        here = _nearest_open(here)
    if generators.frames and not as_emitted.get():
        own = generators.without_suspended(here)
        here = generators.seen_from(own, 2)
        if here is not own and is_within(here, own):
            _set(here)  # so that a task started from here inherits it
            generators.adopt(here, own)
    return _resolve(here) if _resolvers else here


def standing() -> Span | None:
    """Where this context stands by its own doing, whatever frameworks say: what decides which policies hold."""
    here = _get()
    return generators.without_suspended(here) if here is not None and generators.frames else here


def begin() -> Span:
    """Give this context a stack: the one its thread is bound to, or a new one."""
    bind(bound.stack or ScopeStack())
    here = _get()
    assert here is not None
    return here


def bind(stack: ScopeStack) -> None:
    """Make ``stack``, at the place it has reached, the stack of this context."""
    stack_var.set(stack)
    _set(stack.top)


def enter(span: Span) -> None:
    """Make ``span`` current in this context."""
    before = _get()
    # Never a closed one: chains of them would grow for ever.
    span._before = before if before is None or before.is_open else _nearest_open(before)
    _set(span)
    stack = span.stack
    if stack.explicit:
        span.below = stack.top
        stack.top = span


def set_aside() -> Callable[[], None]:
    """Stand nowhere, with no stack in this context and its thread; the returned call goes back."""
    kept = _get(), stack_var.get(), bound.stack, bound.explicit
    _set(None)
    stack_var.set(None)
    bound.stack, bound.explicit = None, False

    def restore() -> None:
        here, stack, bound.stack, bound.explicit = kept
        _set(here)
        stack_var.set(stack)

    return restore


def close(span: Span) -> None:
    """Take ``span`` out of the tree of open work, wherever in it this context stands.

    Raises:
        NotFound: it is closed already.
        RootScopeError: it is the root of its stack, or a span of another process.
        ScopeOrderError: its stack is explicit, it was pushed onto it, and it is not the top. A detached scope was not.
    """
    stack = span.stack
    if span is stack.root or span is stack.imported:
        raise RootScopeError
    here = _get()
    if stack.explicit and span.below is not None and span is not stack.top and span is not here and span.is_open:
        raise ScopeOrderError
    # Nothing between the question and the answer: of two threads that close the same scope, one does.
    if not span.is_open:
        raise NotFound("scope handle not found")
    span.is_open = False
    noted = bool(generators.frames) and generators.forget(span)
    if here is span:
        _set(_open_before(span))
    if stack.top is span:
        stack.top = _below(span) if stack.explicit else _nearest_open(span)
    if not noted:  # a generator's consumers may still stand here, and go back to where they came from
        span._before = None


def _below(span: Span) -> Span:
    """What has been the top of an explicit stack before ``span`` was pushed onto it, and is still open."""
    while not span.is_open:
        if span.below is None:
            return span.stack.root
        span = span.below
    return span


def _open_before(span: Span) -> Span | None:
    """Where this context stood before ``span`` was entered; further back where that has been closed meanwhile."""
    before = generators.before(span)
    while before is not None and not before.is_open:
        before = generators.before(before) or before.parent_span
    return before


def _nearest_open(span: Span) -> Span:
    while not span.is_open and span.parent_span is not None:
        span = generators.before(span) or span.parent_span
    return span


def register_resolver(name: str, fn: Callable[[], Span | None]) -> None:
    """Ask ``fn`` which span of a framework is current here; see ``nemo_relay.scope.register_resolver``."""
    _resolvers[name] = fn


def deregister_resolver(name: str) -> bool:
    """Stop asking; False when the name is unknown."""
    return _resolvers.pop(name, None) is not None


def _resolve(here: Span) -> Span:
    for name, fn in tuple(_resolvers.items()):
        span, error = guard.call(fn)
        if error is None and span is not None and not issubclass(type(span), Span):
            error = TypeError(f"a resolver returns a span or None, not {type(span).__name__!r}")
        if error is not None:
            faults.report("scope_resolver_failed", error, resolver=name)
            continue
        # A scope that the application opened inside the framework's span is nearer than that span.
        if span is not None and not is_within(here, span):
            here = span
    return here
