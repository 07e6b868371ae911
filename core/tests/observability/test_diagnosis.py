# SPDX-License-Identifier: Apache-2.0
"""What is said about a configuration. The texts without "(at ...)" are the published package's, word for word."""

from __future__ import annotations

from typing import Any

import pytest

from nemo_relay import plugin
from nemo_relay.observability import (
    AtifConfig,
    AtofConfig,
    AtofFileSinkConfig,
    AtofStreamSinkConfig,
    ComponentSpec,
    HttpStorageConfig,
    ObservabilityConfig,
    OpenTelemetryEndpointConfig,
    OpenTelemetrySectionConfig,
)

from .conftest import document, findings

INVALID = "invalid config: invalid observability plugin config: "
FILE = {"type": "file"}
STREAM = {"type": "stream", "url": "http://127.0.0.1:9/x"}


def sinks(*entries: Any) -> dict[str, Any]:
    return {"atof": {"enabled": True, "sinks": list(entries)}}


def atif(**fields: Any) -> dict[str, Any]:
    return {"atif": {"enabled": True, **fields}}


ERRORS: list[tuple[dict[str, Any], str, str]] = [
    ({"version": "4"}, "invalid_plugin_config", f'{INVALID}invalid type: string "4", expected u32'),
    ({"version": 9}, "unsupported_config_version", "observability config version 9 is unsupported; use version 4"),
    ({"version": 0}, "unsupported_config_version", "observability config version 0 is unsupported; use version 4"),
    ({"version": True}, "invalid_plugin_config", f"{INVALID}invalid type: boolean `true`, expected u32"),
    (sinks(), "unsupported_value", "ATOF requires at least one configured sink when enabled"),
    (sinks({**FILE, "mode": "zz"}), "unsupported_value", "ATOF sinks[0].mode must be 'append' or 'overwrite'"),
    (
        sinks({"type": "zz"}),
        "invalid_plugin_config",
        f"{INVALID}unknown variant `zz`, expected one of `file`, `stream`, `redis`, `nats`, `kafka` (at atof.sinks[0])",
    ),
    (sinks({"type": "stream"}), "invalid_plugin_config", f"{INVALID}missing field `url` (at atof.sinks[0])"),
    (sinks({}), "invalid_plugin_config", f"{INVALID}missing field `type` (at atof.sinks[0])"),
    (
        sinks({**FILE, "name": " a "}),
        "unsupported_value",
        "ATOF sinks[0].name must not have leading or trailing whitespace",
    ),
    (
        sinks({**STREAM, "transport": "zz"}),
        "unsupported_value",
        "ATOF sinks[0].transport must be 'http_post', 'websocket', or 'ndjson'",
    ),
    (
        sinks({**STREAM, "timeout_millis": 0}),
        "unsupported_value",
        "ATOF sinks[0].timeout_millis must be greater than 0",
    ),
    (sinks({**FILE, "max_bytes": 0}), "unsupported_value", "ATOF sinks[0].max_bytes must be greater than 0"),
    (
        sinks({**FILE, "keep": -1}),
        "invalid_plugin_config",
        f"{INVALID}invalid type: integer, expected u64 (at atof.sinks[0].keep)",
    ),
    (
        sinks({**STREAM, "headers": {"a": 5}}),
        "invalid_plugin_config",
        f"{INVALID}invalid type: integer, expected a string (at atof.sinks[0].headers.a)",
    ),
    (
        {"atof": []},
        "invalid_plugin_config",
        f"{INVALID}invalid type: sequence, expected struct AtofConfig (at atof)",
    ),
    ({"opentelemetry": {"traces": [], "endpoints": []}}, "invalid_plugin_config", f"{INVALID}duplicate field `traces`"),
    (
        atif(filename_template="x.json"),
        "unsupported_value",
        "ATIF filename_template must contain '{session_id}'",
    ),
    (
        atif(filename_template="../{session_id}.json"),
        "unsupported_value",
        "ATIF filename_template must be a path-safe relative path",
    ),
    (
        atif(filename_template="{session_id}{metadata.x y}.json"),
        "unsupported_value",
        "ATIF filename_template metadata placeholder '{metadata.x y}' must contain a dot-separated path of ASCII"
        " letters, digits, '-' or '_'",
    ),
    (
        atif(filename_template="{session_id}{metadata.x:-../a}.json"),
        "unsupported_value",
        "ATIF filename_template fallback '../a' must be a path-safe relative fragment",
    ),
    (
        atif(filename_template="{session_id}{metadata.x"),
        "unsupported_value",
        "ATIF filename_template contains an unclosed metadata placeholder",
    ),
    (
        atif(storage=[{"type": "qq"}]),
        "invalid_plugin_config",
        f"{INVALID}unknown variant `qq`, expected `http` or `s3` (at atif.storage[0])",
    ),
]


@pytest.mark.parametrize(("config", "code", "message"), ERRORS, ids=[message[-50:] for _, _, message in ERRORS])
def test_what_is_wrong_is_named(config: dict[str, Any], code: str, message: str) -> None:
    errors = [(code, message) for level, code, message in findings(**config) if level == "error"]
    assert errors == [(f"observability.{code}", message)]


UNKNOWN = [
    ({"zz": 1}, "field 'zz' is not recognized for 'observability'"),
    ({"atif": {"agent_nam": "x"}}, "field 'agent_nam' is not recognized for 'atif'; did you mean 'agent_name'?"),
    (sinks({**FILE, "filenam": 1}), "field 'sinks[0].filenam' is not recognized for 'atof'; did you mean 'filename'?"),
]


@pytest.mark.parametrize(("config", "message"), UNKNOWN, ids=[message for _, message in UNKNOWN])
def test_a_typing_error_is_named_with_what_was_meant(config: dict[str, Any], message: str) -> None:
    assert ("warning", "observability.unknown_field", message) in findings(**config)
    strict = findings(**config, policy={"unknown_field": "error"})
    assert ("error", "observability.unknown_field", message) in strict
    assert findings(**config, policy={"unknown_field": "ignore"}) == []


UPGRADES: list[tuple[dict[str, Any], dict[str, Any]]] = [
    (
        {
            "version": 1,
            "atof": {"enabled": True, "filename": "e", "mode": "append", "endpoints": [{"url": "http://h"}]},
        },
        {
            "atof": {
                "sinks": [{"type": "file", "filename": "e", "mode": "append"}, {"type": "stream", "url": "http://h"}]
            }
        },
    ),
    ({"version": 1, "atof": {"enabled": True}}, {"atof": {"sinks": [{"type": "file"}]}}),
    (
        {"version": 2, "atof": {"sinks": [FILE]}, "opentelemetry": {"endpoint": "http://h", "service_name": "s"}},
        {
            "atof": {"sinks": [FILE]},
            "opentelemetry": {"traces": [{"type": "full", "endpoint": "http://h", "service_name": "s"}]},
        },
    ),
    (
        {"version": 2, "opentelemetry": {"enabled": False}, "openinference": {"enabled": True, "endpoint": "http://h"}},
        {"opentelemetry": {"traces": [{"type": "openinference", "endpoint": "http://h"}]}},
    ),
    (
        {"version": 3, "opentelemetry": {"endpoints": [{"type": "gen_ai", "endpoint": "http://h"}]}},
        {"opentelemetry": {"traces": [{"type": "gen_ai", "endpoint": "http://h"}]}},
    ),
]


@pytest.mark.parametrize(("old", "new"), UPGRADES)
def test_older_versions_are_read_with_a_warning(old: dict[str, Any], new: dict[str, Any]) -> None:
    from nemo_relay_configuration.observability.upgrade import upgraded

    current, _ = upgraded(old)
    assert current == {"version": 4, **{name: {"enabled": True, **section} for name, section in new.items()}}
    assert "observability.upgraded_config" in {code for _, code, _ in findings(**old)}
    assert upgraded(current) == (current, []), "what is current is left alone"


def test_a_section_that_is_written_down_and_off_is_told() -> None:
    assert ("warning", "observability.section_disabled") in {one[:2] for one in findings(version=4, atif={"extra": {}})}
    assert findings(version=4, atif={"enabled": False}) == []


async def test_errors_stop_the_activation_and_nothing_is_registered() -> None:
    with pytest.raises(ValueError, match=r"^invalid config: ATOF requires at least one configured sink"):
        await plugin.initialize(document(**sinks()))
    assert plugin.report() is None


def test_the_component_may_stand_there_once() -> None:
    one = document()["components"][0]
    found = plugin.validate_exact({"components": [one, one]})["config"]["diagnostics"]
    text = "plugin component kind 'observability' may only appear once"
    assert [one["message"] for one in found] == [text]


def test_the_types_make_the_document() -> None:
    config = ObservabilityConfig(
        atof=AtofConfig(enabled=True, sinks=[AtofFileSinkConfig(filename="e"), AtofStreamSinkConfig("http://h")]),
        atif=AtifConfig(enabled=True, storage=[HttpStorageConfig("http://h", headers={"authorization": "canary"})]),
        opentelemetry=OpenTelemetrySectionConfig(endpoints=[OpenTelemetryEndpointConfig("full", "http://h")]),
    )
    spec = ComponentSpec(config)
    made = spec.to_dict()
    assert (made["kind"], made["config"]["version"]) == ("observability", 4)
    assert [sink["type"] for sink in made["config"]["atof"]["sinks"]] == ["file", "stream"]
    assert made["config"]["atif"]["storage"][0]["type"] == "http"
    assert made["config"]["opentelemetry"]["endpoints"][0]["mark_exclude_names"] == ["llm.chunk"]
    assert "canary" not in repr(config) + repr(spec)
    levels = [one["level"] for one in plugin.validate_exact({"components": [spec]})["config"]["diagnostics"]]
    assert "error" not in levels
