# SPDX-License-Identifier: Apache-2.0
"""With middleware that changes nothing a program behaves as it does without us: results, errors, order, identity."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import nemo_relay
from nemo_relay import (
    LLMRequestInterceptOutcome,
    PropagationContext,
    ToolExecutionInterceptOutcome,
    event_metadata,
    guardrails,
    intercepts,
    subscribers,
)
from nemo_relay.testing import isolated

from .programs import Managed, Plain, Step, World, identity, programs, run_async, run_sync

PARENT = "018f13f0-7c1a-7a80-8000-000000000702"


@contextmanager
def bare() -> Iterator[None]:
    yield


@contextmanager
def observed() -> Iterator[None]:
    subscribers.register("heard", lambda event: event.to_dict())
    yield


@contextmanager
def shaped() -> Iterator[None]:
    """Every kind of middleware, synchronous, changing nothing."""
    subscribers.register("heard", lambda event: event.to_dict())
    guardrails.register_tool_conditional_execution("yes", 1, lambda _name, _args: None)
    guardrails.register_llm_conditional_execution("yes", 1, lambda _request: None)
    guardrails.register_tool_sanitize_request("same", 1, lambda _name, args: args)
    guardrails.register_tool_sanitize_response("same", 1, lambda _name, result: result)
    guardrails.register_llm_sanitize_request("same", 1, lambda request, _context: request)
    guardrails.register_llm_sanitize_response("same", 1, lambda response, _context: response)
    guardrails.register_mark_sanitize("same", 1, lambda _event, fields: fields)
    guardrails.register_scope_sanitize_start("same", 1, lambda _event, fields: fields)
    guardrails.register_scope_sanitize_end("same", 1, lambda _event, fields: fields)
    event_metadata.register_injector("more", 1, lambda _event: {"more": True})
    intercepts.register_tool_request("same", 1, False, lambda _name, args: args)
    intercepts.register_llm_request(
        "same", 1, False, lambda _name, request, annotated: LLMRequestInterceptOutcome(request, annotated)
    )
    yield


def awaiting(answer: Callable[..., Any]) -> Callable[..., Any]:
    """The same callback, awaited. It lets nobody else run: tasks side by side would change their order."""

    async def awaited(*given: Any) -> Any:
        return answer(*given)

    return awaited


@contextmanager
def shaped_async() -> Iterator[None]:
    """Every kind of middleware that may be awaited, changing nothing."""
    first, second = awaiting(lambda value, *_: value), awaiting(lambda _, value: value)
    subscribers.register("heard", lambda event: event.to_dict())
    guardrails.register_tool_conditional_execution("yes", 1, awaiting(lambda *_: None))
    guardrails.register_llm_conditional_execution("yes", 1, awaiting(lambda *_: None))
    for register in (guardrails.register_tool_sanitize_request, guardrails.register_tool_sanitize_response):
        register("same", 1, second)
    for register in (guardrails.register_llm_sanitize_request, guardrails.register_llm_sanitize_response):
        register("same", 1, first)
    guardrails.register_mark_sanitize("same", 1, second)
    guardrails.register_scope_sanitize_start("same", 1, second)
    guardrails.register_scope_sanitize_end("same", 1, second)
    intercepts.register_tool_request("same", 1, False, second)
    intercepts.register_llm_request(
        "same", 1, False, awaiting(lambda _name, request, annotated: LLMRequestInterceptOutcome(request, annotated))
    )
    yield


def failing(_event: Any) -> None:
    raise SystemExit("observers do not matter")


@contextmanager
def layered() -> Iterator[None]:
    """Execution intercepts around each other, for synchronous calls, and a subscriber that fails."""

    def around_tool(context: Any, proceed: Any) -> Any:
        done = proceed(context.args)
        return ToolExecutionInterceptOutcome(done.result, annotation=done.annotation)

    def around_llm(_name: str, request: Any, _context: Any, proceed: Any) -> Any:
        return proceed(request)

    subscribers.register("failing", failing)
    for order, name in enumerate(("outer", "inner")):
        intercepts.register_tool_execution(name, order, around_tool)
        intercepts.register_llm_execution(name, order, lambda _name, request, _context, proceed: proceed(request))
        intercepts.register_llm_stream_execution(
            name, order, lambda _name, request, _context, proceed: proceed(request)
        )
    yield


@contextmanager
def layered_async() -> Iterator[None]:
    """The same for asynchronous calls."""

    async def around_tool(context: Any, proceed: Any) -> Any:
        done = await proceed(context.args)
        return ToolExecutionInterceptOutcome(done.result, annotation=done.annotation)

    async def around_llm(_name: str, request: Any, _context: Any, proceed: Any) -> Any:
        return await proceed(request)

    subscribers.register("failing", failing)
    for order, name in enumerate(("outer", "inner")):
        intercepts.register_tool_execution(name, order, around_tool)
        intercepts.register_llm_execution(name, order, around_llm)
        intercepts.register_llm_stream_execution(name, order, around_llm)
    yield


@contextmanager
def explicit() -> Iterator[None]:
    with nemo_relay.use_scope_stack(nemo_relay.create_scope_stack()):
        yield


@contextmanager
def imported() -> Iterator[None]:
    stack = nemo_relay.create_scope_stack_from_propagation(PropagationContext(PARENT))
    with nemo_relay.use_scope_stack(stack):
        yield


@contextmanager
def of_the_thread() -> Iterator[None]:
    nemo_relay.set_thread_scope_stack(nemo_relay.create_scope_stack())
    yield


Manager = Callable[[], AbstractContextManager[None]]
WAYS: dict[str, tuple[Manager, bool]] = {
    **{f"sync {made.__name__}": (made, False) for made in (bare, observed, shaped, layered)},
    **{f"async {made.__name__}": (made, True) for made in (bare, observed, shaped, shaped_async, layered_async)},
}
stacks = st.sampled_from([bare, explicit, imported, of_the_thread])


def outcome(run: Callable[[World], Any], objects: dict[str, Any]) -> tuple[Any, ...]:
    """What a run of a program did: its notes, and its result or its exception by identity."""
    world = World(objects)
    try:
        result: Any = ("returned", run(world))
    except BaseException as error:
        if isinstance(error, AssertionError):
            raise
        result = ("raised", identity(error), type(error).__name__)
    return (*result, world.notes)


def compare(program: tuple[Step, ...], middleware: Manager, stack: Manager, *, asynchronous: bool) -> None:
    def run(by: Any) -> Callable[[World], Any]:
        if asynchronous:
            return lambda world: asyncio.run(run_async(program, world, by))
        return lambda world: run_sync(program, world, by)

    objects: dict[str, Any] = {}
    plain = outcome(run(Plain()), objects)
    with isolated(), middleware(), stack():
        managed = outcome(run(Managed()), objects)
    if middleware is layered_async:  # awaits of its own: which of two tasks side by side goes on first is open
        managed, plain = by_step(managed), by_step(plain)
    assert managed == plain


def by_step(found: tuple[Any, ...]) -> tuple[Any, ...]:
    """The same, with the notes of each step in their order, and no order between steps."""
    *result, notes = found
    return (*result, sorted(notes, key=lambda note: str(note[1])))


@pytest.mark.timeout(600)  # a busy machine may need long for these programs
@pytest.mark.parametrize("way", WAYS)
@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
@given(program=programs, stack=stacks)
def test_a_random_program_behaves_the_same(way: str, program: tuple[Step, ...], stack: Manager) -> None:
    middleware, asynchronous = WAYS[way]
    compare(program, middleware, stack, asynchronous=asynchronous)


@pytest.mark.fuzz
@pytest.mark.timeout(3_600)
@pytest.mark.parametrize("way", WAYS)
@settings(max_examples=5_000, deadline=None, suppress_health_check=list(HealthCheck))
@given(program=programs, stack=stacks)
def test_many_random_programs_behave_the_same(way: str, program: tuple[Step, ...], stack: Manager) -> None:
    middleware, asynchronous = WAYS[way]
    compare(program, middleware, stack, asynchronous=asynchronous)
