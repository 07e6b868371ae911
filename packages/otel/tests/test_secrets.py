# SPDX-License-Identifier: Apache-2.0
"""Credentials are where they belong, on the wire to their endpoint, and nowhere else."""

from __future__ import annotations

import logging
import time
import traceback
from pathlib import Path

import pytest
from receiver import Answer, Receiver

import nemo_relay
from nemo_relay import ScopeType, scope
from nemo_relay_otel import Section, component, from_config

CANARY = "canary-7f3a"


def test_a_canary_in_every_place_for_a_credential(
    receiver: Receiver, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("RELAY_TEST_TOKEN", f"{CANARY}-environment")
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", f"http://u:{CANARY}-auto@127.0.0.1:9/x")
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_TIMEOUT", "500")
    (tmp_path / "token").write_text(f"{CANARY}-file\n")
    caplog.set_level(logging.DEBUG)
    address = receiver.url.replace("http://", f"http://user:{CANARY}-password@") + f"/v1/traces?key={CANARY}-query"
    section = {
        "traces": [
            {
                "type": "full",
                "endpoint": address,
                "headers": {"x-given": f"{CANARY}-header"},
                "header_env": {"x-env": "RELAY_TEST_TOKEN"},
                "header_file": {"x-file": str(tmp_path / "token")},
            }
        ],
        "spool": {"directory": str(tmp_path / "spool")},
    }
    receiver.answer = lambda number: Answer(503) if number == 1 else Answer(401)
    exporters = from_config(section, environment=True)
    exporters.register("otel")
    with scope.scope("planner", ScopeType.Agent):
        pass
    exporters.force_flush(2)
    receiver.wait(lambda r: len(r.requests) >= 2)
    until = time.monotonic() + 30
    while len(exporters.diagnostics()) < 2 and time.monotonic() < until:
        time.sleep(0.01)
    headers = receiver.requests[0].headers
    assert (headers["x-given"], headers["x-env"], headers["x-file"]) == (
        f"{CANARY}-header",
        f"{CANARY}-environment",
        f"{CANARY}-file",
    )
    assert headers["authorization"].startswith("Basic ")
    shown = [
        repr(exporters),
        repr(exporters.counters()),
        repr(exporters.diagnostics()),
        repr(Section.model_validate(section).traces[0].headers),
        repr(component.diagnose({**section, "traces": [{**section["traces"][0], "nope": CANARY}]})),  # type: ignore[list-item, dict-item]
        caplog.text,
        str(receiver.requests[0].message),
    ]
    for path in (tmp_path / "spool").rglob("*"):
        shown.append(str(path))
        if path.is_file():
            shown.append(path.read_text())
    assert len(exporters.diagnostics()) >= 2
    exporters.shutdown(0.2)
    assert not [text for text in shown if CANARY in text]


def test_a_header_file_is_read_each_time(receiver: Receiver, tmp_path: Path) -> None:
    token = tmp_path / "token"
    token.write_text("first")
    trace = {"type": "full", "endpoint": receiver.url, "header_file": {"authorization": str(token)}}
    exporters = from_config({"traces": [trace], "spool": {"enabled": False}})
    exporters.register("otel")
    for value in ("first", "second"):
        token.write_text(value)
        with scope.scope("planner", ScopeType.Agent):
            pass
        assert exporters.force_flush()
    assert [request.headers["authorization"] for request in receiver.requests] == ["first", "second"]
    token.unlink()
    with scope.scope("planner", ScopeType.Agent):
        pass
    assert not exporters.force_flush(1)
    exporters.shutdown(0.1)


@pytest.mark.parametrize(
    "section",
    [
        {"traces": [{"type": "full", "endpoint": "https://h", "headers": {"a": f"{CANARY}\n"}}]},
        {"traces": [{"type": "full", "endpoint": "https://h", "headers": {"a": [CANARY]}}]},
        {"traces": [{"type": "full", "endpoint": "https://h", "headers": {"bad name": CANARY}}]},
        {"traces": [{"type": CANARY, "endpoint": f"http://u:{CANARY}@example.com"}]},
        {"traces": [{"type": "full", "endpoint": f"http://u:{CANARY}@example.com"}]},
        {"traces": CANARY},
    ],
)
def test_errors_show_no_value(section: dict[str, object]) -> None:
    with pytest.raises(ValueError) as caught:
        from_config(section)
    assert CANARY not in "".join(traceback.format_exception(caught.value))
    assert CANARY not in repr(component.diagnose(section))


def test_reprs_of_the_published_classes() -> None:
    config = nemo_relay.OpenTelemetryConfig("full", f"http://u:{CANARY}@127.0.0.1:9/p?k={CANARY}")
    config.set_header("authorization", CANARY)
    subscriber = nemo_relay.OpenTelemetrySubscriber(config)
    assert CANARY not in repr(config) + repr(subscriber)
    subscriber.shutdown(0.1)
