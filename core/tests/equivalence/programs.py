# SPDX-License-Identifier: Apache-2.0
"""Random small programs, and two ways to run them: in plain Python, and through managed calls and scopes.

A program is a tree of steps. What it does to the world outside is a list of notes (what ran, with which object, in
which order, on which thread), a result, or an exception. With middleware that changes nothing it must be the same.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from hypothesis import strategies as st

from nemo_relay import LLMRequest, ScopeType, ToolExecutionResult, llm, scope, tools


class Trouble(Exception):
    """What a step may raise."""


ERRORS: tuple[Callable[[], BaseException], ...] = (
    Trouble,
    lambda: ValueError("v"),
    lambda: StopIteration("s"),
    KeyError,
    lambda: asyncio.CancelledError("c"),
    lambda: SystemExit(3),
)


@dataclass(frozen=True)
class Step:
    """One step: what it is, the steps in it, and how it ends."""

    kind: str  # "tool", "llm", "scope", "stream", "detached", "mark", "thread", "gather"
    inner: tuple[Step, ...] = ()
    error: int | None = None  # index in ERRORS; raised after the inner steps
    caught: bool = False  # whether what the step raises is caught around it
    wrapped: bool = False  # the tool returns a ToolExecutionResult
    chunks: int = 0
    taken: int = 0  # how many chunks the consumer takes; all where it is no less than there are


LEAVES = st.builds(
    Step,
    kind=st.sampled_from(["tool", "llm", "mark", "detached", "stream"]),
    error=st.none() | st.integers(0, len(ERRORS) - 1),
    caught=st.booleans(),
    wrapped=st.booleans(),
    chunks=st.integers(0, 3),
    taken=st.integers(0, 4),
)


def _with_inner(children: st.SearchStrategy[Step]) -> st.SearchStrategy[Step]:
    return st.builds(
        Step,
        kind=st.sampled_from(["tool", "llm", "scope", "detached", "thread", "gather", "stream"]),
        inner=st.lists(children, max_size=3).map(tuple),
        error=st.none() | st.integers(0, len(ERRORS) - 1),
        caught=st.booleans(),
        wrapped=st.booleans(),
        chunks=st.integers(0, 3),
        taken=st.integers(0, 4),
    )


programs = st.lists(st.recursive(LEAVES, _with_inner, max_leaves=8), min_size=1, max_size=4).map(tuple)


def identity(error: BaseException) -> Any:
    """Which exception it is. Tasks and generators of asyncio and Python make cancellations and some errors anew."""
    made_anew = isinstance(error, (asyncio.CancelledError, RuntimeError))
    return type(error).__name__ if made_anew else id(error)


@dataclass
class World:
    """Where a run leaves its notes, and the objects it handles: the same for both runs of a program."""

    objects: dict[str, Any]
    notes: list[tuple[Any, ...]] = field(default_factory=list)
    threads: dict[threading.Thread, int] = field(default_factory=dict)  # kept: an identifier would be used again

    def thing(self, path: str) -> Any:
        """The object of the step at ``path``; made once, so that identity can be compared between runs."""
        return self.objects.setdefault(path, {"at": path, "list": [1, {"deep": path}]})

    def error(self, path: str, index: int) -> BaseException:
        """The exception of the step at ``path``, made once as well."""
        return self.objects.setdefault(f"{path}!", ERRORS[index]())  # type: ignore[no-any-return]

    def note(self, *what: Any) -> None:
        """Write down that something happened, and on which of the run's threads."""
        thread = self.threads.setdefault(threading.current_thread(), len(self.threads))
        self.notes.append((*what, thread))


class Plain:
    """Calls a callee as a program without us would."""

    def tool(self, args: Any, fn: Callable[[Any], Any]) -> Any:
        return fn(args)

    async def tool_async(self, args: Any, fn: Callable[[Any], Any]) -> Any:
        return await fn(args)

    llm, llm_async = tool, tool_async

    def stream(self, body: Any, fn: Callable[[Any], Iterator[Any]]) -> Any:
        return fn(body)

    async def stream_async(self, body: Any, fn: Callable[[Any], AsyncIterator[Any]]) -> Any:
        return fn(body)

    def scope(self, detached: bool) -> Any:
        return _Nothing()

    def mark(self, data: Any) -> None:
        pass


class Managed:
    """The same through the runtime."""

    def tool(self, args: Any, fn: Callable[[Any], Any]) -> Any:
        return tools.execute_sync("t", args, fn, metadata={"m": args})

    async def tool_async(self, args: Any, fn: Callable[[Any], Any]) -> Any:
        return await tools.execute("t", args, fn)

    def llm(self, body: Any, fn: Callable[[Any], Any]) -> Any:
        return llm.execute_sync("l", LLMRequest({}, body), lambda request: fn(request.content))

    async def llm_async(self, body: Any, fn: Callable[[Any], Any]) -> Any:
        return await llm.execute("l", LLMRequest({}, body), lambda request: fn(request.content))

    def stream(self, body: Any, fn: Callable[[Any], Iterator[Any]]) -> Any:
        request = LLMRequest({}, body)
        return llm.stream_execute_sync("l", request, lambda given: fn(given.content), lambda _chunk: None, list)

    async def stream_async(self, body: Any, fn: Callable[[Any], AsyncIterator[Any]]) -> Any:
        request = LLMRequest({}, body)
        return await llm.stream_execute("l", request, lambda given: fn(given.content), lambda _chunk: None, list)

    def scope(self, detached: bool) -> Any:
        return _Detached() if detached else scope.scope("s", ScopeType.Function)

    def mark(self, data: Any) -> None:
        scope.event("m", data=data)


class _Nothing:
    def __enter__(self) -> None:
        pass

    def __exit__(self, *_: object) -> None:
        pass


class _Detached:
    def __enter__(self) -> None:
        self.handle = scope.start("d", ScopeType.Function)

    def __exit__(self, *_: object) -> None:
        assert scope.end(self.handle)


def run_sync(program: tuple[Step, ...], world: World, by: Any, path: str = "") -> list[Any]:
    """Run the steps without an event loop; what they gave."""
    return [_step_sync(step, world, by, f"{path}/{index}") for index, step in enumerate(program)]


def _step_sync(step: Step, world: World, by: Any, path: str) -> Any:
    try:
        return _act_sync(step, world, by, path)
    except BaseException as error:
        world.note("raised", path, identity(error), type(error).__name__)
        if step.caught:
            return ("caught", identity(error))
        raise


def _act_sync(step: Step, world: World, by: Any, path: str) -> Any:
    thing = world.thing(path)

    def callee(given: Any) -> Any:
        world.note("called", path, id(given))
        answers = run_sync(step.inner, world, by, path)
        if step.error is not None:
            raise world.error(path, step.error)
        return world.objects.setdefault(f"{path}=", ToolExecutionResult(thing) if step.wrapped else answers or thing)

    def producer(given: Any) -> Iterator[Any]:
        world.note("produces", path, id(given))
        try:
            for number in range(step.chunks):
                yield world.thing(f"{path}#{number}")
            run_sync(step.inner, world, by, path)
            if step.error is not None and step.error != 2:  # StopIteration does not leave a generator
                raise world.error(path, step.error)
        finally:
            world.note("closed", path)

    match step.kind:
        case "tool" | "llm":
            answer = (by.tool if step.kind == "tool" else by.llm)(thing, callee)
            world.note("got", path, id(answer) if not step.inner or step.wrapped else answer)
            return id(answer)
        case "stream":
            stream = by.stream(thing, producer)
            got = []
            try:
                for number, chunk in enumerate(stream):
                    got.append(id(chunk))
                    if number + 1 >= step.taken:
                        break
            finally:
                stream.close()
            world.note("streamed", path, tuple(got))
            return tuple(got)
        case "scope" | "detached":
            with by.scope(step.kind == "detached"):
                return id(callee(thing)) if not step.inner else callee(thing)
        case "thread":
            return _elsewhere(lambda: callee(thing), world, path)
        case _:
            by.mark(thing)
            return run_sync(step.inner, world, by, path)


def _elsewhere(work: Callable[[], Any], world: World, path: str) -> Any:
    """Run ``work`` on a thread of its own, which takes its error back."""
    outcome: list[Any] = []

    def run() -> None:
        try:
            outcome.append((work(), None))
        except BaseException as error:
            outcome.append((None, error))

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    ((answer, error),) = outcome
    world.note("joined", path)
    if error is not None:
        raise error
    return answer if isinstance(answer, list) else id(answer)


async def run_async(program: tuple[Step, ...], world: World, by: Any, path: str = "") -> list[Any]:
    """The same on an event loop."""
    return [await _step_async(step, world, by, f"{path}/{index}") for index, step in enumerate(program)]


async def _step_async(step: Step, world: World, by: Any, path: str) -> Any:
    try:
        return await _act_async(step, world, by, path)
    except BaseException as error:
        world.note("raised", path, identity(error), type(error).__name__)
        if step.caught:
            return ("caught", identity(error))
        raise


async def _act_async(step: Step, world: World, by: Any, path: str) -> Any:
    thing = world.thing(path)
    failing = step.error is not None and step.error != 2  # nor does StopIteration leave a coroutine

    async def callee(given: Any) -> Any:
        world.note("called", path, id(given))
        await asyncio.sleep(0)
        answers = await run_async(step.inner, world, by, path)
        if failing:
            raise world.error(path, step.error or 0)
        return world.objects.setdefault(f"{path}=", ToolExecutionResult(thing) if step.wrapped else answers or thing)

    async def producer(given: Any) -> AsyncIterator[Any]:
        world.note("produces", path, id(given))
        try:
            for number in range(step.chunks):
                await asyncio.sleep(0)
                yield world.thing(f"{path}#{number}")
            await run_async(step.inner, world, by, path)
            if failing:
                raise world.error(path, step.error or 0)
        finally:
            world.note("closed", path)

    match step.kind:
        case "tool" | "llm":
            answer = await (by.tool_async if step.kind == "tool" else by.llm_async)(thing, callee)
            world.note("got", path, id(answer) if not step.inner or step.wrapped else answer)
            return id(answer)
        case "stream":
            stream = await by.stream_async(thing, producer)
            got = []
            try:
                async for chunk in stream:
                    got.append(id(chunk))
                    if len(got) >= step.taken:
                        break
            finally:
                await stream.aclose()
            world.note("streamed", path, tuple(got))
            return tuple(got)
        case "scope" | "detached":
            with by.scope(step.kind == "detached"):
                return id(await callee(thing)) if not step.inner else await callee(thing)
        case "gather":
            work = [_step_async(one, world, by, f"{path}/{index}") for index, one in enumerate(step.inner)]
            done = await asyncio.gather(*work, return_exceptions=True)
            return [identity(one) if isinstance(one, BaseException) else one for one in done]
        case _:
            by.mark(thing)
            return await run_async(step.inner, world, by, path)
