# SPDX-License-Identifier: Apache-2.0
"""R10: a signal handler or a finaliser touches registrations on the thread that is touching them. R27: deep trees."""

from __future__ import annotations

import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any

import pytest

from nemo_relay import ScopeType, scope, scope_local, subscribers, tools
from nemo_relay import runtime_registrations as registrations
from nemo_relay._runtime.registry import registry
from nemo_relay.errors import AlreadyRegistered

KINDS = {registrations.RuntimeRegistrationKind.SUBSCRIBER}


def nothing(*_: Any) -> None:
    """A callback."""


def interrupted_everywhere(operation: Callable[[], object], action: Callable[[], object]) -> Iterator[int]:
    """Run ``operation`` again and again, each time with ``action`` in front of the next line of the registry's code, on
    the same thread, as a signal handler could; yields after each, until there is no such line any more.
    """
    for number in range(1_000):
        count, fired = 0, False

        def trace(frame: Any, event: str, _arg: Any, number: int = number) -> Any:
            nonlocal count, fired
            if "/registry/" not in frame.f_code.co_filename or fired:
                return None
            if event == "line":
                count += 1
                if count > number:
                    fired = True
                    action()
            return trace

        before = sys.gettrace()
        sys.settrace(trace)
        try:
            operation()
        finally:
            sys.settrace(before)
        if not fired:
            assert number > 10, "the code that was to be interrupted has moved"
            return
        yield number


def test_r10_registering_inside_a_registration() -> None:
    for _ in interrupted_everywhere(
        lambda: subscribers.register("outer", nothing), lambda: subscribers.register("inner", nothing)
    ):
        assert [entry.name for entry in registry.subscribers.snapshot] == ["inner", "outer"]
        assert registry.activity.observed
        assert subscribers.deregister("outer")
        assert subscribers.deregister("inner")
        assert not registry.activity.observed
    subscribers.deregister("outer")


def test_r10_removing_inside_a_registration_and_a_removal() -> None:
    subscribers.register("there", nothing)
    for _ in interrupted_everywhere(
        lambda: subscribers.register("outer", nothing), lambda: subscribers.deregister("there")
    ):
        assert [entry.name for entry in registry.subscribers.snapshot] == ["outer"]
        assert subscribers.deregister("outer")
        subscribers.register("there", nothing)
    subscribers.deregister("outer")
    for _ in interrupted_everywhere(
        lambda: subscribers.deregister("there"), lambda: subscribers.register("inner", nothing)
    ):
        assert [entry.name for entry in registry.subscribers.snapshot] == ["inner"]
        assert subscribers.deregister("inner")
        subscribers.register("there", nothing)
    assert not registry.subscribers.snapshot


def test_r10_a_name_that_is_taken_meanwhile_is_refused_and_not_replaced() -> None:
    refused = 0

    def outer() -> None:
        nonlocal refused
        try:
            subscribers.register("one", nothing)
        except AlreadyRegistered:
            refused += 1

    def inner() -> None:
        with suppress(AlreadyRegistered):
            subscribers.register("one", print)

    for _ in interrupted_everywhere(outer, inner):
        (entry,) = registry.subscribers.snapshot
        assert entry is registry.subscribers.entries["one"]
        assert subscribers.deregister("one")
    assert refused
    subscribers.deregister("one")


def test_r10_scopes_that_own_registrations() -> None:
    handle = scope.push("s", ScopeType.Function)
    for _ in interrupted_everywhere(
        lambda: scope_local.register_subscriber(handle, "outer", nothing),
        lambda: scope_local.register_subscriber(handle, "inner", nothing),
    ):
        assert registry.activity.owners == {handle}
        assert handle.local is not None
        names = [entry.name for entry in handle.local.families[registry.subscribers.index].snapshot]
        assert names == ["inner", "outer"]
        assert scope_local.deregister_subscriber(handle, "outer")
        assert scope_local.deregister_subscriber(handle, "inner")
        assert registry.activity.global_only
    scope.pop(handle)
    assert not registry.activity.owners


def test_r10_gates() -> None:
    add, remove = (
        registrations.register_conditional_middleware_guardrail,
        registrations.deregister_conditional_middleware_guardrail,
    )
    for _ in interrupted_everywhere(
        lambda: add("outer", KINDS, "here", lambda _members, _target: "off"),
        lambda: add("inner", KINDS, "there", nothing),
    ):
        subscribers.register("here", nothing)
        assert not subscribers.is_heard()
        assert remove("outer")
        assert subscribers.is_heard()
        assert remove("inner")
        assert subscribers.deregister("here")
        assert registry.activity.global_only
    remove("outer")


@pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="a timer of the system")
def test_r10_a_signal_handler_that_touches_the_registry() -> None:
    handled = 0

    def handler(*_: Any) -> None:
        nonlocal handled
        subscribers.register("in-handler", nothing)
        subscribers.deregister("in-handler")
        handled += 1
        if handled < 200:
            signal.setitimer(signal.ITIMER_REAL, 0.0005)  # only when this one has come back

    assert threading.current_thread() is threading.main_thread()
    before = signal.signal(signal.SIGALRM, handler)
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.0005)
        while handled < 200:
            subscribers.register("m", nothing)
            assert subscribers.deregister("m")
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    assert not registry.activity.observed


def test_r27_a_thousand_named_parents_below_a_scope_that_owns_registrations() -> None:
    """R27: the way up is walked without recursion, and remembered: a new scope asks its parents alone."""
    heard: list[str] = []
    root = scope.push("root", ScopeType.Agent)
    homes = [scope.push(name, ScopeType.Agent, handle=root) for name in "ab"]
    scope_local.register_subscriber(root, "own", lambda event: heard.append(event.name))
    opened = []
    for number in range(5_000):
        opened.append(scope.push(f"n{number}", ScopeType.Function, handle=homes[number % 2]))
    assert tools.execute_sync("t", {}, lambda _args: 1) == 1
    deepest = opened[-1]
    assert deepest.owners_seen is not None
    assert deepest.owners_seen[1] == (root,)
    for handle in reversed(opened):
        scope.pop(handle)
    for handle in (*reversed(homes), root):
        scope.pop(handle)
    assert subscribers.flush(50)
    assert len(heard) == 2 * 5_000 + 2 + 3


def test_r27_a_deep_chain_that_nobody_asked_about_before() -> None:
    root = scope.push("root", ScopeType.Agent)
    opened = [scope.push(f"n{number}", ScopeType.Function) for number in range(5_000)]
    scope_local.register_tool_conditional_execution(root, "no", 1, lambda _name, _args: "not here")
    with pytest.raises(RuntimeError, match="guardrail rejected: not here"):
        tools.execute_sync("t", {}, lambda _args: 1)
    for handle in reversed(opened):
        scope.pop(handle)
    scope.pop(root)
