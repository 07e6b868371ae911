# SPDX-License-Identifier: Apache-2.0
"""Random sets of middleware, and a plain model of the order in which their callbacks run.

One rule: by priority; among equals the global ones by name, then those of scopes from the outermost inwards, each by
name; metadata injectors by name alone. A request chain ends after a ``break_chain``. Execution intercepts nest, the
first outermost. A gate that refuses takes a global registration out.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from hypothesis import strategies as st

from nemo_relay import (
    LLMRequestInterceptOutcome,
    ToolExecutionInterceptOutcome,
    event_metadata,
    guardrails,
    intercepts,
    scope_local,
    subscribers,
)
from nemo_relay import runtime_registrations as registrations

KINDS = [kind.value for kind in registrations.RuntimeRegistrationKind]
REQUESTS = ("tool_request_intercept", "llm_request_intercept")
OWNERS = (None, "outer", "inner")  # global, or the scope that owns it


class Entry(NamedTuple):
    """One registration."""

    kind: str
    owner: str | None
    name: str
    priority: int
    break_chain: bool
    gated: bool  # a gate switches it off, if it is global


entries = st.lists(
    st.builds(
        Entry,
        st.sampled_from(KINDS),
        st.sampled_from(OWNERS),
        st.sampled_from("abcd"),
        st.sampled_from([-1, 0, 0, 0, 2**31 - 1, -(2**31)]),
        st.sampled_from([False, False, True]),
        st.sampled_from([False, False, False, True]),
    ),
    max_size=24,
    unique_by=lambda entry: (entry.kind, entry.owner, entry.name),
)


def chain(made: list[Entry], kind: str, owners: tuple[str | None, ...] = OWNERS) -> list[Entry]:
    """Those of ``kind`` that take part, in the order in which they run."""
    part = [e for e in made if e.kind == kind and e.owner in owners and not (e.gated and e.owner is None)]
    if kind == "event_metadata_injector":
        return sorted(part, key=lambda e: (e.priority, e.name, OWNERS.index(e.owner)))
    return sorted(part, key=lambda e: (e.priority, OWNERS.index(e.owner), e.name))


def until_break(part: list[Entry]) -> list[Entry]:
    """A request chain, up to the first that ends it."""
    for position, entry in enumerate(part, 1):
        if entry.break_chain:
            return part[:position]
    return part


def label(entry: Entry) -> str:
    return f"{entry.owner or 'global'}.{entry.name}"


def callbacks(entry: Entry, log: list[str]) -> Callable[..., Any]:
    """The callback of ``entry``: it says that it ran, and changes nothing."""

    def say(what: str = "") -> None:
        log.append(f"{entry.kind}{what} {label(entry)}")

    def subscriber(event: Any) -> None:
        log.append(f"subscriber {label(entry)} {event.name} {getattr(event, 'scope_category', 'mark')}")

    def injector(event: Any) -> dict[str, Any]:
        say()
        return {"last": label(entry)}

    def event_sanitizer(event: Any, fields: Any) -> Any:
        say()
        return fields

    def second(first: Any, second: Any) -> Any:
        say()
        return second

    def first(first: Any, second: Any) -> Any:
        say()
        return first

    def allow(*_: Any) -> None:
        say()

    def llm_request(name: str, request: Any, annotated: Any) -> Any:
        say()
        return LLMRequestInterceptOutcome(request)

    def tool_execution(call: Any, proceed: Any) -> Any:
        say(" in")
        below = proceed(call.args)
        say(" out")
        return ToolExecutionInterceptOutcome(below.result, annotation=below.annotation)

    def llm_execution(name: str, request: Any, context: Any, proceed: Any) -> Any:
        say(" in")
        below = proceed(request)
        say(" out")
        return below

    special: dict[str, Callable[..., Any]] = {
        "subscriber": subscriber,
        "event_metadata_injector": injector,
        "tool_sanitize_request_guardrail": second,
        "tool_sanitize_response_guardrail": second,
        "llm_sanitize_request_guardrail": first,
        "llm_sanitize_response_guardrail": first,
        "tool_conditional_execution_guardrail": allow,
        "llm_conditional_execution_guardrail": allow,
        "tool_request_intercept": second,
        "llm_request_intercept": llm_request,
        "tool_execution_intercept": tool_execution,
        "llm_execution_intercept": llm_execution,
        "llm_stream_execution_intercept": llm_execution,
    }
    return special.get(entry.kind, event_sanitizer)


def awaiting(entry: Entry, log: list[str]) -> Callable[..., Any]:
    """The same for execution intercepts in asynchronous calls, where ``next`` is awaited."""

    async def tool_execution(call: Any, proceed: Any) -> Any:
        log.append(f"{entry.kind} in {label(entry)}")
        below = await proceed(call.args)
        log.append(f"{entry.kind} out {label(entry)}")
        return ToolExecutionInterceptOutcome(below.result, annotation=below.annotation)

    async def llm_execution(name: str, request: Any, context: Any, proceed: Any) -> Any:
        log.append(f"{entry.kind} in {label(entry)}")
        below = await proceed(request)
        log.append(f"{entry.kind} out {label(entry)}")
        return below

    return tool_execution if entry.kind.startswith("tool") else llm_execution


def register(entry: Entry, scopes: dict[str, Any], fn: Callable[..., Any]) -> None:
    """Register ``fn`` through the public module of its kind."""
    short = entry.kind.removesuffix("_guardrail").removesuffix("_intercept")
    arguments: list[Any] = [entry.name]
    if entry.kind != "subscriber":
        arguments.append(entry.priority)
    if entry.kind in REQUESTS:
        arguments.append(entry.break_chain)
    if entry.owner is not None:
        getattr(scope_local, f"register_{short}")(scopes[entry.owner], *arguments, fn)
    elif entry.kind == "subscriber":
        subscribers.register(*arguments, fn)
    elif entry.kind == "event_metadata_injector":
        event_metadata.register_injector(*arguments, fn)
    else:
        module = guardrails if entry.kind.endswith("_guardrail") else intercepts
        getattr(module, f"register_{short}")(*arguments, fn)


def gate(entry: Entry) -> None:
    """Switch ``entry`` off, if a gate can."""
    if entry.gated:
        kind = registrations.RuntimeRegistrationKind(entry.kind)
        registrations.register_conditional_middleware_guardrail(
            f"{entry.kind}.{entry.owner}.{entry.name}",
            {kind},
            entry.name if entry.owner is None else f"{entry.owner}.none",
            lambda kinds, name: "off",
        )


class Model:
    """What a tool call and an LLM call inside the inner scope must log."""

    def __init__(self, made: list[Entry]) -> None:
        self.made = made

    def names(self, kind: str, what: str = "") -> list[str]:
        part = chain(self.made, kind)
        return [f"{kind}{what} {label(entry)}" for entry in (until_break(part) if kind in REQUESTS else part)]

    def event(self, family: str, payload: str = "") -> list[str]:
        """The callbacks that an event meets on its way, if anybody hears it."""
        if not self.heard:
            return []
        sanitizers = self.names(payload) if payload else []
        return [*sanitizers, *self.names("event_metadata_injector"), *self.names(family)]

    @property
    def heard(self) -> bool:
        return bool(chain(self.made, "subscriber"))

    def call(self, kind: str, layer: str) -> list[str]:
        """A managed call of ``kind`` whose callback logs ``run``."""
        start, end = "scope_sanitize_start_guardrail", "scope_sanitize_end_guardrail"
        log: list[str] = []
        for guardrail in self.names(f"{kind}_conditional_execution_guardrail"):
            log += [*self.event(start), guardrail, *self.event(end)]
        log += self.names(f"{kind}_request_intercept")
        log += self.event(start, f"{kind}_sanitize_request_guardrail")
        layers = [label(entry) for entry in chain(self.made, layer)]
        log += [f"{layer} in {name}" for name in layers] + ["run"] + [f"{layer} out {name}" for name in layers[::-1]]
        return log + self.event(end, f"{kind}_sanitize_response_guardrail")

    def deliveries(self, events: list[str]) -> list[str]:
        """What subscribers log; within one event globals come first, and apart from that by name."""
        part = chain(self.made, "subscriber")
        part.sort(key=lambda e: (OWNERS.index(e.owner), e.name))
        return [f"subscriber {label(entry)} {event}" for event in events for entry in part]
