# SPDX-License-Identifier: Apache-2.0
"""Any set of middleware runs in the order of the rules, the same in both drivers."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from nemo_relay import LLMRequest, ScopeType, llm, scope, subscribers, tools
from nemo_relay._runtime.registry import registry
from nemo_relay.testing import isolated

from .middleware_model import Entry, Model, awaiting, callbacks, chain, entries, gate, register

EXECUTION = ("tool_execution_intercept", "llm_execution_intercept", "llm_stream_execution_intercept")


class Run:
    """One program under one set of middleware: a tool call, an LLM call, a stream and a mark in the inner scope."""

    def __init__(self, made: list[Entry], *, asynchronous: bool) -> None:
        self.log: list[str] = []  # what ran on the caller's side, in order
        self.heard: list[str] = []
        self.made = made
        self.asynchronous = asynchronous
        with isolated():
            outer = scope.push("outer", ScopeType.Function)
            inner = scope.push("inner", ScopeType.Function)
            for entry in made:
                log = self.heard if entry.kind == "subscriber" else self.log
                wants_await = asynchronous and entry.kind in EXECUTION
                fn = awaiting(entry, log) if wants_await else callbacks(entry, log)
                register(entry, {"outer": outer, "inner": inner}, fn)
                gate(entry)
            self.steps: list[list[str]] = []
            if asynchronous:
                asyncio.run(self.go_async())
            else:
                self.go_sync()
            scope.pop(inner)
            scope.pop(outer)
            assert not registry.activity.owners
            assert subscribers.flush(50)
            # Nothing that a closed scope owned takes part any more.
            after = len(self.log)
            tools.execute_sync("later", {}, lambda args: None)
            later = {line.split(" ")[-1].split(".")[0] for line in self.log[after:]}
            assert later <= {"global"}

    def cut(self) -> None:
        self.steps.append(list(self.log))
        self.log.clear()

    def say(self, *_: Any) -> str:
        self.log.append("run")
        return "value"

    def go_sync(self) -> None:
        assert tools.execute_sync("tool", {"a": 1}, self.say) == "value"
        self.cut()
        assert llm.execute_sync("model", LLMRequest({}, {}), self.say) == "value"
        self.cut()
        scope.event("mark")
        self.cut()

    async def go_async(self) -> None:
        assert await tools.execute("tool", {"a": 1}, self.say) == "value"
        self.cut()
        assert await llm.execute("model", LLMRequest({}, {}), self.say) == "value"
        self.cut()
        scope.event("mark")
        self.cut()


def check(made: list[Entry]) -> None:
    model = Model(made)
    expected = [
        model.call("tool", "tool_execution_intercept"),
        model.call("llm", "llm_execution_intercept"),
        model.event("mark_sanitize_guardrail"),
    ]
    guards = {
        kind: [e.name for e in chain(made, f"{kind}_conditional_execution_guardrail")] for kind in ("tool", "llm")
    }
    events: list[str] = []
    for kind, name in (("tool", "tool"), ("llm", "model")):
        for guard in [*guards[kind], name]:
            events += [f"{guard} start", f"{guard} end"]
    events.append("mark mark")
    for asynchronous in (False, True):
        run = Run(made, asynchronous=asynchronous)
        assert run.steps == expected
        ours = model.deliveries(events)
        assert run.heard[: len(ours)] == ours


ALL_TIED = [
    Entry(kind, owner, name, 0, False, False)
    for kind in ("subscriber", "tool_request_intercept", "tool_execution_intercept", "event_metadata_injector")
    for owner in (None, "outer", "inner")
    for name in "ba"
]


@settings(max_examples=80, deadline=None)
@given(entries)
@example(ALL_TIED)
@example([])
def test_the_order_is_that_of_the_rules(made: list[Entry]) -> None:
    check(made)


@pytest.mark.fuzz
@pytest.mark.timeout(1_800)
@settings(max_examples=4_000, deadline=None)
@given(entries)
def test_the_order_is_that_of_the_rules_for_long(made: list[Entry]) -> None:
    check(made)


streamed = st.lists(
    st.builds(
        Entry,
        st.just("llm_stream_execution_intercept"),
        st.sampled_from((None, "outer", "inner")),
        st.sampled_from("abc"),
        st.sampled_from([-1, 0, 0, 5]),
        st.just(False),
        st.sampled_from([False, False, True]),
    ),
    max_size=6,
    unique_by=lambda entry: (entry.owner, entry.name),
)


@settings(max_examples=40, deadline=None)
@given(streamed)
def test_stream_intercepts_nest_by_the_same_rules(made: list[Entry]) -> None:
    layers = [f"{e.owner or 'global'}.{e.name}" for e in chain(made, "llm_stream_execution_intercept")]
    for asynchronous in (False, True):
        log: list[str] = []

        def wrap(entry: Entry, log: list[str] = log, asynchronous: bool = asynchronous) -> Any:
            name = f"{entry.owner or 'global'}.{entry.name}"

            async def later(_name: str, request: Any, _context: Any, proceed: Any) -> Any:
                async for chunk in await proceed(request):
                    log.append(f"{name} {chunk}")
                    yield chunk

            def now(_name: str, request: Any, _context: Any, proceed: Any) -> Any:
                for chunk in proceed(request):
                    log.append(f"{name} {chunk}")
                    yield chunk

            return later if asynchronous else now

        async def produce(_request: Any) -> Any:
            for chunk in "xy":
                yield chunk

        async def consume(log: list[str] = log) -> None:
            stream = await llm.stream_execute("model", LLMRequest({}, {}), produce, log.append, lambda: None)
            async for chunk in stream:
                log.append(f"got {chunk}")

        with isolated():
            with scope.scope("outer", ScopeType.Function) as outer, scope.scope("inner", ScopeType.Function) as inner:
                for entry in made:
                    register(entry, {"outer": outer, "inner": inner}, wrap(entry))
                    gate(entry)
                if asynchronous:
                    asyncio.run(consume())
                else:
                    stream = llm.stream_execute_sync(
                        "model", LLMRequest({}, {}), lambda request: iter("xy"), log.append, lambda: None
                    )
                    for chunk in stream:
                        log.append(f"got {chunk}")
        inwards = [[f"{layer} {chunk}" for layer in layers[::-1]] for chunk in "xy"]
        parts = zip("xy", inwards, strict=True)
        expected = [line for chunk, part in parts for line in [*part, chunk, f"got {chunk}"]]
        assert log == expected
