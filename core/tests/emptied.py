# SPDX-License-Identifier: Apache-2.0
"""An empty runtime: what each of these tests starts from, and must leave behind."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from nemo_relay import subscribers
from nemo_relay._runtime.delivery.dispatcher import dispatcher
from nemo_relay._runtime.log import faults
from nemo_relay._runtime.registry import gates, registry
from nemo_relay._runtime.tree import context, generators
from nemo_relay._runtime.tree.stacks import capture_thread_scope_stack, restore_thread_scope_stack


def clear() -> None:
    """Remove every global registration and gate."""
    for family in registry.FAMILIES:
        for name in list(family.entries):
            family.remove(name)
    for name in list(gates._gates):
        gates.remove(name)
    faults.counts.clear()


@contextmanager
def empty_runtime() -> Iterator[None]:
    """No registration, no scope for the block; afterwards nothing may be left of what scopes owned."""
    before = capture_thread_scope_stack()
    clear()
    context.position.set(None)
    context.stack_var.set(None)
    context.bound.stack, context.bound.explicit = None, False
    try:
        yield
        dispatcher.flush(20)
        assert registry.quiet.locals == 0, "a scope still owns registrations"
        assert not generators.frames
        assert not generators._innermost
    finally:
        clear()
        subscribers.configure()
        restore_thread_scope_stack(before)
        registry.quiet.locals = 0
        registry.quiet.refresh()
        generators.frames.clear()
        generators._innermost.clear()
