# SPDX-License-Identifier: Apache-2.0
"""One trace with the application's own OpenTelemetry spans, on the real SDK."""

from __future__ import annotations

import asyncio
import contextvars
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from conftest import Export
from opentelemetry import context as otel_context
from opentelemetry import trace
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF
from receiver import Receiver

import nemo_relay
from nemo_relay import LLMRequest, PropagationContext, ScopeType, llm, scope, tools


class Application:
    """An application with a tracer of its own."""

    def __init__(self, **provider: Any) -> None:
        self.exporter = InMemorySpanExporter()
        self.provider = TracerProvider(shutdown_on_exit=False, **provider)
        self.provider.add_span_processor(SimpleSpanProcessor(self.exporter))
        self.span: Callable[[str], Any] = self.provider.get_tracer("app").start_as_current_span

    def named(self, name: str) -> ReadableSpan:
        (found,) = [span for span in self.exporter.get_finished_spans() if span.name == name]
        return found


@pytest.fixture
def app() -> Iterator[Application]:
    made = Application()
    yield made
    made.provider.shutdown()


def ids(span: Any) -> tuple[str, str, str]:
    """Trace, span and parent, of a span of either kind."""
    if isinstance(span, ReadableSpan):
        own = span.get_span_context()
        assert own is not None
        parent = "" if span.parent is None else f"{span.parent.span_id:016x}"
        return f"{own.trace_id:032x}", f"{own.span_id:016x}", parent
    return span.trace_id.hex(), span.span_id.hex(), span.parent_span_id.hex()


def test_one_trace_around_and_inside_a_run(receiver: Receiver, export: Export, app: Application) -> None:
    exporters = export({"traces": [{"type": "full", "endpoint": receiver.url}]})

    def search(arguments: Any) -> Any:
        with app.span("http"), scope.scope("parse", ScopeType.Function):
            with app.span("regex"):
                return arguments

    with app.span("request"):
        with scope.scope("planner", ScopeType.Agent):
            with app.span("between"):
                tools.execute_sync("search", {"q": 1}, search)
            with app.span("after"):
                pass
    assert exporters.force_flush()
    request, between, http, regex, after = map(ids, map(app.named, ("request", "between", "http", "regex", "after")))
    planner, tool, parse = map(ids, map(receiver.named, ("planner", "search", "parse")))
    assert {each[0] for each in (request, between, http, regex, after, planner, tool, parse)} == {request[0]}
    assert planner[2] == request[1]
    assert between[2] == planner[1]
    assert tool[2] == between[1]
    assert http[2] == tool[1]
    assert parse[2] == http[1]
    assert regex[2] == parse[1]
    assert after[2] == planner[1]
    assert receiver.named("planner").flags == 257


def test_without_a_span_outside_its_spans_join_ours(receiver: Receiver, export: Export, app: Application) -> None:
    exporters = export({"traces": [{"type": "full", "endpoint": receiver.url}]})
    with scope.scope("planner", ScopeType.Agent):
        with app.span("inside"):
            pass
    with app.span("outside"):
        pass
    assert exporters.force_flush()
    planner, inside, outside = ids(receiver.named("planner")), ids(app.named("inside")), ids(app.named("outside"))
    assert (inside[0], inside[2]) == (planner[0], planner[1])
    assert outside[2] == ""
    assert outside[0] != planner[0]


async def test_tasks_generators_and_threads(receiver: Receiver, export: Export, app: Application) -> None:
    exporters = export({"traces": [{"type": "full", "endpoint": receiver.url}]})

    async def call(name: str) -> None:
        async def work(arguments: Any) -> str:
            await asyncio.sleep(0)
            with app.span(f"in {name}"):
                await asyncio.sleep(0)
            return name

        await tools.execute(name, {}, work)

    def numbers() -> Iterator[int]:
        with scope.scope("generator", ScopeType.Function):
            yield 1
            yield 2

    with scope.scope("planner", ScopeType.Agent):
        await asyncio.gather(*(call(f"tool {number}") for number in range(5)))
        made = numbers()
        next(made)
        with app.span("beside the generator"):
            pass
        list(made)
        copied = contextvars.copy_context()

        def in_thread() -> None:
            with app.span("in a thread"):
                pass

        thread = threading.Thread(target=copied.run, args=(in_thread,))
        thread.start()
        thread.join()
    assert await asyncio.to_thread(exporters.force_flush)
    planner = ids(receiver.named("planner"))
    for number in range(5):
        assert ids(app.named(f"in tool {number}"))[2] == ids(receiver.named(f"tool {number}"))[1]
    assert ids(app.named("beside the generator"))[2] == planner[1]
    assert ids(app.named("in a thread"))[2] == planner[1]


def test_an_unsampled_application_stays_unsampled(receiver: Receiver, export: Export) -> None:
    app = Application(sampler=ALWAYS_OFF)
    exporters = export({"traces": [{"type": "full", "endpoint": receiver.url}]})
    with app.span("request") as request:
        with scope.scope("planner", ScopeType.Agent):
            with app.span("inside") as inside:
                assert not inside.is_recording()
                assert inside.get_span_context().trace_id == request.get_span_context().trace_id
    assert exporters.force_flush()
    planner = receiver.named("planner")
    assert planner.parent_span_id == b""
    (link,) = planner.links
    assert link.trace_id.hex() == f"{request.get_span_context().trace_id:032x}"
    app.provider.shutdown()


def test_baggage_and_other_values_pass_through(receiver: Receiver, export: Export, app: Application) -> None:
    export({"traces": [{"type": "full", "endpoint": receiver.url}]})
    with scope.scope("planner", ScopeType.Agent):
        token = otel_context.attach(otel_context.set_value("tenant", "red"))
        with scope.scope("inner", ScopeType.Function):
            assert otel_context.get_value("tenant") == "red"
        otel_context.detach(token)
        assert otel_context.get_value("tenant") is None


def test_after_the_end_nothing_of_ours_is_left(receiver: Receiver, export: Export, app: Application) -> None:
    exporters = export({"traces": [{"type": "full", "endpoint": receiver.url}]})
    with scope.scope("planner", ScopeType.Agent):
        pass
    exporters.shutdown()
    with scope.scope("planner", ScopeType.Agent):
        assert not trace.get_current_span().get_span_context().is_valid


def test_switched_off_the_traces_stay_apart(receiver: Receiver, export: Export, app: Application) -> None:
    exporters = export({"traces": [{"type": "full", "endpoint": receiver.url}], "join_application_traces": False})
    with app.span("request"):
        with scope.scope("planner", ScopeType.Agent):
            pass
    assert exporters.force_flush()
    assert ids(receiver.named("planner"))[0] != ids(app.named("request"))[0]


def test_a_run_continues_the_trace_of_another_process(receiver: Receiver, export: Export) -> None:
    exporters = export({"traces": [{"type": "full", "endpoint": receiver.url}]})
    parent, root = "018f13f0-7c1a-7a80-8000-000000000701", "018f13f0-7c1a-7a80-8000-000000000700"
    header = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"

    def continued(name: str, *arguments: Any, **more: Any) -> None:
        stack = nemo_relay.create_scope_stack_from_propagation(PropagationContext(*arguments, **more))
        with nemo_relay.use_scope_stack(stack):
            with scope.scope(name, ScopeType.Agent), scope.scope(f"below {name}", ScopeType.Function):
                pass

    continued("plain", parent, root)
    continued("w3c", parent, root, traceparent=header)
    continued("rootless", parent)
    assert exporters.force_flush()
    plain, w3c, rootless = (receiver.named(name) for name in ("plain", "w3c", "rootless"))
    assert ids(plain)[::2] == (root.replace("-", ""), "8000000000000701")
    assert ids(w3c)[::2] == ("0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331")
    assert ids(rootless)[2] == "8000000000000701"
    assert {span.flags for span in (plain, w3c, rootless)} == {769}
    for span in (plain, w3c, rootless):
        below = receiver.named(f"below {span.name}")
        assert ids(below)[::2] == ids(span)[:2]


def test_a_subscriber_that_comes_late_knows_the_trace(receiver: Receiver, export: Export) -> None:
    with scope.scope("early", ScopeType.Agent) as early:
        exporters = export({"traces": [{"type": "full", "endpoint": receiver.url}]})
        tools.execute_sync("search", {}, lambda arguments: None)
    assert exporters.force_flush()
    tool = receiver.named("search")
    assert tool.trace_id.hex() == early.uuid.replace("-", "")
    assert tool.flags == 769


def test_the_provider_is_told_the_trace_that_was_joined(receiver: Receiver, export: Export, app: Application) -> None:
    exporters = export({"traces": [{"type": "full", "endpoint": receiver.url}]})
    headers: list[str] = []

    def model(request: LLMRequest) -> Any:
        headers.append(request.headers["traceparent"])
        return {"content": "Hi"}

    with app.span("request"):
        with scope.scope("planner", ScopeType.Agent):
            llm.execute_sync("m", LLMRequest({}, {"prompt": "Hi"}), model)
            headers.append(nemo_relay.capture_traceparent())
            headers.append(str(nemo_relay.capture_propagation_context().traceparent))
    with scope.scope("alone", ScopeType.Agent):
        llm.execute_sync("m2", LLMRequest({}, {"prompt": "Hi"}), model)
    assert exporters.force_flush()
    request, planner, call = ids(app.named("request")), ids(receiver.named("planner")), ids(receiver.named("m"))
    assert call[0] == request[0]
    assert headers[0] == f"00-{request[0]}-{call[1]}-01"
    assert headers[1] == headers[2] == f"00-{request[0]}-{planner[1]}-01"
    alone = ids(receiver.named("m2"))
    assert headers[3] == f"00-{alone[0]}-{alone[1]}-01"


def test_the_provider_is_told_our_trace_where_the_application_samples_none(receiver: Receiver, export: Export) -> None:
    exporters = export({"traces": [{"type": "full", "endpoint": receiver.url}]})
    headers: list[str] = []
    unsampled = trace.SpanContext(7, 8, False, trace.TraceFlags(0))
    with trace.use_span(trace.NonRecordingSpan(unsampled)), scope.scope("planner", ScopeType.Agent):
        llm.execute_sync("m", LLMRequest({}, {}), lambda request: headers.append(request.headers["traceparent"]))
    assert exporters.force_flush()
    call = ids(receiver.named("m"))
    assert headers == [f"00-{call[0]}-{call[1]}-01"]
