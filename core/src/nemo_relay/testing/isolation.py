# SPDX-License-Identifier: Apache-2.0
"""An empty runtime for one test, and the one before it back afterwards."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

from nemo_relay._plugins import host, kinds
from nemo_relay._runtime.awaitables import running_loop
from nemo_relay._runtime.delivery.dispatcher import Dispatcher, dispatcher
from nemo_relay._runtime.log import faults
from nemo_relay._runtime.registry import gates, registry
from nemo_relay._runtime.tree import context, propagation
from nemo_relay_configuration.sources import files

FLUSH_SECONDS = 20.0

# In the order of leaving, backwards: plugins end while what they registered is still there.
_PARTS: tuple[Callable[[], Callable[[], None]], ...] = (
    faults.set_aside,
    context.set_aside,
    propagation.set_aside,
    registry.set_aside,
    gates.set_aside,
    kinds.set_aside,
    host.set_aside,
)
_fresh = Dispatcher()
_SWITCHES: tuple[tuple[Any, str, Any], ...] = (
    (dispatcher, "capacity", _fresh.capacity),
    (dispatcher, "max_bytes", _fresh.max_bytes),
    (dispatcher, "wait_seconds", _fresh.wait_seconds),
    (files, "discovering", False),
    (propagation, "send_header", True),
)


@contextmanager
def isolated() -> Iterator[None]:
    """An empty runtime for a ``with`` block; what there was before is back after it.

    Inside there is no registration (subscriber, guardrail, intercept, sanitizer, injector, gate), no active plugin, no
    plugin kind of the program, no scope, no scope stack and no setting but the defaults, and the plugin files of the
    user and the machine are not looked for. What the block itself registers, opens and activates ends with it.

    Registrations belong to the process, so other threads have none either while the block runs. Events
    of the block are heard before it ends; in a running event loop, which must not wait, ``await
    subscribers.flush_async()`` first.

    The pytest fixture `relay_isolated` does the same for a test.

    Example:
        >>> from nemo_relay import ScopeType, scope, subscribers
        >>> heard = []
        >>> subscribers.register("application", heard.append)
        >>> with isolated():
        ...     with scope.scope("unheard", ScopeType.Function):
        ...         pass
        >>> heard, subscribers.deregister("application")
        ([], True)
    """
    _settle()
    with ExitStack() as restoring:
        for part in _PARTS:
            restoring.callback(part())
        for owner, name, default in _SWITCHES:
            restoring.callback(setattr, owner, name, getattr(owner, name))
            setattr(owner, name, default)
        try:
            yield
        finally:
            _settle()


def _settle() -> None:
    if running_loop() is None:
        dispatcher.flush(FLUSH_SECONDS)
