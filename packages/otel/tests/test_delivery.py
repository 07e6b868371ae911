# SPDX-License-Identifier: Apache-2.0
"""Spans on their way: what arrives, over which transport, and what happens when a collector does not play along."""

from __future__ import annotations

import threading
from typing import Any

import pytest
from conftest import Export
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse
from receiver import Answer, Receiver, attributes

from nemo_relay import ScopeType, scope, tools


def run(name: str = "planner", calls: int = 1) -> None:
    with scope.scope(name, ScopeType.Agent, input={"goal": "demo"}, metadata={"session_id": "s-1"}):
        for _ in range(calls):
            tools.execute_sync("search", {"query": "tides"}, lambda arguments: ["three pages"])


def endpoint(receiver: Receiver, **more: Any) -> dict[str, Any]:
    return {"type": "full", "endpoint": receiver.url, **more}


@pytest.mark.parametrize("transport", ["http_binary", "http_json"])
@pytest.mark.parametrize("compression", ["none", "gzip"])
def test_a_run_arrives_over_http(receiver: Receiver, export: Export, transport: str, compression: str) -> None:
    exporters = export({"traces": [endpoint(receiver, transport=transport, compression=compression)]})
    run()
    assert exporters.force_flush()
    tool, agent = receiver.named("search"), receiver.named("planner")
    assert tool.parent_span_id == agent.span_id
    assert tool.trace_id == agent.trace_id
    assert (agent.parent_span_id, agent.flags, tool.status.code) == (b"", 257, 1)
    assert attributes(tool)["nemo_relay.start.data.query"] == "tides"
    assert attributes(tool)["nemo_relay.end.data"] == '["three pages"]'
    assert attributes(agent)["session.id"] == "s-1"
    assert (receiver.requests[0].headers.get("content-encoding") == "gzip") is (compression == "gzip")
    (counters,) = exporters.counters().values()
    assert (counters.offered, counters.written, counters.dropped) == (4, 2, 0)


def test_a_run_arrives_over_grpc(grpc_server: Receiver, export: Export) -> None:
    config = endpoint(grpc_server, transport="grpc", headers={"Authorization": "secret"}, compression="gzip")
    exporters = export({"traces": [config]})
    run()
    assert exporters.force_flush(20)
    assert {span.name for span in grpc_server.spans} == {"planner", "search"}
    assert grpc_server.requests[0].headers["authorization"] == "secret"


def test_several_destinations_hear_the_same_run(receiver: Receiver, grpc_server: Receiver, export: Export) -> None:
    exporters = export(
        {
            "traces": [
                endpoint(receiver),
                endpoint(grpc_server, transport="grpc", type="gen_ai"),
            ]
        }
    )
    run()
    assert exporters.force_flush(20)
    assert {span.name for span in receiver.spans} == {"planner", "search"}
    assert {span.name for span in grpc_server.spans} == {"invoke_agent planner", "execute_tool search"}


@pytest.mark.parametrize(
    "trouble",
    [Answer(500), Answer(503), Answer(429, headers={"Retry-After": "0"}), Answer(0), Answer(408)],
    ids=lambda answer: str(answer.status),
)
def test_what_fails_once_is_tried_again(receiver: Receiver, export: Export, trouble: Answer) -> None:
    receiver.answer = lambda number: trouble if number == 1 else Answer()
    exporters = export({"traces": [endpoint(receiver)]})
    run()
    exporters.force_flush()
    receiver.wait(lambda r: len(r.spans) >= 2 and len(r.requests) >= 2)
    assert exporters.force_flush()
    (counters,) = exporters.counters().values()
    assert (counters.retried, counters.dropped) == (1, 0)
    assert counters.written == 2
    assert [each.code for each in exporters.diagnostics()] == ["otel.traces_export_failed"]


def test_retry_after_is_honoured(receiver: Receiver, export: Export) -> None:
    receiver.answer = lambda number: Answer(429, headers={"Retry-After": "2"}) if number == 1 else Answer()
    exporters = export({"traces": [endpoint(receiver)]})
    run()
    assert not exporters.force_flush()
    receiver.wait(lambda r: len(r.requests) >= 2)
    first, second = receiver.requests[:2]
    assert second.at - first.at >= 1.9


@pytest.mark.parametrize("status", [400, 401, 404, 302])
def test_what_is_refused_for_good_is_dropped_and_named(receiver: Receiver, export: Export, status: int) -> None:
    receiver.answer = lambda number: Answer(status, headers={"Location": "http://127.0.0.1:1/"})
    exporters = export({"traces": [endpoint(receiver)]})
    run()
    assert exporters.force_flush()
    (counters,) = exporters.counters().values()
    assert (counters.written, counters.dropped, counters.retried) == (0, 2, 0)
    (told,) = exporters.diagnostics()
    assert told.code == "otel.traces_export_refused"
    assert f"HTTP {status}" in told.message


def test_partial_success_is_counted(receiver: Receiver, export: Export) -> None:
    response = ExportTraceServiceResponse()
    response.partial_success.rejected_spans = 1
    response.partial_success.error_message = "one has no name"
    receiver.answer = lambda number: Answer(200, response.SerializeToString())
    exporters = export({"traces": [endpoint(receiver)]})
    run()
    assert exporters.force_flush()
    (counters,) = exporters.counters().values()
    assert (counters.written, counters.dropped) == (1, 1)
    assert "one has no name" in exporters.diagnostics()[0].message


def test_a_batch_that_is_too_large_is_halved(receiver: Receiver, export: Export) -> None:
    exporters = export({"traces": [endpoint(receiver)]})

    def answer(number: int) -> Answer:
        message = receiver.requests[-1].message
        spans = sum(len(each.spans) for resource in message.resource_spans for each in resource.scope_spans)
        return Answer(413) if spans > 3 else Answer()

    receiver.answer = answer
    run(calls=10)
    assert exporters.force_flush(20)
    assert len(receiver.spans) == 11
    (counters,) = exporters.counters().values()
    assert (counters.written, counters.dropped) == (11, 0)


@pytest.mark.parametrize(("code", "arrives"), [("UNAVAILABLE", True), ("INVALID_ARGUMENT", False)])
def test_grpc_failures(grpc_server: Receiver, export: Export, code: str, arrives: bool) -> None:
    grpc_server.answer = lambda number: Answer(500, headers={"code": code}) if number == 1 else Answer()
    exporters = export({"traces": [endpoint(grpc_server, transport="grpc")]})
    run()
    exporters.force_flush(20)
    if arrives:
        grpc_server.wait(lambda r: len(r.spans) >= 2)
    assert exporters.force_flush(20)
    (counters,) = exporters.counters().values()
    assert (counters.written, counters.dropped) == ((2, 0) if arrives else (0, 2))


def test_a_slow_collector_holds_nobody_up(receiver: Receiver, export: Export) -> None:
    asked, may_answer = threading.Event(), threading.Event()

    def answer(number: int) -> Answer:
        asked.set()
        return Answer() if may_answer.wait(50) else Answer(status=400)

    receiver.answer = answer
    exporters = export({"traces": [endpoint(receiver, timeout_millis=60_000, scheduled_delay_millis=1)]})
    run()
    assert asked.wait(50)
    run(calls=200)  # they go on though the collector has not answered
    assert receiver.taken == [] and not exporters.force_flush(0.1)
    may_answer.set()
    assert exporters.force_flush(50)
    (counters,) = exporters.counters().values()
    assert counters.dropped == 0


def test_a_dead_collector_never_makes_closing_fail(export: Export) -> None:
    exporters = export({"traces": [{"type": "full", "endpoint": "http://127.0.0.1:9"}]})
    run()
    assert not exporters.force_flush(1)
    assert not exporters.shutdown(0.5)
    (counters,) = exporters.counters().values()
    assert (counters.offered, counters.written, counters.dropped) == (4, 0, 4)
    codes = {each.code for each in exporters.diagnostics()}
    assert codes == {"otel.traces_export_failed", "otel.traces_dropped"}
    assert not exporters.shutdown(0.5)


def test_memory_stays_within_its_bound_while_the_collector_is_down(export: Export) -> None:
    config = {"type": "full", "endpoint": "http://127.0.0.1:9", "max_queue_size": 50}
    exporters = export({"traces": [config]})
    run(calls=500)
    exporters.shutdown(0.2)
    (counters,) = exporters.counters().values()
    assert counters.offered == counters.dropped == 1002


def test_a_broken_connection_is_replaced(export: Export) -> None:
    from receiver import http_receiver

    with http_receiver() as first:
        port = int(first.url.rpartition(":")[2])
        exporters = export({"traces": [endpoint(first)]})
        run("one")
        assert exporters.force_flush()
    with http_receiver(port=port) as second:
        run("two")
        exporters.force_flush()
        second.wait(lambda r: len(r.spans) >= 2)
    (counters,) = exporters.counters().values()
    assert (counters.written, counters.dropped) == (4, 0)
