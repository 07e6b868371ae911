# SPDX-License-Identifier: Apache-2.0
"""HTTP and WebSocket: everything arrives once, in order, whatever the server does in between."""

from __future__ import annotations

import json
import logging
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from websockets.sync.server import ServerConnection, serve

from nemo_relay import ScopeType, plugin, scope
from nemo_relay_sinks import Sink, open_sink
from nemo_relay_sinks.lines import Sessions, without_dots
from nemo_relay_sinks.streams import component

from .conftest import free_port, lines

Open = Callable[..., Sink]


class Server:
    """Takes posts; ``answers`` are given before it is content."""

    def __init__(self) -> None:
        self.bodies: list[bytes] = []
        self.headers: list[dict[str, str]] = []
        self.answers: list[tuple[int, dict[str, str]]] = []
        server = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                server.headers.append({key.lower(): value for key, value in self.headers.items()})
                status, headers = server.answers.pop(0) if server.answers else (200, {})
                if status < 300:
                    server.bodies.append(body)
                self.send_response(status)
                for key, value in {**headers, "content-length": "0"}.items():
                    self.send_header(key, value)
                self.end_headers()

            def log_message(self, *_: Any) -> None:
                """Nothing."""

        self._http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._http.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._http.server_address[1]}/events"
        threading.Thread(target=self._http.serve_forever, args=(0.01,), daemon=True).start()

    def close(self) -> None:
        self._http.shutdown()
        self._http.server_close()

    @property
    def lines(self) -> list[bytes]:
        return [line + b"\n" for body in self.bodies for line in body.splitlines()]


@pytest.fixture
def server() -> Iterator[Server]:
    made = Server()
    yield made
    made.close()


@pytest.mark.parametrize("transport", ["http_post", "ndjson"])
def test_events_arrive_in_order(server: Server, sink: Open, transport: str) -> None:
    made = sink(type="stream", url=server.url, transport=transport)
    sent = lines(120)
    for line in sent:
        assert made.write(line)
    assert made.force_flush(30)
    assert server.lines == sent
    assert (len(server.bodies) == 120) is (transport == "http_post")
    assert server.headers[0]["content-type"] == "application/x-ndjson"
    assert (made.counters.offered, made.counters.written, made.counters.dropped) == (120, 120, 0)


@pytest.mark.parametrize("status", [429, 500, 503])
def test_what_passes_is_tried_again_and_nothing_twice(server: Server, sink: Open, status: int) -> None:
    server.answers = [(status, {"retry-after": "0"})] * 3
    made = sink(type="stream", url=server.url, transport="ndjson")
    sent = lines(10)
    for line in sent:
        made.write(line)
    while not made.force_flush(30):
        pass
    assert server.lines == sent
    assert made.counters.retried == 3


def test_what_is_refused_for_good_is_counted_and_told(server: Server, sink: Open) -> None:
    server.answers = [(400, {})]
    made = sink(type="stream", url=server.url, transport="ndjson")
    heard: list[tuple[str, str]] = []
    made.listen(lambda code, text: heard.append((code, text)))
    made.write(lines(1)[0])
    assert made.force_flush(30)
    assert made.counters.dropped == 1
    assert heard[0][0] == "sinks.ndjson_export_refused"


def test_a_server_that_is_away_gets_everything_after_the_next_start(server: Server, tmp_path: Path) -> None:
    settings = {
        "type": "stream",
        "transport": "ndjson",
        "url": server.url,
        "spool": {"directory": str(tmp_path / "spool")},
    }
    server.answers = [(503, {})] * 1000
    away = open_sink(settings)
    sent = lines(50)
    for line in sent:
        away.write(line)
    assert not away.shutdown(0.2)
    server.answers.clear()
    back = open_sink(settings)
    more = lines(5, first=50)
    for line in more:
        back.write(line)
    while not back.force_flush(30):
        pass
    assert sorted(server.lines) == sorted(sent + more)
    assert back.counters.recovered == 50
    assert back.shutdown(5)
    assert not list((tmp_path / "spool").rglob("*.jsonl"))


def test_secrets_stay_where_they_belong(
    server: Server, sink: Open, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "key").write_text("file-secret\n")
    monkeypatch.setenv("SINK_KEY", "env-secret")
    made = sink(
        type="stream",
        url=server.url.replace("http://", "http://user:url-secret@"),
        headers={"x-a": "table-secret"},
        header_env={"x-b": "SINK_KEY"},
        header_file={"x-c": str(tmp_path / "key")},
    )
    made.write(lines(1)[0])
    assert made.force_flush(30)
    got = server.headers[0]
    assert (got["x-a"], got["x-b"], got["x-c"]) == ("table-secret", "env-secret", "file-secret")
    assert got["authorization"].startswith("Basic ")
    server.answers = [(500, {})] * 100
    told: list[str] = []
    made.listen(lambda code, text: told.append(text))
    made.write(lines(1)[0])
    made.force_flush(0.3)
    shown = repr(made) + "".join(told) + "".join(str(path) for path in tmp_path.rglob("*"))
    shown += "".join(path.read_text() for path in (tmp_path / "spool").rglob("*") if path.is_file())
    assert "-secret" not in shown


def test_a_websocket_notes_no_credential(sink: Open, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    headers: list[Any] = []

    def take(connection: ServerConnection) -> None:
        assert connection.request is not None
        headers.append(connection.request.headers)
        for _ in connection:
            pass

    with serve(take, "127.0.0.1", 0) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        address = f"user:url-secret@127.0.0.1:{server.socket.getsockname()[1]}/?key=query-secret"
        made = sink(type="stream", transport="websocket", url=f"ws://{address}", headers={"x-a": "table-secret"})
        made.write(lines(1)[0])
        while not made.force_flush(30):
            pass
        made.shutdown(5)
        server.shutdown()
    assert headers[0]["x-a"] == "table-secret"
    assert headers[0]["authorization"].startswith("Basic ")
    ours = [record.getMessage() for record in caplog.records if record.name != "websockets.server"]
    assert not [text for text in [*ours, repr(made)] if "secret" in text or headers[0]["authorization"] in text]


def test_a_websocket_gets_a_frame_an_event_and_is_found_again(sink: Open) -> None:
    got: list[bytes] = []

    def take(connection: ServerConnection) -> None:
        for message in connection:
            assert isinstance(message, str)
            got.append(message.encode() + b"\n")

    port = free_port()
    made = sink(type="stream", transport="websocket", url=f"ws://127.0.0.1:{port}/")
    for part in range(3):
        for line in lines(10, first=part * 10):
            made.write(line)
        if not part:
            assert not made.force_flush(0.5)  # nobody is there yet
        with serve(take, "127.0.0.1", port) as server:
            threading.Thread(target=server.serve_forever, daemon=True).start()
            while not made.force_flush(30):
                pass
            server.shutdown()
    assert list(dict.fromkeys(got)) == lines(30)
    assert made.counters.retried >= 1


@pytest.mark.parametrize(
    ("settings", "text"),
    [
        ({"url": "ftp://x"}, "does not support URL scheme 'ftp'"),
        ({"url": "x"}, "does not support URL scheme ''"),
        ({"url": "http://x", "transport": "websocket"}, "does not support URL scheme 'http'"),
        ({"url": "http://x", "timeout_millis": 0}, "greater than 0"),
        ({"url": "http://x", "headers": {"a b": "secret"}}, "invalid HTTP header name"),
        ({"url": "http://x", "headers": {"a": "secret"}, "header_file": {"A": "f"}}, "must be unique"),
        ({"url": "http://x", "header_env": {"a": "NO_SUCH_VARIABLE"}}, "is not set or blank"),
        ({"url": "http://x", "colour": 1}, "nothing reads the field 'colour'"),
        ({}, "Field required"),
    ],
)
def test_an_entry_that_cannot_be_used_is_named_without_its_values(settings: dict[str, Any], text: str) -> None:
    found = component.diagnose({"type": "stream", **settings})
    assert text in found[0]["message"]
    assert "secret" not in json.dumps(found)
    assert component.schema()["properties"]["url"]


def test_the_session_of_an_event_is_the_root_of_its_tree() -> None:
    sessions = Sessions()
    found = []
    for uuid, parent, category in (
        ("a", None, "start"),
        ("b", "a", "start"),
        ("m", "b", None),
        ("b", "a", "end"),
        ("c", "z", None),
        ("a", None, "end"),
    ):
        event = {"uuid": uuid, "parent_uuid": parent, "scope_category": category}
        found += [line.session for line in sessions.take(json.dumps(event).encode() + b"\n")]
    assert found == ["a", "a", "a", "a", "z", "a"]
    assert sessions.save() == {"roots": {}}


def test_names_without_dots() -> None:
    given = {"a.b": 1, "a_b": 2, "a_b_2": [{"c.d": None}]}
    assert without_dots(given) == {"a_b": 2, "a_b_2": [{"c_d": None}], "a_b_3": 1}


@pytest.mark.allow_blocking
async def test_a_document_switches_it_on(server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    entry = {"type": "stream", "transport": "ndjson", "url": server.url}
    config = {"version": 4, "atof": {"enabled": True, "sinks": [entry]}}
    async with plugin.activate({"components": [{"kind": "observability", "config": config}]}):
        with scope.scope("planner", ScopeType.Agent):
            pass
    assert [json.loads(line)["name"] for line in server.lines] == ["planner", "planner"]
