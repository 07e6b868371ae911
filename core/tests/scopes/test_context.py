# SPDX-License-Identifier: Apache-2.0
"""Where work belongs: tasks, threads, generators, stacks carried by hand."""

from __future__ import annotations

import asyncio
import contextvars
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

import nemo_relay
from nemo_relay import LLMRequest, ScopeType, ToolExecutionResult, llm, scope, tools
from nemo_relay._runtime.tree.stacks import (
    capture_thread_scope_stack,
    restore_thread_scope_stack,
    sync_thread_scope_stack,
)

from ..conftest import Ear


def in_thread(fn: Callable[[], Any]) -> Any:
    """What `fn` returns in a thread with an empty context."""
    result: list[Any] = []
    thread = threading.Thread(target=lambda: result.append(fn()))
    thread.start()
    thread.join(50)
    return result[0]


async def test_sibling_tasks_have_their_own_position_with_no_extra_call(ear: Ear) -> None:
    ready = asyncio.Barrier(3)

    async def work(name: str) -> None:
        with scope.scope(name, ScopeType.Function):
            await ready.wait()
            with scope.scope(f"{name} inner", ScopeType.Function):
                await ready.wait()
            await ready.wait()

    with scope.scope("parent", ScopeType.Agent) as parent:
        await asyncio.gather(*(work(name) for name in "abc"))
        assert scope.get_handle().uuid == parent.uuid
    await ear.settle()
    for name in "abc":
        assert ear.start(name)["parent_uuid"] == parent.uuid
        assert ear.start(f"{name} inner")["parent_uuid"] == ear.start(name)["uuid"]
        assert ear.end(name)["metadata"] == {"otel.status_code": "OK"}


async def test_concurrent_calls_in_tasks_keep_their_own_parents(ear: Ear) -> None:
    async def work(number: int) -> None:
        with scope.scope(f"s{number}", ScopeType.Agent):
            await tools.execute(f"t{number}", {}, lambda args: asyncio.sleep(0, "x"))
            await llm.execute(f"l{number}", LLMRequest({}, {}), lambda request: asyncio.sleep(0, "x"))

    await asyncio.gather(*(work(number) for number in range(20)))
    await ear.settle()
    for number in range(20):
        parent = ear.start(f"s{number}")["uuid"]
        assert ear.start(f"t{number}")["parent_uuid"] == parent
        assert ear.start(f"l{number}")["parent_uuid"] == parent


async def test_a_scope_opened_in_a_task_does_not_leak_into_its_creator() -> None:
    before = scope.get_handle().uuid

    async def forgetful() -> None:
        scope.push("left open", ScopeType.Function)

    await asyncio.create_task(forgetful())
    assert scope.get_handle().uuid == before


def test_generators_that_take_turns_do_not_mix_their_scopes(ear: Ear) -> None:
    def steps(name: str) -> Iterator[None]:
        with scope.scope(name, ScopeType.Function):
            yield
            scope.event(f"in {name}", handle=None)
            yield

    one, two = contextvars.copy_context(), contextvars.copy_context()
    first, second = steps("first"), steps("second")
    for generator, context in ((first, one), (second, two)):
        context.run(next, generator)
    for generator, context in ((first, one), (second, two)):
        context.run(next, generator)
        context.run(next, generator, None)
    assert ear.one("in first")["parent_uuid"] == ear.start("first")["uuid"]
    assert ear.one("in second")["parent_uuid"] == ear.start("second")["uuid"]


async def test_an_async_generator_closes_the_right_scope(ear: Ear) -> None:
    async def numbers(name: str) -> AsyncIterator[int]:
        with scope.scope(name, ScopeType.Function):
            for number in range(3):
                yield number

    async for _ in numbers("a"):
        async for _ in numbers("b"):
            break
        break
    await asyncio.sleep(0)
    await ear.settle()
    assert ear.names().count("start a") == ear.names().count("start b") == 1


def test_a_new_thread_starts_a_stack_of_its_own(ear: Ear) -> None:
    with scope.scope("main", ScopeType.Agent) as main:
        other = in_thread(scope.get_handle)
        assert other.uuid != main.uuid
        assert other.name == "root"
        assert in_thread(nemo_relay.scope_stack_active) is False


async def test_to_thread_and_copied_contexts_inherit_and_do_not_leak(ear: Ear) -> None:
    def work() -> str:
        scope.push("left open", ScopeType.Function)
        return scope.get_handle().parent_uuid or ""

    with scope.scope("main", ScopeType.Agent) as main:
        assert await asyncio.to_thread(work) == main.uuid
        with ThreadPoolExecutor(1) as pool:
            assert pool.submit(contextvars.copy_context().run, work).result() == main.uuid
        assert scope.get_handle().uuid == main.uuid


def test_a_stack_can_be_handed_to_a_thread(ear: Ear) -> None:
    def work(stack: nemo_relay.ScopeStack) -> None:
        nemo_relay.set_thread_scope_stack(stack)
        assert nemo_relay.scope_stack_active()
        with scope.scope("in thread", ScopeType.Function):
            pass
        assert nemo_relay.get_scope_stack() is nemo_relay.get_scope_stack()
        assert scope.get_handle().uuid == main.uuid, "asking for the stack does not replace it"

    with scope.scope("main", ScopeType.Agent) as main:
        stack = nemo_relay.propagate_scope_to_thread()
        in_thread(lambda: work(stack))
    assert ear.start("in thread")["parent_uuid"] == main.uuid


def test_what_a_thread_captures_is_the_stack_it_was_given() -> None:
    with scope.scope("main", ScopeType.Agent) as main:
        stack = nemo_relay.propagate_scope_to_thread()

        def work() -> str:
            nemo_relay.set_thread_scope_stack(stack)
            return nemo_relay.capture_propagation_context().parent_uuid

        assert in_thread(work) == main.uuid


def test_there_is_nothing_to_hand_on_where_nothing_was_opened() -> None:
    def work() -> str:
        with pytest.raises(RuntimeError, match="^no active scope stack in current context; call nemo_relay.get_sco"):
            nemo_relay.propagate_scope_to_thread()
        return "refused"

    assert in_thread(work) == "refused"


def test_one_context_has_one_stack_and_another_context_another() -> None:
    stack = nemo_relay.get_scope_stack()
    assert isinstance(stack, nemo_relay.ScopeStack)
    assert nemo_relay.get_scope_stack() is stack
    assert repr(stack) == "<ScopeStack>"
    assert contextvars.Context().run(nemo_relay.get_scope_stack) is not stack


def test_a_stack_is_active_once_something_made_it_so() -> None:
    def transitions() -> list[bool]:
        seen = [nemo_relay.scope_stack_active()]
        nemo_relay.get_scope_stack()
        return [*seen, nemo_relay.scope_stack_active()]

    assert contextvars.Context().run(transitions) == [False, True]


async def test_tasks_made_before_any_stack_have_a_root_each() -> None:
    async def root() -> str:
        return scope.get_handle().uuid

    empty = [asyncio.create_task(root(), context=contextvars.Context()) for _ in range(2)]
    first, second = [await task for task in empty]
    assert first != second


def test_a_block_on_another_stack_leaves_everything_as_it_was(ear: Ear) -> None:
    with scope.scope("here", ScopeType.Agent) as here:
        mine = nemo_relay.get_scope_stack()
        other = nemo_relay.create_scope_stack()
        with nemo_relay.use_scope_stack(other) as used:
            assert used is other is nemo_relay.get_scope_stack()
            assert scope.get_handle().name == "root"
            inner = nemo_relay.create_scope_stack()
            with pytest.raises(ValueError, match="nested"), nemo_relay.use_scope_stack(inner):
                raise ValueError("nested")
            assert nemo_relay.get_scope_stack() is other
            with scope.scope("there", ScopeType.Function):
                pass
        assert nemo_relay.get_scope_stack() is mine
        assert scope.get_handle().uuid == here.uuid
    assert ear.start("there")["parent_uuid"] != here.uuid


def test_a_block_on_another_stack_keeps_a_thread_binding() -> None:
    def work() -> bool:
        bound = nemo_relay.create_scope_stack()
        nemo_relay.set_thread_scope_stack(bound)
        with nemo_relay.use_scope_stack(nemo_relay.create_scope_stack()):
            pass
        return nemo_relay.get_scope_stack() is bound and nemo_relay.scope_stack_active()

    assert in_thread(work)


def test_a_stack_of_ones_own_goes_last_in_first_out() -> None:
    with nemo_relay.use_scope_stack(nemo_relay.create_scope_stack()):
        outer = scope.push("outer", ScopeType.Agent)
        inner = scope.push("inner", ScopeType.Function)
        with pytest.raises(RuntimeError, match="^invalid argument: scope handle is not at the top of the stack$"):
            scope.pop(outer)
        scope.pop(inner)
        scope.pop(outer)


def test_the_private_thread_helpers_save_and_restore() -> None:
    stack = nemo_relay.create_scope_stack()
    token = capture_thread_scope_stack()
    nemo_relay.set_thread_scope_stack(stack)
    assert nemo_relay.get_scope_stack() is stack
    restore_thread_scope_stack(token)
    assert nemo_relay.get_scope_stack() is not stack

    def synced() -> bool:
        sync_thread_scope_stack(stack)
        return nemo_relay.scope_stack_active()

    assert in_thread(synced) is False, "syncing does not count as given by hand"


async def test_forked_contexts_have_stacks_of_their_own_below_the_same_parent(ear: Ear) -> None:
    own = contextvars.ContextVar("own", default="")
    own.set("kept")

    async def work(name: str) -> tuple[nemo_relay.ScopeStack, str, str]:
        with scope.scope(name, ScopeType.Function):
            await asyncio.sleep(0)
        return nemo_relay.get_scope_stack(), scope.get_handle().uuid, own.get()

    with scope.scope("parent", ScopeType.Agent) as parent:
        tasks = [asyncio.create_task(work(name), context=nemo_relay.fork_asyncio_context()) for name in ("one", "two")]
        (first, at_first, kept), (second, at_second, _) = [await task for task in tasks]
    await ear.settle()
    assert first is not second
    assert at_first == at_second == parent.uuid
    assert kept == "kept"
    assert ear.start("one")["parent_uuid"] == ear.start("two")["parent_uuid"] == parent.uuid


async def test_work_inside_a_callback_is_a_child_of_the_call(ear: Ear) -> None:
    async def search(args: Any) -> ToolExecutionResult[str]:
        scope.event("looking")
        with scope.scope("inner", ScopeType.Function):
            await asyncio.sleep(0)
        await tools.execute("nested", {}, lambda args: ToolExecutionResult(1))
        child = asyncio.create_task(asyncio.to_thread(scope.event, "from a thread"))
        await child
        return ToolExecutionResult(nemo_relay.capture_propagation_context().parent_uuid)

    with scope.scope("agent", ScopeType.Agent) as agent:
        answer = await tools.execute("search", {}, search)
        assert scope.get_handle().uuid == agent.uuid
    await ear.settle()
    call = ear.start("search")["uuid"]
    assert answer.result == call, "local and remote parentage agree"
    assert ear.start("search")["parent_uuid"] == agent.uuid
    assert {ear.one("looking")["parent_uuid"], ear.one("from a thread")["parent_uuid"]} == {call}
    assert {ear.start("inner")["parent_uuid"], ear.start("nested")["parent_uuid"]} == {call}


def test_what_a_callback_leaves_open_does_not_move_its_caller(run: Any) -> None:
    def forgetful(args: Any) -> int:
        scope.push("left open", ScopeType.Function)
        return 1

    with scope.scope("agent", ScopeType.Agent) as agent:
        run.tool("t", {}, forgetful)
        run.llm("l", LLMRequest({}, {}), forgetful)
        assert scope.get_handle().uuid == agent.uuid


async def test_callbacks_run_with_the_callers_context_variables(form: str) -> None:
    own = contextvars.ContextVar("own", default="")
    seen: list[str] = []

    def note(*args: Any) -> Any:
        seen.append(own.get())
        return args[-1] if len(args) > 1 else "answer"

    from ..conftest import in_form

    nemo_relay.intercepts.register_tool_request("i", 0, False, in_form(form, note))
    own.set("mine")
    await tools.execute("t", {}, in_form(form, note))
    assert seen == ["mine", "mine"]
    loop = asyncio.get_running_loop()

    async def where(args: Any) -> bool:
        return asyncio.get_running_loop() is loop

    assert await tools.execute("t", {}, where) is True
