# SPDX-License-Identifier: Apache-2.0
"""C1: a detached scope ends anywhere, in any order, whatever carries the context: also under stacks carried by hand."""

from __future__ import annotations

import asyncio
import itertools
import random
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

import nemo_relay
from nemo_relay import PropagationContext, ScopeHandle, ScopeType, scope
from nemo_relay.errors import NotFound, RootScopeError, ScopeOrderError
from nemo_relay.testing import capture_events

ROOT = "018f13f0-7c1a-7a80-8000-000000000701"
PARENT = "018f13f0-7c1a-7a80-8000-000000000702"
Carrier = Callable[[], "contextmanager[None]"]


@contextmanager
def implicit() -> Iterator[None]:
    yield


@contextmanager
def explicit() -> Iterator[None]:
    with nemo_relay.use_scope_stack(nemo_relay.create_scope_stack()):
        yield


@contextmanager
def of_the_thread() -> Iterator[None]:
    nemo_relay.set_thread_scope_stack(nemo_relay.create_scope_stack())
    yield


@contextmanager
def propagated() -> Iterator[None]:
    nemo_relay.get_scope_stack()
    with nemo_relay.use_scope_stack(nemo_relay.propagate_scope_to_thread()):
        yield


@contextmanager
def imported() -> Iterator[None]:
    with nemo_relay.use_scope_stack(nemo_relay.create_scope_stack_from_propagation(PropagationContext(PARENT, ROOT))):
        yield


@contextmanager
def rootless() -> Iterator[None]:
    with nemo_relay.use_scope_stack(nemo_relay.create_scope_stack_from_propagation(PropagationContext(PARENT))):
        yield


carried = pytest.mark.parametrize("carrier", [implicit, explicit, of_the_thread, propagated, imported, rootless])


def started(name: str, parent: ScopeHandle | None = None) -> ScopeHandle:
    return scope.start(name, ScopeType.Function, parent=parent)


@carried
def test_c1_a_detached_scope_ends(carrier: Carrier) -> None:
    with carrier():
        assert scope.end(started("one"))
        other = started("two")
        scope.pop(other)
        assert not scope.end(other)


@carried
def test_c1_in_every_order(carrier: Carrier) -> None:
    for order in itertools.permutations(range(4)):
        with carrier():
            before = scope.get_handle()
            outer = started("outer")
            handles = [outer, started("inner", outer), started("sibling", outer), started("other")]
            for index in order:
                assert scope.end(handles[index])
                assert scope.get_handle() is before
            assert not any(scope.end(handle) for handle in handles)


@carried
def test_c1_between_pushes_and_pops(carrier: Carrier) -> None:
    with carrier():
        base = scope.get_handle()
        detached = started("detached")
        outer = scope.push("outer", ScopeType.Function)
        below = started("below outer")
        inner = scope.push("inner", ScopeType.Function)
        assert scope.end(detached) and scope.end(below)
        assert scope.get_handle() is inner
        scope.pop(inner)
        assert scope.get_handle() is outer
        scope.pop(outer)
        assert scope.get_handle() is base


@carried
def test_c1_what_is_pushed_inside_a_detached_scope_leaves_the_stack_as_it_was(carrier: Carrier) -> None:
    with carrier():
        base = scope.get_handle()
        outer = scope.push("outer", ScopeType.Function)
        detached = started("detached")
        with scope.use(detached), scope.scope("inside", ScopeType.Function) as inside:
            assert inside.parent is detached
        popped: list[BaseException | None] = [None]

        def elsewhere(stack: nemo_relay.ScopeStack) -> None:
            nemo_relay.set_thread_scope_stack(stack)
            try:
                assert scope.get_handle() is outer, "the detached scope is nobody's place"
                scope.pop(outer)
            except BaseException as error:
                popped[0] = error

        thread = threading.Thread(target=elsewhere, args=(nemo_relay.get_scope_stack(),))
        thread.start()
        thread.join()
        assert popped == [None]
        assert scope.end(detached)
        assert scope.get_handle() is base


@carried
def test_c1_from_another_thread_and_another_task(carrier: Carrier) -> None:
    with carrier():
        handles = [started(str(number)) for number in range(6)]
        threads = [threading.Thread(target=scope.end, args=(handle,)) for handle in handles[:3]]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

        async def end(handle: ScopeHandle) -> bool:
            await asyncio.sleep(0)
            return scope.end(handle)

        async def both() -> list[bool]:
            return await asyncio.gather(*map(end, reversed(handles[3:])))

        assert asyncio.run(both()) == [True] * 3
        assert not any(scope.end(handle) for handle in handles)


@carried
def test_c1_scopes_of_sibling_tasks(carrier: Carrier) -> None:
    async def work(name: str, turns: int) -> None:
        with scope.scope(name, ScopeType.Function) as handle:
            detached = started(f"{name}'s")
            for _ in range(turns):
                await asyncio.sleep(0)
            assert scope.get_handle() is handle
            assert scope.end(detached)

    async def all_of_them() -> None:
        await asyncio.gather(work("a", 3), work("b", 1), work("c", 2))

    with carrier():
        base = scope.get_handle()
        asyncio.run(all_of_them())
        assert scope.get_handle() is base


@carried
@pytest.mark.parametrize("seed", range(20))
def test_c1_at_random(carrier: Carrier, seed: int) -> None:
    choose = random.Random(seed)
    with carrier():
        base = scope.get_handle()
        pushed: list[ScopeHandle] = []
        loose: list[ScopeHandle] = []
        for number in range(60):
            match choose.randrange(4):
                case 0:
                    pushed.append(scope.push(str(number), ScopeType.Function))
                case 1 if pushed:
                    scope.pop(pushed.pop())
                case 2:
                    parent = choose.choice([None, *pushed, *loose])
                    loose.append(started(str(number), parent))
                case 3 if loose:
                    assert scope.end(loose.pop(choose.randrange(len(loose))))
            assert scope.get_handle() is (pushed[-1] if pushed else base)
        while pushed:
            scope.pop(pushed.pop())
        assert all(scope.end(handle) for handle in loose)
        assert scope.get_handle() is base


def test_a_pushed_scope_of_an_explicit_stack_still_ends_in_order() -> None:
    with explicit():
        outer = scope.push("outer", ScopeType.Function)
        inner = scope.push("inner", ScopeType.Function)
        with pytest.raises(ScopeOrderError):
            scope.pop(outer)
        with pytest.raises(RootScopeError):
            scope.end(nemo_relay.get_scope_stack().root)  # type: ignore[arg-type]
        scope.pop(inner)
        scope.pop(outer)
        with pytest.raises(NotFound):
            scope.pop(outer)


def test_a_scope_that_another_process_started_is_resumed() -> None:
    with capture_events() as captured:
        started = scope.start("agent", ScopeType.Agent, metadata={"a": 1, "b": 1})
        turn = scope.start("turn", ScopeType.Custom, parent=started)
        again = scope.resume("agent", ScopeType.Agent, started.uuid, metadata={"a": 1, "b": 1})
        turn_again = scope.resume("turn", ScopeType.Custom, turn.uuid.upper(), parent=again)
        with scope.use(turn_again):
            scope.event("mark")
        assert scope.end(turn_again, output="done")
        assert scope.end(again, metadata={"b": 2})
        assert not scope.end(again)
    mark, turn_end, end = captured.events[2:]
    assert (mark.parent_uuid, turn_end.uuid, end.uuid) == (turn.uuid, turn.uuid, started.uuid)
    assert (turn_end.parent_uuid, turn_end.data) == (started.uuid, "done")
    assert end.metadata == {"a": 1, "b": 2}
    assert {event.propagation_root_uuid for event in captured.events} == {started.uuid}


@pytest.mark.parametrize("uuid", ["", "x", "018f13f0-7c1a-7a80-8000", 7, None])
def test_what_is_no_identifier_is_not_resumed(uuid: Any) -> None:
    with pytest.raises((TypeError, ValueError)):
        scope.resume("agent", ScopeType.Agent, uuid)
