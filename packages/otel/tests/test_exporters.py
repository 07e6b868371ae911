# SPDX-License-Identifier: Apache-2.0
"""Exporters of the application's own, the console, names, and the way from a recorded file."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from conftest import Export
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from receiver import Receiver

from nemo_relay import ScopeType, scope, subscribers, tools
from nemo_relay_otel import component, to_exporter


def run() -> None:
    with scope.scope("planner", ScopeType.Agent):
        scope.event("note")
        tools.execute_sync("search", {"q": 1}, lambda arguments: None)


def test_any_exporter_of_the_sdk() -> None:
    exporter = InMemorySpanExporter()
    exporters = to_exporter(exporter, "gen_ai")
    exporters.register("sdk")
    run()
    assert exporters.force_flush()
    tool, agent = exporter.get_finished_spans()
    assert (tool.name, agent.name) == ("execute_tool search", "invoke_agent planner")
    assert tool.parent is not None
    assert agent.context is not None
    assert tool.parent.span_id == agent.context.span_id
    assert json.loads(tool.to_json())["attributes"]["gen_ai.tool.call.arguments"] == '{"q":1}'
    assert exporters.shutdown()


def test_an_exporter_that_fails_is_asked_again() -> None:
    class Failing(SpanExporter):
        calls = 0

        def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
            self.calls += 1
            if self.calls == 1:
                raise OSError("no")
            return SpanExportResult.FAILURE if self.calls == 2 else SpanExportResult.SUCCESS

    exporter = Failing()
    exporters = to_exporter(exporter)
    exporters.register("sdk")
    run()
    while not exporters.force_flush():
        assert exporter.calls < 4
    assert exporter.calls == 3
    (counters,) = exporters.counters().values()
    assert (counters.written, counters.retried) == (2, 2)
    exporters.shutdown()


def test_two_names_send_once(receiver: Receiver, export: Export) -> None:
    exporters = export({"traces": [{"type": "full", "endpoint": receiver.url}]})
    exporters.register("again")
    run()
    exporters.deregister("otel-0")
    run()
    assert exporters.force_flush()
    assert len(receiver.spans) == 4
    assert not subscribers.deregister("otel-0")


def test_a_section_without_destinations_is_a_subscriber_that_does_nothing(export: Export) -> None:
    exporters = export({})
    run()
    assert exporters.force_flush()
    assert exporters.counters() == {}


async def test_events_whose_sanitizers_are_async_arrive(receiver: Receiver, export: Export) -> None:
    from nemo_relay import guardrails

    exporters = export({"traces": [{"type": "full", "endpoint": receiver.url}]})

    async def clean(event: Any, fields: dict[str, Any]) -> dict[str, Any]:
        return {**fields, "data": "clean"}

    guardrails.register_scope_sanitize_start("clean", 0, clean)
    try:
        run()
        await subscribers.flush_async()
    finally:
        guardrails.deregister_scope_sanitize_start("clean")
    import asyncio

    assert await asyncio.to_thread(exporters.force_flush)
    assert {span.name for span in receiver.spans} == {"planner", "search"}


def test_the_console(capsys: pytest.CaptureFixture[str]) -> None:
    from nemo_relay_otel.records import Span, SpanKind
    from nemo_relay_otel.transport.codec import JsonCodec
    from nemo_relay_otel.transport.files import ConsoleTransport

    transport = ConsoleTransport(JsonCodec("traces", {"service.name": "s"}, "scope"), "stdout")
    span = Span("0" * 31 + "1", "0" * 15 + "1", "", "planner", SpanKind.INTERNAL, 1, 2, {"a": [1, 2]})
    transport.send([transport.encode(span)])
    printed = json.loads(capsys.readouterr().out)
    assert printed["resourceSpans"][0]["scopeSpans"][0]["spans"][0]["name"] == "planner"


@pytest.mark.parametrize("stream", ["stdout", "stderr"])
def test_a_section_prints_spans_onto_the_console(
    capsys: pytest.CaptureFixture[str], export: Export, stream: str
) -> None:
    section = {"console_sinks": [{"type": "gen_ai", "stream": stream}]}
    assert component.diagnose(section) == []
    exporters = export(section)
    with scope.scope("planner", ScopeType.Agent):
        pass
    assert exporters.force_flush()
    (line,) = getattr(capsys.readouterr(), stream[3:]).splitlines()
    assert json.loads(line)["resourceSpans"][0]["scopeSpans"][0]["spans"][0]["name"] == "invoke_agent planner"
    (wrong,) = component.diagnose({"console_sinks": [{"type": "gen_ai", "steam": "stdout"}]})
    assert 'did you mean "stream"?' in wrong["message"]


def test_a_recorded_file_is_sent_like_a_live_run(receiver: Receiver, tmp_path: Path) -> None:
    from nemo_relay.recording import record
    from nemo_relay_otel.convert import send

    with record(tmp_path):
        for _ in range(300):
            run()
    (recorded,) = tmp_path.rglob("*.jsonl")
    section = {"traces": [{"type": "full", "endpoint": receiver.url, "max_queue_size": 16}]}
    with recorded.open("rb") as lines:
        (counters,) = send(lines, section).values()
    assert (counters.written, counters.dropped) == (600, 0)
    assert len({span.span_id for span in receiver.spans}) == 600
