# SPDX-License-Identifier: Apache-2.0
"""An OTLP receiver on loopback: decodes what it gets over HTTP and gRPC, and answers as it is told."""

from __future__ import annotations

import gzip
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, ClassVar

from google.protobuf import json_format
from opentelemetry.proto.collector.logs.v1 import logs_service_pb2 as logs
from opentelemetry.proto.collector.metrics.v1 import metrics_service_pb2 as metrics
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2 as traces

REQUESTS = {
    "/v1/traces": traces.ExportTraceServiceRequest,
    "/v1/logs": logs.ExportLogsServiceRequest,
    "/v1/metrics": metrics.ExportMetricsServiceRequest,
}


@dataclass
class Answer:
    """What the receiver says. A status of 0 closes the connection in the middle of the body."""

    status: int = 200
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)
    delay: float = 0.0


@dataclass
class Request:
    path: str
    headers: dict[str, str]
    message: Any
    at: float
    size: int


class Receiver:
    """What has arrived. ``answer`` is called with the number of the request, from 1."""

    def __init__(self) -> None:
        self.requests: list[Request] = []
        self.taken: list[Request] = []
        self.answer: Callable[[int], Answer] = lambda number: Answer()
        self.url = ""
        self._changed = threading.Condition()

    def take(self, path: str, headers: dict[str, str], body: bytes) -> Answer:
        if headers.get("content-encoding") == "gzip":
            body = gzip.decompress(body)
        message = REQUESTS[path]()
        if headers.get("content-type") == "application/json":
            parse_json(body, message)
        else:
            message.ParseFromString(body)
        request = Request(path, headers, message, time.monotonic(), len(body))
        with self._changed:
            self.requests.append(request)
            answer = self.answer(len(self.requests))
            if 200 <= answer.status < 300:
                self.taken.append(request)
            self._changed.notify_all()
        return answer

    @property
    def spans(self) -> list[Any]:
        found = (r.message for r in tuple(self.taken) if r.path == "/v1/traces")
        return [s for m in found for rs in m.resource_spans for ss in rs.scope_spans for s in ss.spans]

    @property
    def log_records(self) -> list[Any]:
        found = (r.message for r in tuple(self.taken) if r.path == "/v1/logs")
        return [s for m in found for rs in m.resource_logs for ss in rs.scope_logs for s in ss.log_records]

    @property
    def metrics(self) -> list[Any]:
        found = (r.message for r in tuple(self.taken) if r.path == "/v1/metrics")
        return [s for m in found for rs in m.resource_metrics for ss in rs.scope_metrics for s in ss.metrics]

    def named(self, name: str) -> Any:
        (span,) = [span for span in self.spans if span.name == name]
        return span

    def wait(self, enough: Callable[[Receiver], bool], seconds: float = 30.0) -> None:
        with self._changed:
            assert self._changed.wait_for(lambda: enough(self), seconds), (len(self.requests), len(self.spans))


def parse_json(body: bytes, message: Any) -> None:
    """OTLP/JSON has its ids in hex, where protobuf's own JSON has base64."""
    import base64
    import json
    import re

    def to_base64(match: re.Match[str]) -> str:
        return f'"{match[1]}":"{base64.b64encode(bytes.fromhex(match[2])).decode()}"'

    text = re.sub(r'"(traceId|spanId|parentSpanId)":"([0-9a-f]*)"', to_base64, body.decode())
    json_format.Parse(json.dumps(json.loads(text)), message, ignore_unknown_fields=True)


def attributes(record: Any) -> dict[str, Any]:
    return {item.key: value(item.value) for item in record.attributes}


def value(any_value: Any) -> Any:
    kind = any_value.WhichOneof("value")
    if kind is None:
        return None
    found = getattr(any_value, kind)
    if kind == "array_value":
        return [value(item) for item in found.values]
    if kind == "kvlist_value":
        return {item.key: value(item.value) for item in found.values}
    return found


@contextmanager
def http_receiver(tls: ssl.SSLContext | None = None, port: int = 0) -> Iterator[Receiver]:
    receiver = Receiver()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        timeout = 30

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            headers = {name.lower(): text for name, text in self.headers.items()}
            answer = receiver.take(self.path.partition("?")[0], headers, body)
            if answer.delay:
                time.sleep(answer.delay)
            try:
                self._say(answer)
            except OSError:  # the client did not wait
                self.close_connection = True

        def _say(self, answer: Answer) -> None:
            if answer.status == 0:
                self.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nhalf")
                self.wfile.flush()
                self.close_connection = True
                return
            self.send_response(answer.status)
            for name, text in answer.headers.items():
                self.send_header(name, text)
            self.send_header("Content-Length", str(len(answer.body)))
            self.end_headers()
            self.wfile.write(answer.body)

        def log_message(self, *_: Any) -> None:
            pass

    class Server(ThreadingHTTPServer):
        daemon_threads = True
        connections: ClassVar[list[socket.socket]] = []

        def process_request(self, request: Any, client_address: Any) -> None:
            self.connections.append(request)
            super().process_request(request, client_address)

        def handle_error(self, *_: Any) -> None:  # a client that breaks off is part of the tests
            pass

    server = Server(("127.0.0.1", port), Handler)
    if tls is not None:
        server.socket = tls.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    receiver.url = f"{'http' if tls is None else 'https'}://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        yield receiver
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
        for connection in server.connections:  # a handler would go on serving the ones that are kept open
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
            connection.close()


@contextmanager
def grpc_receiver(credentials: Any = None) -> Iterator[Receiver]:
    import grpc
    from opentelemetry.proto.collector.logs.v1 import logs_service_pb2_grpc as logs_grpc
    from opentelemetry.proto.collector.metrics.v1 import metrics_service_pb2_grpc as metrics_grpc
    from opentelemetry.proto.collector.trace.v1 import trace_service_pb2_grpc as traces_grpc

    receiver = Receiver()

    def servicer(path: str, response: Any) -> Any:
        class Servicer:
            def Export(self, request: Any, context: Any) -> Any:
                headers = dict(context.invocation_metadata())
                answer = receiver.take(path, headers, request.SerializeToString())
                if answer.status != 200:
                    code = grpc.StatusCode[answer.headers["code"]]
                    context.abort(code, answer.headers.get("details", ""))
                made = response()
                made.ParseFromString(answer.body)
                return made

        return Servicer()

    server = grpc.server(ThreadPoolExecutor(4))
    traces_grpc.add_TraceServiceServicer_to_server(servicer("/v1/traces", traces.ExportTraceServiceResponse), server)
    logs_grpc.add_LogsServiceServicer_to_server(servicer("/v1/logs", logs.ExportLogsServiceResponse), server)
    metrics_grpc.add_MetricsServiceServicer_to_server(
        servicer("/v1/metrics", metrics.ExportMetricsServiceResponse), server
    )
    if credentials is None:
        port = server.add_insecure_port("127.0.0.1:0")
    else:
        port = server.add_secure_port("localhost:0", credentials)
    server.start()
    receiver.url = f"http://127.0.0.1:{port}" if credentials is None else f"https://localhost:{port}"
    try:
        yield receiver
    finally:
        server.stop(0).wait()
