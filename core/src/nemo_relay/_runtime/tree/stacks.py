# SPDX-License-Identifier: Apache-2.0
"""Scope stacks for those who carry context by hand: to threads, to other tasks, from other processes.

None of it is needed for tasks, copied contexts and executors, which have their own position anyway.
"""

from __future__ import annotations

import contextvars
import sys
from typing import Any

from nemo_relay._runtime.checks import expect
from nemo_relay._runtime.tree import context, propagation
from nemo_relay._runtime.tree.propagation import PropagationContext
from nemo_relay._runtime.tree.spans import ScopeStack, Span
from nemo_relay.errors import NoActiveScope


def _var() -> contextvars.ContextVar[ScopeStack | None]:
    # Looked up where it is published: programs replace it there to work in an empty context.
    return sys.modules["nemo_relay"]._scope_stack_var  # type: ignore[no-any-return]


def create_scope_stack() -> ScopeStack:
    """A new, detached stack; it follows strict last-in first-out order."""
    return ScopeStack(explicit=True)


def get_scope_stack() -> ScopeStack:
    """The stack of this context; made if there is none. The same object at each call in one context."""
    stack = _var().get(None)
    if stack is None:
        stack = context.bound.stack or ScopeStack()
        _var().set(stack)
        context.bind(stack)
    here = context.position.get()
    if here is None or here.stack.root is not stack.root:
        context.bind(stack)
    elif not stack.explicit:
        stack.top = here  # where a thread that is given this stack goes on
    return stack


def scope_stack_active() -> bool:
    """Whether this context, or its thread, has a stack; none is made to find out."""
    return _var().get(None) is not None or context.bound.explicit


def propagate_scope_to_thread() -> ScopeStack:
    """The position reached here, for ``set_thread_scope_stack`` in another thread.

    Raises:
        NoActiveScope: this context has no stack (a RuntimeError).
    """
    if not scope_stack_active():
        raise NoActiveScope(
            "no active scope stack in current context; call nemo_relay.get_scope_stack() or"
            " nemo_relay.scope.push() first"
        )
    stack = get_scope_stack()
    if stack.explicit:
        return stack
    # A stack of its own: many tasks hand their positions to threads at the same time.
    return _at(context.current(), stack)


def _at(here: Span, stack: ScopeStack) -> ScopeStack:
    made = ScopeStack.__new__(ScopeStack)
    made.root, made.top, made.explicit = stack.root, here, False
    made.imported, made.rootless = stack.imported, stack.rootless
    made.traceparent, made.tracestate = stack.traceparent, stack.tracestate
    return made


def set_thread_scope_stack(stack: ScopeStack) -> None:
    """Go on in this thread where ``stack`` has got to."""
    expect(stack, ScopeStack)
    context.bound.stack, context.bound.explicit = stack, True
    _var().set(stack)
    context.bind(stack)


def sync_thread_scope_stack(stack: ScopeStack) -> None:
    """Remember ``stack`` for contexts of this thread that have none, without marking it as given by hand."""
    context.bound.stack = stack


class use_scope_stack:
    """Work on ``stack`` for the block; afterwards everything is as before."""

    __slots__ = ("_before", "_stack")

    def __init__(self, stack: ScopeStack) -> None:
        expect(stack, ScopeStack)
        self._stack = stack

    def __enter__(self) -> ScopeStack:
        self._before = capture_thread_scope_stack()
        _var().set(self._stack)
        context.bind(self._stack)
        return self._stack

    def __exit__(self, *_: object) -> None:
        restore_thread_scope_stack(self._before)


def capture_thread_scope_stack() -> Any:
    """A token for ``restore_thread_scope_stack``."""
    return (_var().get(None), context.position.get(), context.bound.stack, context.bound.explicit)


def restore_thread_scope_stack(token: Any) -> None:
    """Undo what happened to this thread's and context's stack since the token was taken."""
    stack, here, bound, explicit = token
    _var().set(stack)
    context.stack_var.set(stack)
    context.position.set(here)
    context.bound.stack, context.bound.explicit = bound, explicit


def create_scope_stack_from_propagation(context: PropagationContext) -> ScopeStack:
    """A stack that continues a position of another process."""
    return propagation.imported_stack(context)


def capture_propagation_context() -> PropagationContext:
    """The current position, with its session and trace, for another process."""
    get_scope_stack()
    return propagation.capture(context.current())


def capture_rootless_propagation_context() -> PropagationContext:
    """The current position without its session; an imported trace travels along."""
    return capture_propagation_context_with_root(None)


def capture_propagation_context_with_root(root_uuid: str | None) -> PropagationContext:
    """The current position under another session.

    Raises:
        ValueError: no UUID.
        InvalidArgument: an unusable UUID (a RuntimeError).
    """
    get_scope_stack()
    return propagation.capture_with_root(context.current(), root_uuid)


def capture_traceparent() -> str:
    """The W3C ``traceparent`` for work below the current position.

    Raises:
        NoActiveScope: nothing has been opened or imported (a RuntimeError).
    """
    get_scope_stack()
    return propagation.capture_header(context.current())


def fork_asyncio_context() -> contextvars.Context:
    """A copy of this context that stands where this one does, on a stack of its own.

    For programs written for runtimes in which tasks share a stack; here ``create_task`` alone does the same.
    """
    forked = contextvars.copy_context()
    forked.run(_fork, capture_propagation_context())
    return forked


def _fork(position: PropagationContext) -> None:
    stack = propagation.imported_stack(position)
    stack.explicit = False
    _var().set(stack)
    context.bind(stack)
