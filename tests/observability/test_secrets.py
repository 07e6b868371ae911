# SPDX-License-Identifier: Apache-2.0
"""A canary in every place of a plugin document where a credential may stand, for every back end at once.

They reach their destinations, and stand in no file, span, log, diagnostic, report or error of ours.
"""

from __future__ import annotations

import json
import logging
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from nemo_relay import (
    LLMRequest,
    LogSeverity,
    MetricKind,
    MetricMeasurement,
    MetricValueType,
    ScopeType,
    llm,
    plugin,
    scope,
    tools,
)
from nemo_relay.testing import capture_events

pytestmark = pytest.mark.allow_blocking
CANARY = "canary-9e41"
DEAD = "127.0.0.1:9"


class Server:
    """Takes whatever is sent, and answers as it is told."""

    def __init__(self) -> None:
        self.status = 200
        self.headers: list[dict[str, str]] = []
        self.bodies: list[bytes] = []
        server = self

        class Handler(BaseHTTPRequestHandler):
            def _take(self) -> None:
                server.bodies.append(self.rfile.read(int(self.headers.get("Content-Length") or 0)))
                server.headers.append({name.lower(): text for name, text in self.headers.items()})
                self.send_response(server.status)
                self.send_header("Content-Length", "0")
                self.end_headers()

            do_POST = do_PUT = _take

            def log_message(self, *_: Any) -> None:
                pass

        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.http.daemon_threads = True
        self.address = f"127.0.0.1:{self.http.server_port}"
        threading.Thread(target=self.http.serve_forever, args=(0.01,), daemon=True).start()


@pytest.fixture
def server() -> Iterator[Server]:
    made = Server()
    yield made
    made.http.shutdown()
    made.http.server_close()


@pytest.fixture
def secret(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], dict[str, Any]]:
    """Headers with a canary in each way to give one: in the document, by a reference, in a variable, in a file."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "secrets").mkdir()
    made: list[str] = []

    def of(place: str) -> dict[str, Any]:
        made.append(place)
        variable, file = f"CANARY_{len(made)}", tmp_path / "secrets" / f"{len(made)}"
        monkeypatch.setenv(variable, f"{CANARY}-{place}-variable")
        monkeypatch.setenv(f"{variable}_REFERRED", f"{CANARY}-{place}-reference")
        file.write_text(f"{CANARY}-{place}-file\n")
        return {
            "headers": {"x-plain": f"{CANARY}-{place}-plain", "x-referred": f"${{env:{variable}_REFERRED}}"},
            "header_env": {"x-variable": variable},
            "header_file": {"x-file": str(file)},
        }

    return of


def document(server: Server, secret: Callable[[str], dict[str, Any]], folder: Path) -> dict[str, Any]:
    def url(place: str, scheme: str = "http", where: str | None = None) -> str:
        return f"{scheme}://user:{CANARY}-{place}-password@{where or server.address}/{place}?key={CANARY}-{place}-query"

    def broker(kind: str, where: str, **more: Any) -> dict[str, Any]:
        spool = {"directory": str(folder / "spool")}
        return {"type": kind, "url": where, "timeout_millis": 300, "spool": spool, **more}

    trace = {"type": "full", "endpoint": url("traces"), **secret("traces")}
    signal = {"endpoint": url("signals"), **secret("signals")}
    config = {
        "version": 4,
        "atof": {
            "enabled": True,
            "sinks": [
                {"type": "file", "output_directory": str(folder / "atof"), "filename": "e.jsonl", "blob_bytes": 256},
                {"type": "stream", "url": url("stream"), "timeout_millis": 1000, **secret("stream")},
                broker("redis", f"redis://user:{CANARY}-redis-password@{DEAD}/0"),
                broker("nats", f"nats://user:{CANARY}-nats-password@{DEAD}"),
                broker("kafka", DEAD, topic="t"),
            ],
        },
        "atif": {
            "enabled": True,
            "output_directory": str(folder / "atif"),
            "storage": [
                {"type": "http", "endpoint": url("storage"), "timeout_millis": 1000, **secret("storage")},
                {
                    "type": "s3",
                    "bucket": "b",
                    "endpoint_url": f"http://{server.address}",
                    "allow_http": True,
                    "region": "r",
                    "access_key_id": f"{CANARY}-s3-id",
                    "secret_access_key_var": "CANARY_S3",
                    "session_token_var": "CANARY_S3_TOKEN",
                },
            ],
        },
        "opentelemetry": {
            "enabled": True,
            "endpoints": [trace, {**trace, "type": "gen_ai", "transport": "http_json", "endpoint": url("json")}],
            "logs": {"enabled": True, "endpoints": [signal]},
            "metrics": {"enabled": True, "endpoints": [signal], "export_interval_millis": 100},
            "file_sinks": [{"type": "openinference", "output_directory": str(folder / "spans")}],
            "spool": {"directory": str(folder / "spool")},
        },
    }
    return {"version": 1, "components": [{"kind": "observability", "enabled": True, "config": config}]}


@pytest.mark.parametrize("status", [200, 401, 503])
async def test_no_credential_of_any_back_end_is_anywhere(
    server: Server,
    secret: Callable[[str], dict[str, Any]],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
    status: int,
) -> None:
    for name in ("CANARY_S3", "CANARY_S3_TOKEN"):
        monkeypatch.setenv(name, f"{CANARY}-{name}")
    caplog.set_level(logging.DEBUG)
    server.status = status
    out = tmp_path / "out"
    given = document(server, secret, out)
    shown = [json.dumps(plugin.validate_exact(given))]
    events = capture_events()
    with events:
        activation = await plugin.initialize(given)
        shown += [repr(activation), json.dumps(activation.report)]
        with scope.scope("planner", ScopeType.Agent, input={"text": "x" * 300}):
            await llm.execute("m", LLMRequest({"authorization": f"Bearer {CANARY}-call"}, {"prompt": "Hi"}), answer)
            await tools.execute("search", {"q": 1}, lambda arguments: arguments)
            scope.event("noted", severity=LogSeverity.Warn)
            scope.metric("count", [MetricMeasurement("runs", MetricKind.Counter, MetricValueType.U64, 1)])
        try:
            await activation.close()
        except Exception as error:  # what did not arrive is told at the end
            shown += [str(error), repr(error), repr(error.__cause__)]
        shown.append(json.dumps(activation.report))
    wire = json.dumps(server.headers)
    for place in ("traces", "signals", "stream", "storage"):
        for way in ("plain", "reference", "variable", "file"):
            assert f"{CANARY}-{place}-{way}" in wire, (place, way)
    assert f"{CANARY}-s3-id" in wire
    shown += [event.to_json() for event in events.events]
    shown += [body.decode(errors="replace") for body in server.bodies]
    shown += [str(path) for path in out.rglob("*")]
    files = [path for path in out.rglob("*") if path.is_file()]
    assert {path.relative_to(out).parts[0] for path in files} >= {"atof", "atif", "spans", "spool"}
    shown += [path.read_bytes().decode(errors="replace") for path in files]
    shown += [caplog.text, *capfd.readouterr()]
    assert not [text for text in shown if CANARY in text]


async def answer(request: Any) -> Any:
    return {"content": "Hello"}
