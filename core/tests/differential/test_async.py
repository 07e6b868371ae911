# SPDX-License-Identifier: Apache-2.0
"""Asynchronous calls: whatever can be told from inside or outside is as if the function were awaited directly."""

from __future__ import annotations

import asyncio
import gc
import types
import warnings
import weakref
from collections.abc import AsyncIterator, Awaitable, Callable, Generator
from contextlib import asynccontextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import Any

import pytest

from .failures import MAKERS, Application, described
from .modes import MODES, Invoke, directly_async, through_async, watched

variable: ContextVar[str] = ContextVar("variable", default="unset")
Log = list[Any]
Scenario = Callable[[Invoke, Log], Awaitable[None]]


@asynccontextmanager
async def resource(log: Log, name: str) -> AsyncIterator[None]:
    log.append(f"open {name}")
    try:
        yield
    finally:
        await asyncio.sleep(0)
        await asyncio.sleep(0.002)
        log.append(f"close {name}")


class Later:
    """An awaitable that is no coroutine."""

    def __init__(self, value: Any) -> None:
        self.value = value

    def __await__(self) -> Generator[Any, Any, Any]:
        yield from asyncio.sleep(0).__await__()
        return self.value


async def results_are_the_very_objects(invoke: Invoke, log: Log) -> None:
    for thing in (object(), {"a": 1}, None, ValueError("x"), iter([1]), (i for i in "a"), asyncio.Event()):

        async def work(_args: Any, thing: Any = thing) -> Any:
            await asyncio.sleep(0)
            return thing

        log.append(await invoke(work, {}) is thing)
        log.append(await invoke(lambda args, thing=thing: thing, {}) is thing)
        log.append(await invoke(lambda args, thing=thing: Later(thing), {}) is thing)


async def futures_and_tasks_are_awaited(invoke: Invoke, log: Log) -> None:
    loop = asyncio.get_running_loop()
    future = loop.create_future()
    loop.call_later(0.002, future.set_result, "done")
    log.append(await invoke(lambda args: future, {}))
    log.append(await invoke(lambda args: asyncio.create_task(asyncio.sleep(0, "slept")), {}))


async def only_one_layer_is_awaited(invoke: Invoke, log: Log) -> None:
    inner = Later(1)

    async def work(_args: Any) -> Any:
        return inner

    log.append(await invoke(work, {}) is inner)


async def async_generators_stay_lazy(invoke: Invoke, log: Log) -> None:
    async def work(args: Any) -> AsyncIterator[int]:
        async with resource(log, "producer"):
            yield args

    made = await invoke(work, 1)
    log.append("made")
    async for item in made:
        log.append(item)


async def the_task_and_its_context(invoke: Invoke, log: Log) -> None:
    task = asyncio.current_task()
    token = variable.set("outside")

    async def work(_args: Any) -> Any:
        log.append(variable.get())
        variable.set("inside")
        await asyncio.sleep(0)
        return asyncio.current_task()

    log.append(await invoke(work, {}) is task)
    log.append(variable.get())
    await invoke(lambda args: variable.reset(token), {})
    log.append(variable.get())


async def a_timeout_waits_for_cleanup(invoke: Invoke, log: Log) -> None:
    async def work(_args: Any) -> None:
        async with resource(log, "inner"):
            begun.set()
            await asyncio.sleep(30)

    begun = asyncio.Event()

    async def call() -> Any:
        return await invoke(work, {})

    async with resource(log, "outer"):
        try:
            async with asyncio.timeout(None) as deadline:

                async def late(args: Any) -> None:
                    deadline.reschedule(0)  # it is over as soon as the work has begun
                    await work(args)

                await invoke(late, {})
        except TimeoutError as error:
            log.append(("timeout", type(error.__cause__)))
    task = asyncio.current_task()
    assert task is not None
    log.append(task.cancelling())
    begun.clear()
    waited = asyncio.ensure_future(call())
    await begun.wait()
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(waited, 0.001)
    log.append("after wait_for")


async def a_task_group_waits_for_cleanup(invoke: Invoke, log: Log) -> None:
    async def slow(_args: Any) -> None:
        async with resource(log, "slow"):
            begun.set()
            await asyncio.sleep(30)

    begun = asyncio.Event()

    async def failing(_args: Any) -> None:
        await begun.wait()
        raise Application("failed")

    async def call(func: Any) -> Any:
        return await invoke(func, {})

    try:
        async with asyncio.TaskGroup() as group:
            group.create_task(call(slow))
            group.create_task(call(failing))
    except* Application as caught:
        log.append([str(error) for error in caught.exceptions])
    log.append("after the group")


async def cancellation_is_delivered_and_may_be_refused(invoke: Invoke, log: Log) -> None:
    async def stubborn(_args: Any) -> str:
        try:
            begun.set()
            await asyncio.sleep(30)
        except asyncio.CancelledError as error:
            log.append(error.args)
        return "went on"

    async def obedient(_args: Any) -> None:
        begun.set()
        await asyncio.sleep(30)

    begun = asyncio.Event()
    for func in (stubborn, obedient):

        async def call(func: Any = func) -> Any:
            return await invoke(func, {})

        begun.clear()
        task = asyncio.create_task(call())
        await begun.wait()
        task.cancel("enough")
        try:
            log.append(await task)
        except asyncio.CancelledError as error:
            log.append(("cancelled", error.args))
        log.append((task.cancelled(), task.cancelling()))


async def cancelled_before_it_starts(invoke: Invoke, log: Log) -> None:
    async def work(_args: Any) -> None:
        log.append("never")

    async def call() -> None:
        await invoke(work, {})

    task = asyncio.create_task(call())
    task.cancel()
    log.append(await asyncio.gather(task, return_exceptions=True) != [])
    log.append(task.cancelled())


async def a_shield_holds(invoke: Invoke, log: Log) -> None:
    async def work(_args: Any) -> str:
        await over.wait()
        log.append("finished")
        return "value"

    over = asyncio.Event()

    async def call() -> Any:
        return await invoke(work, {})

    inner = asyncio.ensure_future(call())
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(asyncio.shield(inner), 0.002)
    over.set()
    log.append(await inner)


async def gathered(invoke: Invoke, log: Log) -> None:
    turns = [asyncio.Event() for _ in range(6)]
    turns[5].set()

    async def work(number: int) -> int:
        await turns[number + 1].wait()  # the last one first
        log.append(number)
        turns[number].set()
        if number == 2:
            raise Application(number)
        return number * 10

    answers = await asyncio.gather(*(invoke(work, number) for number in range(5)), return_exceptions=True)
    log.append([repr(answer) for answer in answers])


async def driven_by_hand(invoke: Invoke, log: Log) -> None:
    @types.coroutine
    def bare_yield(value: Any) -> Generator[Any, Any, Any]:
        return (yield value)

    async def work(_args: Any) -> Any:
        try:
            log.append(await bare_yield("asked"))
            await bare_yield("again")
        finally:
            log.append("cleanup")

    coroutine = invoke(work, {})
    log.append(coroutine.send(None))
    log.append(coroutine.send("answer"))
    coroutine.close()
    log.append("closed")

    coroutine = invoke(work, {})
    coroutine.send(None)
    error = Application("thrown in")
    try:
        coroutine.throw(error)
    except Application as caught:
        log.append(caught is error)


async def a_coroutine_that_nobody_awaits(invoke: Invoke, log: Log) -> None:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        made = invoke(lambda args: log.append("never"), {})
        del made
        gc.collect()
    log.append([(warning.category, "was never awaited" in str(warning.message)) for warning in caught])


async def stop_iteration(invoke: Invoke, log: Log) -> None:
    async def work(_args: Any) -> None:
        raise StopIteration(5)

    def plain(_args: Any) -> None:
        raise StopIteration(5)

    for func in (work, plain):
        try:
            await invoke(func, {})
        except RuntimeError as error:
            log.append((str(error), repr(error.__cause__)))


async def nothing_is_kept_alive(invoke: Invoke, log: Log) -> None:
    class Thing:
        pass

    args, result = Thing(), Thing()
    references = [weakref.ref(args), weakref.ref(result)]

    async def work(_args: Any, result: Any = result) -> Any:
        await asyncio.sleep(0)
        return result

    await invoke(work, args)
    del args, result, work
    log.append([reference() for reference in references])


async def an_exception_is_not_kept_alive(invoke: Invoke, log: Log) -> None:
    async def work(_args: Any) -> None:
        await asyncio.sleep(0)
        raise Application

    gc.disable()
    try:
        try:
            await invoke(work, {})
        except Application as error:
            reference = weakref.ref(error)
        log.append(reference() is None)
    finally:
        gc.enable()


async def locks_are_released_in_order(invoke: Invoke, log: Log) -> None:
    lock = asyncio.Lock()

    async def work(name: str) -> None:
        async with lock:
            log.append(f"in {name}")
            await asyncio.sleep(0.001)
            log.append(f"out {name}")

    await asyncio.gather(*(invoke(work, name) for name in "abc"))


SCENARIOS = [
    results_are_the_very_objects,
    futures_and_tasks_are_awaited,
    only_one_layer_is_awaited,
    async_generators_stay_lazy,
    the_task_and_its_context,
    a_timeout_waits_for_cleanup,
    a_task_group_waits_for_cleanup,
    cancellation_is_delivered_and_may_be_refused,
    cancelled_before_it_starts,
    a_shield_holds,
    gathered,
    driven_by_hand,
    a_coroutine_that_nobody_awaits,
    stop_iteration,
    nothing_is_kept_alive,
    an_exception_is_not_kept_alive,
    locks_are_released_in_order,
]


@pytest.mark.parametrize(("kind", "setup"), MODES)
@pytest.mark.parametrize("scenario", SCENARIOS)
def test_nothing_changes(scenario: Scenario, kind: str, setup: str, tmp_path: Path) -> None:
    expected: Log = []
    asyncio.run(scenario(directly_async, expected))
    assert expected
    log: Log = []
    with watched(setup, tmp_path, synchronous=False):
        asyncio.run(scenario(through_async(kind), log))
    assert log == expected


def raised(invoke: Invoke, make: Callable[[], BaseException], pause: bool) -> tuple[bool, list[Any]]:
    error = make()
    seen: list[Any] = []

    async def work(_args: Any) -> None:
        if pause:
            await asyncio.sleep(0)
        try:
            raise LookupError("handled inside")
        except LookupError:
            raise error  # noqa: B904

    async def main() -> None:
        try:
            raise KeyError("handled outside")
        except KeyError:
            try:
                await invoke(work, {})
            except BaseException as caught:
                seen.append((caught is error, described(caught)))

    asyncio.run(main())
    (answer,) = seen
    return answer  # type: ignore[no-any-return]


@pytest.mark.parametrize(("kind", "setup"), MODES)
@pytest.mark.parametrize("name", MAKERS)
def test_what_is_raised_arrives_as_it_is(name: str, kind: str, setup: str, tmp_path: Path) -> None:
    for pause in (False, True):
        expected = raised(directly_async, MAKERS[name], pause)
        with watched(setup, tmp_path, synchronous=False):
            assert raised(through_async(kind), MAKERS[name], pause) == expected


@pytest.mark.parametrize(("kind", "setup"), MODES)
@pytest.mark.parametrize("kind_of_exit", [KeyboardInterrupt, SystemExit])
def test_what_ends_the_loop_ends_it(kind_of_exit: type[BaseException], kind: str, setup: str, tmp_path: Path) -> None:
    error = kind_of_exit("now")

    def work(_args: Any) -> None:
        raise error

    async def main() -> None:
        await through_async(kind)(work, {})

    with watched(setup, tmp_path, synchronous=False):
        with pytest.raises(kind_of_exit) as caught:
            asyncio.run(main())
    assert caught.value is error
