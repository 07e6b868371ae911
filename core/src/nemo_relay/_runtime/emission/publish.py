# SPDX-License-Identifier: Apache-2.0
"""From emission to delivery: what may change an event on its way, and in which order it arrives.

Payload sanitizers, metadata injectors and event sanitizers form one chain, written once as a generator that yields
the callbacks to run. It is driven inline, on the emitter's thread, so that a start event is in the kernel's hands
before the work begins. At the first callback that turns out to be async the rest of the chain moves to the queue of
the dispatcher, and all later events line up behind it: telemetry waits, the application does not.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from contextvars import copy_context
from typing import Any

from nemo_relay._runtime import guard
from nemo_relay._runtime.awaitables import is_awaitable, run_on_some_loop, running_loop
from nemo_relay._runtime.delivery.dispatcher import EventType, dispatcher
from nemo_relay._runtime.emission import injectors as injection
from nemo_relay._runtime.events.lines import Parts, line_of
from nemo_relay._runtime.log import faults
from nemo_relay._runtime.registry import registry
from nemo_relay._runtime.registry.registration import Audience, Entry
from nemo_relay._runtime.registry.registry import Family
from nemo_relay._runtime.tree.context import as_emitted, publishing
from nemo_relay._runtime.tree.spans import Span
from nemo_relay_records import encoding
from nemo_relay_records.interrupts import is_interrupt

_activity = registry.activity

Step = tuple[Callable[..., Any], tuple[Any, ...]]
Chain = Generator[Step, Any, bytes]
Sanitize = Callable[[dict[str, Any]], Generator[Step, Any, None]]


def publish(
    make: EventType,
    parts: Parts,
    audience: Audience,
    span: Span,
    family: Family,
    sanitize: Sanitize | None = None,
) -> None:
    """Send an event on its way to ``audience``; ``sanitize`` is the chain for a tool's or LLM's own payload."""
    if not _activity.shapes_events and not dispatcher.jobs:  # nothing to run, and nothing to queue up behind
        source: bytes | Parts = parts  # callbacks can do with the parts of a line
        if audience.sinks:
            source = make.made_of(parts)
            for sink in audience.plain:
                try:
                    sink(source)
                except BaseException as error:
                    _sink_failed(sink, error)
            if audience.makers:
                payloads = make.payloads_of(parts, span.start_metadata)
                for maker in audience.makers:
                    try:
                        maker(source, payloads)
                    except BaseException as error:
                        _sink_failed(maker, error)
        if audience.callbacks:
            dispatcher.put(make, source, audience.callbacks, span)
        return
    injectors = registry.visible(registry.injectors, span)
    sanitizers = registry.visible(family, span)
    if sanitize is None and not injectors and not sanitizers:
        _deliver(make, make.made_of(parts), audience, span)
        return
    line = make.made_of(parts)
    _drive(_chain(make, line, sanitize, injectors, sanitizers), make, audience, span, len(line))


def _deliver(make: EventType, line: bytes, audience: Audience, span: Span) -> None:
    """Hand over a finished event, in its turn."""
    nested = publishing.get()
    if nested is not None:
        nested.append(lambda: _hand_over(make, line, audience, span))
    elif dispatcher.jobs and not dispatcher.is_current():
        if not dispatcher.defer(lambda: _hand_over(make, line, audience, span), len(line)):
            _lost(audience)
    else:
        _hand_over(make, line, audience, span)


def _sink_failed(sink: Callable[..., None], error: BaseException) -> None:
    if is_interrupt(error):
        raise error
    # One sink's trouble is neither the application's nor that of the next sink.
    faults.report("event_sink_failed", error, sink=getattr(sink, "__qualname__", type(sink).__qualname__))


def _lost(audience: Audience) -> None:
    """Tell sinks of an event that found no room behind those that async sanitizers hold back."""
    for sink in audience.sinks:
        lose = getattr(sink, "lose", None) or getattr(getattr(sink, "__self__", None), "lose", None)
        if lose is not None:
            lose()


def _hand_over(make: EventType, line: bytes, audience: Audience, span: Span) -> None:
    for sink in audience.sinks:
        try:
            sink(line)
        except BaseException as error:
            _sink_failed(sink, error)
    if not audience.callbacks:
        return
    if dispatcher.is_current():
        dispatcher.deliver(make, line, audience.callbacks)
    else:
        dispatcher.put(make, line, audience.callbacks, span)


def _drive(chain: Chain, make: EventType, audience: Audience, span: Span, size: int) -> None:
    """Run ``chain`` as far as it goes without awaiting; hand the rest to the dispatcher."""
    nested: list[Callable[[], None]] = []
    token = publishing.set(nested)
    try:
        answer: Any = None
        error: BaseException | None = None
        while True:
            fn, args = chain.send(answer) if error is None else chain.throw(error)
            answer, error = guard.call(fn, *args)
            if error is None and is_awaitable(answer):
                if not _defer(chain, answer, nested, make, audience, span, size):
                    _lost(audience)
                    chain.close()
                    if hasattr(answer, "close"):
                        answer.close()
                return
    except StopIteration as done:
        line = done.value
    finally:
        publishing.reset(token)
    _deliver(make, line, audience, span)
    for follow in nested:
        follow()


def _defer(
    chain: Chain,
    awaitable: Any,
    nested: list[Callable[[], None]],
    make: EventType,
    audience: Audience,
    span: Span,
    size: int,
) -> bool:
    context = copy_context()  # publishing is set in it: what the awaited callback emits is nested as well
    context.run(as_emitted.set, True)
    loop = running_loop()

    async def rest() -> bytes:
        answer: Any = awaitable
        error: BaseException | None = None
        try:
            while True:
                if error is None and is_awaitable(answer):
                    try:
                        answer = await answer
                    except BaseException as raised:
                        if is_interrupt(raised):
                            raise
                        answer, error = None, raised
                fn, args = chain.send(answer) if error is None else chain.throw(error)
                answer, error = guard.call(fn, *args)
        except StopIteration as done:
            line: bytes = done.value
            return line

    def job() -> None:
        line = run_on_some_loop(rest, loop, context)
        _hand_over(make, line, audience, span)
        for follow in nested:
            follow()

    return dispatcher.defer(job, size)


def _chain(
    make: EventType,
    line: bytes,
    sanitize: Sanitize | None,
    injectors: tuple[Entry, ...],
    sanitizers: tuple[Entry, ...],
) -> Chain:
    record: dict[str, Any] = encoding.decode(line)
    if sanitize is not None:
        yield from sanitize(record)
    yield from injection.inject(make, record, injectors)
    yield from _sanitize_event(make, record, sanitizers)
    return line_of(record)


_FIELDS = ("category_profile", "data", "metadata")


def _sanitize_event(
    make: EventType, record: dict[str, Any], sanitizers: tuple[Entry, ...]
) -> Generator[Step, Any, None]:
    for entry in sanitizers:
        fields = {name: record[name] for name in _FIELDS}
        try:
            answer = yield entry.fn, (make(line_of(record)), fields)
            record.update(_checked(answer))
        except BaseException as error:
            guard.pass_on(error)
            # Fail closed: what could not be cleaned is not shown.
            record.update(dict.fromkeys(_FIELDS))
            faults.report("event_sanitizer_failed", error, event_name=record["name"], sanitizer=entry.name)
            faults.write(f"nemo_relay: Python event sanitizer callable failed: internal error: {faults.text(error)}")
            return


def _checked(answer: Any) -> dict[str, Any]:
    if not isinstance(answer, dict):
        raise TypeError(f"invalid event sanitizer result: expected an object, got {type(answer).__name__!r}")
    profile = answer.get("category_profile")
    if profile is not None:
        if not isinstance(profile, dict):
            raise TypeError(f"invalid event sanitizer result: category_profile must be an object, not {profile!r}")
        for key in ("model_name", "tool_call_id", "subtype"):
            if profile.get(key) is not None and not isinstance(profile[key], str):
                raise TypeError(f"invalid event sanitizer result: category_profile.{key} must be a string")
    fields = {name: answer.get(name) for name in _FIELDS}
    encoding.strict(fields)
    return fields
