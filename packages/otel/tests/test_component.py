# SPDX-License-Identifier: Apache-2.0
"""The section as the plugin host sees it: what is wrong with it, its schema, what it sets up."""

from __future__ import annotations

from collections.abc import Callable
from importlib.metadata import entry_points
from typing import Any

import pytest
from receiver import Receiver

from nemo_relay import ScopeType, scope, subscribers
from nemo_relay_otel import component

TRACE = {"type": "full", "endpoint": "http://127.0.0.1:4318"}


def told(section: dict[str, Any], **more: Any) -> list[tuple[str, str, str | None, str]]:
    found = component.diagnose(section, **more)
    return [(each["level"], each["code"].partition(".")[2], each["field"], each["message"]) for each in found]


def test_it_is_found_by_its_entry_point() -> None:
    (found,) = entry_points(group="nemo_relay.observability", name="opentelemetry")
    assert found.load() is component


@pytest.mark.parametrize(
    "section",
    [
        {"traces": [TRACE]},
        {"endpoints": [TRACE]},
        {"file_sinks": [{"type": "gen_ai", "output_directory": "x"}]},
        {"traces": [TRACE], "logs": {"enabled": True}, "metrics": {"enabled": True, "temporality": "LowMemory"}},
        {},
        {"traces": [TRACE, {**TRACE, "transport": "grpc", "type": "gen_ai"}]},
    ],
)
def test_nothing_is_wrong(section: dict[str, Any]) -> None:
    assert told(section) == []


NOTHING = "requires at least one endpoint, one file sink, or an enabled log/metric signal"
NO_LOGS = "enabled OpenTelemetry logs section requires at least one explicit endpoint"
WRONG_PATH = "endpoint ends in /v1/traces; configure a logs endpoint or a bare authority"
SAME = {**TRACE, "type": "gen_ai", "endpoint": "http://localhost:4318/v1//traces/"}
UNSET = {**TRACE, "header_env": {"a": "NOPE_X"}}
NOWHERE: dict[str, Any] = {"enabled": True, "endpoints": []}
TO_TRACES = {"enabled": True, "endpoints": [{"endpoint": "http://127.0.0.1:1/v1/traces"}]}


@pytest.mark.parametrize(
    ("section", "code", "field", "text"),
    [
        ({"enabled": True}, "unsupported_value", None, NOTHING),
        ({"traces": [{**TRACE, "hedaers": {}}]}, "unknown_field", "traces[0].hedaers", 'did you mean "headers"?'),
        ({"traces": [TRACE], "zz": 1}, "unknown_field", "zz", "field 'zz' is not recognized for 'opentelemetry'"),
        ({"traces": [{**TRACE, "tls": {"ca": "x"}}]}, "unknown_field", "traces[0].tls.ca", 'TLS field "ca"'),
        ({"traces": [TRACE], "logs": NOWHERE}, "unsupported_value", "logs.endpoints", NO_LOGS),
        ({"traces": [TRACE, SAME]}, "unsafe_otel_destination_collision", "traces[1]", "different types"),
        ({"traces": [TRACE], "logs": TO_TRACES}, "unsupported_value", "logs.endpoints[0].endpoint", WRONG_PATH),
        ({"traces": [UNSET]}, "unsupported_value", "traces[0].headers", "is not set"),
    ],
)
def test_what_is_wrong_is_told(section: dict[str, Any], code: str, field: str | None, text: str) -> None:
    (found,) = told(section)
    level = "warning" if code == "unknown_field" else "error"
    assert found[:3] == (level, code, field)
    assert text in found[3]


@pytest.mark.parametrize(
    ("section", "code", "field"),
    [
        ({"traces": [{"type": "full"}]}, "invalid_plugin_config", "traces[0].endpoint"),
        ({"traces": [{**TRACE, "type": "x"}]}, "unsupported_value", "traces[0].type"),
        ({"traces": [{**TRACE, "timeout_millis": "x"}]}, "invalid_plugin_config", "traces[0].timeout_millis"),
        ({"traces": [{**TRACE, "endpoint": " "}]}, "unsupported_value", "traces[0].endpoint"),
        ({"traces": [{**TRACE, "attribute_mappings": [{}]}]}, "unsupported_value", "traces[0].attribute_mappings"),
        ({"metrics": {"max_instruments": 0}}, "unsupported_value", "metrics.max_instruments"),
        ({"traces": "x"}, "invalid_plugin_config", "traces"),
    ],
)
def test_a_wrong_value_is_told_with_its_path(section: dict[str, Any], code: str, field: str) -> None:
    assert (code, field) in [(each[1], each[2]) for each in told(section)]


def test_unknown_fields_can_be_errors_or_nothing() -> None:
    section = {"traces": [TRACE], "zz": 1}
    assert told(section, unknown_field="error")[0][0] == "error"
    assert told(section, unknown_field="ignore") == []


def test_the_schema_names_every_field() -> None:
    schema = component.schema()
    assert {"traces", "file_sinks", "logs", "metrics", "spool", "enabled"} <= set(schema["properties"])
    assert "endpoint" in schema["$defs"]["TraceEndpoint"]["required"]


class Context:
    """The part of the plugin host's context that the section uses."""

    def __init__(self, before: Context | None = None) -> None:
        self.things = dict(before.things) if before else {}
        self.adopted: dict[str, tuple[Any, Callable[[Any], Any]]] = {}
        self.reported: list[tuple[str, str, str | None]] = []
        self.names: list[str] = []

    def register_subscriber(self, name: str, callback: Any) -> None:
        subscribers.register(name, callback)
        self.names.append(name)

    def count(self, name: str, read: Callable[[], Any]) -> None:
        read()

    def adopt(self, key: str, make: Callable[[], Any], close: Callable[[Any], Any]) -> Any:
        thing = self.things[key][0] if key in self.things else make()
        self.things[key] = self.adopted[key] = (thing, close)
        return thing

    def report_runtime(self, code: str, message: str, field: str | None = None, session_id: str | None = None) -> None:
        self.reported.append((code, message, field))

    def leave(self, successor: Context | None = None) -> None:
        for name in self.names:
            subscribers.deregister(name)
        for key, (thing, close) in self.adopted.items():
            if successor is None or key not in successor.adopted:
                close(thing)


def run() -> None:
    with scope.scope("planner", ScopeType.Agent):
        scope.event("note")


def test_a_section_is_activated_and_left(receiver: Receiver, tmp_path: Any) -> None:
    section = {
        "traces": [
            {"type": "full", "endpoint": receiver.url},
            {"type": "full", "endpoint": "http://example.com"},
        ],
        "logs": {"enabled": True, "endpoints": [{"endpoint": receiver.url}]},
        "spool": {"directory": str(tmp_path)},
    }
    context = Context()
    component.activate(section, context)
    run()
    context.leave()
    assert [span.name for span in receiver.spans] == ["planner"]
    assert len(receiver.log_records) == 1
    assert [(code, field) for code, _, field in context.reported] == [
        ("otel.destination_skipped", "opentelemetry.traces[1]")
    ]


def test_a_reconfiguration_keeps_the_destinations_that_stay(receiver: Receiver, tmp_path: Any) -> None:
    stays = {"type": "full", "endpoint": receiver.url}
    spool = {"directory": str(tmp_path)}
    first = Context()
    component.activate({"traces": [stays], "spool": spool}, first)
    run()
    second = Context(first)
    subscribers.deregister("opentelemetry")
    sink = {"type": "gen_ai", "output_directory": str(tmp_path / "f")}
    component.activate({"traces": [stays], "file_sinks": [sink], "spool": spool}, second)
    first.names.clear()
    first.leave(second)
    run()
    second.leave()
    assert [span.name for span in receiver.spans] == ["planner", "planner"]
    assert len({span.span_id for span in receiver.spans}) == 2


@pytest.mark.allow_blocking  # entry points are read and modules loaded
async def test_the_plugin_host_activates_it(receiver: Receiver, tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    from nemo_relay import plugin

    monkeypatch.chdir(tmp_path)
    section = {
        "traces": [{"type": "gen_ai", "endpoint": receiver.url}, {"type": "full", "endpoint": "http://h.example"}]
    }
    document = {"version": 1, "components": [{"kind": "observability", "config": {"opentelemetry": section}}]}
    activation = await plugin.initialize(document)
    run()
    (told,) = activation.report["config"]["runtime_diagnostics"]
    assert (told["code"], told["field"]) == ("otel.destination_skipped", "opentelemetry.traces[1]")
    await activation.close()
    assert [span.name for span in receiver.spans] == ["invoke_agent planner"]
    assert not [path for path in (tmp_path / ".nemo-relay").rglob("*") if path.is_file()], "all of it has arrived"


def test_none_of_several_destinations_can_be_set_up() -> None:
    with pytest.raises(ValueError, match="no active destination"):
        component.activate({"traces": [{"type": "full", "endpoint": "http://example.com"}]}, Context())


def test_an_empty_section_sets_nothing_up() -> None:
    context = Context()
    component.activate({}, context)
    assert not context.names
    assert not context.adopted


@pytest.mark.parametrize("protocol", ["http/protobuf", "http/json"])
def test_the_environment_names_destinations(
    receiver: Receiver, monkeypatch: pytest.MonkeyPatch, tmp_path: Any, protocol: str
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", f"{receiver.url}/base/")
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", f"{receiver.url}/v1/traces")
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_HEADERS", "x-a=b%20c,x-d=e")
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_COMPRESSION", "gzip")
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_PROTOCOL", protocol)
    monkeypatch.setenv("OTEL_LOGS_EXPORTER", "none")
    monkeypatch.setenv("OTEL_METRICS_EXPORTER", "console")
    monkeypatch.setenv("OTEL_SERVICE_NAME", "from-name")
    monkeypatch.setenv("OTEL_RESOURCE_ATTRIBUTES", "service.name=from-attributes,team=red%20blue")
    context = Context()
    component.activate({}, context)
    run()
    context.leave()
    assert [span.name for span in receiver.spans] == ["invoke_agent planner"]
    (request,) = receiver.requests
    assert (request.headers["x-a"], request.headers["x-d"]) == ("b c", "e")
    assert request.headers["content-encoding"] == "gzip"
    resource = request.message.resource_spans[0].resource
    named = {item.key: item.value.string_value for item in resource.attributes}
    assert (named["service.name"], named["team"]) == ("from-name", "red blue")


@pytest.mark.parametrize(
    ("variable", "value"),
    [("OTEL_SDK_DISABLED", "true"), ("OTEL_TRACES_EXPORTER", "none"), ("OTEL_EXPORTER_OTLP_ENDPOINT", " ")],
)
def test_the_environment_can_say_no(monkeypatch: pytest.MonkeyPatch, variable: str, value: str) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:9")
    for signal in ("LOGS", "METRICS"):
        monkeypatch.setenv(f"OTEL_{signal}_EXPORTER", "none")
    monkeypatch.setenv(variable, value)
    context = Context()
    component.activate({}, context)
    assert not context.names


def test_a_remote_address_of_the_environment_needs_https(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://example.com:4318")
    with pytest.raises(ValueError, match="require HTTPS"):
        component.activate({}, Context())
