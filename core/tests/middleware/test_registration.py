# SPDX-License-Identifier: Apache-2.0
"""Registering: sixteen families, globally and on a scope; order and ties; what goes when a scope ends."""

from __future__ import annotations

import contextvars
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest

from nemo_relay import (
    LLMRequest,
    LLMRequestInterceptOutcome,
    ScopeType,
    ToolExecutionResult,
    event_metadata,
    guardrails,
    intercepts,
    llm,
    scope,
    scope_local,
    subscribers,
    tools,
)

from ..conftest import Driver, Ear

# Each family: how it is registered globally and removed, the same for a scope, and its published kind.
GUARDRAILS = (
    "mark_sanitize scope_sanitize_start scope_sanitize_end tool_sanitize_request tool_sanitize_response"
    " tool_conditional_execution llm_sanitize_request llm_sanitize_response llm_conditional_execution".split()
)
REQUESTS = ["tool_request", "llm_request"]
EXECUTIONS = ["tool_execution", "llm_execution", "llm_stream_execution"]


def two(payload: Any, context: Any) -> Any:
    return payload


def family(name: str) -> tuple[Callable[..., Any], Callable[..., Any], Callable[..., Any], Callable[..., Any]]:
    """Register and deregister, globally and on a scope; registering takes a name and a priority only."""
    if name == "subscriber":
        home, suffix, rest = subscribers, "", (two,)
    elif name == "event_metadata_injector":
        home, suffix, rest = event_metadata, "_injector", (two,)  # type: ignore[assignment]
    else:
        home = guardrails if name in GUARDRAILS else intercepts  # type: ignore[assignment]
        suffix, rest = f"_{name}", ((False, two) if name in REQUESTS else (two,))  # type: ignore[assignment]

    def register(key: Any, priority: Any = 0) -> None:
        before = () if name == "subscriber" else (priority,)
        getattr(home, f"register{suffix}")(key, *before, *rest)

    def register_local(handle: Any, key: Any, priority: Any = 0) -> None:
        before = () if name == "subscriber" else (priority,)
        getattr(scope_local, f"register_{name}")(handle, key, *before, *rest)

    return (
        register,
        getattr(home, f"deregister{suffix}"),
        register_local,
        getattr(scope_local, f"deregister_{name}"),
    )


FAMILIES = ["subscriber", "event_metadata_injector", *GUARDRAILS, *REQUESTS, *EXECUTIONS]


@pytest.mark.parametrize("name", FAMILIES)
def test_names_are_unique_in_each_family(name: str) -> None:
    register, deregister, _, _ = family(name)
    register("a")
    shown = "a subscriber already exists" if name == "subscriber" else "a already exists"
    with pytest.raises(RuntimeError, match=f"^already exists: {shown}$"):
        register("a")
    assert deregister("a") is True
    assert deregister("a") is False
    register("")
    assert deregister("") is True
    for odd in (None, 1):
        with pytest.raises(TypeError):
            register(odd)
        with pytest.raises(TypeError):
            deregister(odd)


@pytest.mark.parametrize("name", [name for name in FAMILIES if name != "subscriber"])
def test_priorities_are_32_bit_integers(name: str) -> None:
    register, deregister, _, _ = family(name)
    for priority in (-(2**31), 2**31 - 1, 0):
        register("a", priority)
        assert deregister("a")
    for priority in (2**31, -(2**31) - 1):
        with pytest.raises(OverflowError):
            register("a", priority)
    for odd in ("1", 1.0, None):
        with pytest.raises(TypeError):
            register("a", odd)
    assert deregister("a") is False


@pytest.mark.parametrize("name", FAMILIES)
def test_a_scope_owns_registrations_until_it_ends(name: str) -> None:
    register, deregister, register_local, deregister_local = family(name)
    register("a")
    with scope.scope("outer", ScopeType.Agent) as outer, scope.scope("inner", ScopeType.Function) as inner:
        register_local(outer, "a")
        register_local(inner, "a")
        with pytest.raises(RuntimeError, match="^already exists: a "):
            register_local(inner, "a")
        assert deregister_local(inner, "unknown") is False
        assert deregister_local(inner, "a") is True
        register_local(inner, "a")
    for handle in (outer, inner):
        with pytest.raises(RuntimeError, match=f"^not found: scope {handle.uuid} not found$"):
            register_local(handle, "a")
        with pytest.raises(RuntimeError, match="^not found: scope "):
            deregister_local(handle, "a")
    assert deregister("a") is True


def test_only_an_open_scope_can_own() -> None:
    tool = tools.call("t", {})
    for refused in (tool, llm.call("l", LLMRequest({}, {}))):
        with pytest.raises(RuntimeError, match=f"^not found: scope {refused.uuid} not found$"):
            scope_local.register_subscriber(refused, "a", print)
    for odd in (None, "x"):
        with pytest.raises((AttributeError, TypeError)):
            scope_local.register_subscriber(odd, "a", print)  # type: ignore[arg-type]
    tools.call_end(tool, ToolExecutionResult(1))


def test_a_scope_may_own_wherever_it_is_open(ear: Ear) -> None:
    """An adapter's scopes are never current; what they own holds for what is below them."""
    heard: list[str] = []
    job = contextvars.Context().run(partial(scope.start, "job", ScopeType.Agent))
    scope_local.register_subscriber(job, "a", lambda event: heard.append(event.name))
    scope.event("elsewhere")
    tools.execute_sync("below", {}, lambda args: 1, handle=job)
    scope.end(job)
    ear.events()
    assert heard == ["below", "below", "job"]


def test_the_root_can_own(ear: Ear) -> None:
    heard: list[str] = []
    root = scope.get_handle()
    scope_local.register_subscriber(root, "a", lambda event: heard.append(event.name))
    scope.event("m")
    ear.events()
    assert heard == ["m"]
    assert scope_local.deregister_subscriber(root, "a") is True


def test_callables_are_taken_at_their_word_but_for_llm_sanitizers() -> None:
    intercepts.register_tool_request("odd", 0, False, 5)  # type: ignore[arg-type]
    for register in (guardrails.register_llm_sanitize_request, guardrails.register_llm_sanitize_response):
        for fine in (two, lambda *args: args[0], lambda payload, context, more=1: payload):
            register("fine", 0, fine)
            assert getattr(guardrails, register.__name__.replace("register", "deregister"))("fine")
        for refused in (lambda: None, lambda payload, context, *, more: payload):
            with pytest.raises(TypeError, match=r"^LLM sanitizer callback must accept `\(payload, context\)`$"):
                register("a", 0, refused)
        for closed in (5, dict):
            with pytest.raises(TypeError, match="^LLM sanitizer callback signature cannot be inspected; use a callabl"):
                register("a", 0, closed)  # type: ignore[arg-type]


@pytest.mark.parametrize("register", [intercepts.register_tool_request, intercepts.register_llm_request])
def test_break_chain_is_a_bool(register: Any) -> None:
    for odd in (0, 1, None, "no"):
        with pytest.raises(TypeError, match="object is not an instance of 'bool'|'None' is not an instance of 'bool'"):
            register("a", 0, odd, two)


def test_lower_priorities_run_first_and_ties_go_by_owner_and_name(run: Driver) -> None:
    order: list[str] = []

    def note(label: str) -> Any:
        def intercept(name: str, args: Any) -> Any:
            order.append(label)
            return args

        return intercept

    intercepts.register_tool_request("z", 5, False, note("global z 5"))
    intercepts.register_tool_request("b", 0, False, note("global b 0"))
    intercepts.register_tool_request("a", 0, False, note("global a 0"))
    intercepts.register_tool_request("n", -1, False, note("global n -1"))
    with scope.scope("outer", ScopeType.Agent) as outer, scope.scope("inner", ScopeType.Function) as inner:
        scope_local.register_tool_request(inner, "a", 0, False, note("inner a 0"))
        scope_local.register_tool_request(outer, "y", 0, False, note("outer y 0"))
        scope_local.register_tool_request(outer, "b", 0, False, note("outer b 0"))
        scope_local.register_tool_request(outer, "m", 3, False, note("outer m 3"))
        run.tool("t", {}, lambda args: 1)
    assert order == [
        "global n -1",
        "global a 0",
        "global b 0",
        "outer b 0",
        "outer y 0",
        "inner a 0",
        "outer m 3",
        "global z 5",
    ]
    order.clear()
    run.tool("t", {}, lambda args: 1)
    assert order == ["global n -1", "global a 0", "global b 0", "global z 5"]


def test_ties_among_injectors_go_by_name_alone(ear: Ear) -> None:
    order: list[str] = []

    def note(label: str) -> Any:
        return lambda event: order.append(label) or {}

    event_metadata.register_injector("b", 0, note("b"))
    with scope.scope("s", ScopeType.Function) as handle:
        scope_local.register_event_metadata_injector(handle, "a", 0, note("a"))
        scope_local.register_event_metadata_injector(handle, "c", 0, note("c"))
        order.clear()
        scope.event("m")
        assert order == ["a", "b", "c"]


def test_the_place_counts_and_not_the_parent_that_a_call_names(ear: Ear) -> None:
    """What a scope owns holds for work that stands in it."""
    seen: list[str] = []

    def refuse(name: str, args: Any) -> str | None:
        seen.append(name)
        return None

    with scope.scope("outside", ScopeType.Agent) as outside, scope.scope("owner", ScopeType.Agent) as owner:
        scope_local.register_tool_conditional_execution(owner, "g", 0, refuse)
        tools.execute_sync("inside", {}, lambda args: 1)
        tools.execute_sync("parent named", {}, lambda args: 1, handle=outside)
        tools.execute_sync("below", {}, lambda args: tools.execute_sync("nested", {}, lambda args: 1))
    tools.execute_sync("after", {}, lambda args: 1)
    assert seen == ["inside", "parent named", "below", "nested"]


def test_a_scope_hears_its_own_end_and_not_its_own_start() -> None:
    heard: list[str] = []
    subscribers.register("global", lambda event: None)
    handle = scope.push("s", ScopeType.Function)
    scope_local.register_subscriber(handle, "a", lambda event: heard.append(f"{event.kind} {event.name}"))
    scope_local.register_scope_sanitize_end(
        handle, "e", 0, lambda event, fields: {**fields, "data": "cleaned by its own"}
    )
    scope.event("m")
    scope.pop(handle, output="secret")
    scope.event("after")
    subscribers.flush()
    assert heard == ["mark m", "scope s"]


def test_local_sanitizers_hold_for_the_scopes_own_end(ear: Ear) -> None:
    with scope.scope("s", ScopeType.Function) as handle:
        scope_local.register_scope_sanitize_end(handle, "e", 0, lambda event, fields: {**fields, "data": "cleaned"})
    scope.pop(scope.push("t", ScopeType.Function), output="untouched")
    assert ear.end("s")["data"] == "cleaned"
    assert ear.end("t")["data"] == "untouched"


def test_a_local_llm_request_intercept_goes_with_its_scope(run: Driver) -> None:
    seen: list[Any] = []

    def tag(name: str, request: LLMRequest, annotated: Any) -> LLMRequestInterceptOutcome:
        return LLMRequestInterceptOutcome(LLMRequest({**request.headers, "x": "1"}, request.content), annotated)

    for _ in range(2):
        run.llm("l", LLMRequest({}, {}), lambda request: seen.append(request.headers.get("x")))
        with scope.scope("s", ScopeType.Function) as handle:
            scope_local.register_llm_request(handle, "tag", 0, False, tag)
            run.llm("l", LLMRequest({}, {}), lambda request: seen.append(request.headers.get("x")))
    assert seen == [None, "1", None, "1"]
    assert llm.request_intercepts("l", LLMRequest({}, {})).request.headers.get("x") is None
