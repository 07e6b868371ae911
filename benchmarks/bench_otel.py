# SPDX-License-Identifier: Apache-2.0
"""Export over OTLP against the published package, pair by pair: ``python benchmarks/bench_otel.py``.

Two workers, one per package, run the same ``otel_program.py`` and send to a receiver in this process, which decodes and
counts what arrives. Each round asks both for the same case, in alternating order; what counts is the median of the
rounds' ratios. A third row shows our memory while the collector is down.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from statistics import median
from typing import Any

from machine import describe
from published import VERSION, interpreter

WORKER = Path(__file__).with_name("otel_program.py")
OUTAGE = Path(__file__).with_name("otel_outage.py")
TYPES = ("full", "gen_ai", "openinference")


class Receiver:
    """Counts the spans it gets."""

    def __init__(self) -> None:
        from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

        self.spans = 0
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                message = ExportTraceServiceRequest()
                message.ParseFromString(self.rfile.read(int(self.headers["Content-Length"])))
                scopes = (scope for each in message.resource_spans for scope in each.scope_spans)
                receiver.spans += sum(len(scope.spans) for scope in scopes)
                self.send_response(200)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_: Any) -> None:
                """Nobody reads it."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def taken(self) -> int:
        """How many spans came since this was last asked."""
        spans, self.spans = self.spans, 0
        return spans


class Worker:
    """One process that runs the cases on its package."""

    def __init__(self, python: Path) -> None:
        self._process = subprocess.Popen(
            [python, WORKER], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1
        )

    def measure(self, order: dict[str, Any], receiver: Receiver) -> dict[str, float]:
        """What a run took, per event in microseconds, and how many spans arrived."""
        assert self._process.stdin is not None and self._process.stdout is not None
        receiver.taken()
        self._process.stdin.write(json.dumps({**order, "url": receiver.url}) + "\n")
        answer = json.loads(self._process.stdout.readline())
        events = answer["events"]
        return {
            "cpu": answer["cpu"] / events * 1e6,
            "wall": answer["wall"] / events * 1e6,
            "events": events,
            "spans": receiver.taken(),
        }


def compare(ours: Worker, theirs: Worker | None, order: dict[str, Any], rounds: int, receiver: Receiver) -> str:
    """One row of the table."""
    sides = [("ours", ours)] + ([] if theirs is None else [("published", theirs)])
    taken: dict[str, list[dict[str, float]]] = {name: [] for name, _ in sides}
    for number in range(rounds):
        for name, worker in sides if number % 2 else sides[::-1]:
            taken[name].append(worker.measure(order, receiver))
    cells = [order["case"], order["type"]]
    for name, _ in sides:
        cells += [f"{median(each[key] for each in taken[name]):.1f}" for key in ("cpu", "wall")]
        cells.append(f"{sum(each['spans'] for each in taken[name]):,}")
    if theirs is not None:
        pairs = list(zip(taken["ours"], taken["published"], strict=True))
        cells += [f"**{median(p[key] / o[key] for o, p in pairs):.1f}x**" for key in ("cpu", "wall")]
    return f"| {' | '.join(cells)} |"


HEAD = """\
| case | type | ours, µs CPU | µs | spans | published, µs CPU | µs | spans | ratio of CPU | of time |
|---|---|---|---|---|---|---|---|---|---|"""


def main() -> None:
    """Measure, and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3, help="pairs per row (default 3)")
    parser.add_argument("--events", type=int, default=100_000, help="events of one run (default 100,000)")
    parser.add_argument("--case", action="append", choices=("agents", "scopes"), help="only this case")
    parser.add_argument("--type", action="append", choices=TYPES, help="only this projection")
    options = parser.parse_args()
    python, receiver = interpreter(), Receiver()
    against = "our side alone" if python is None else f"against nemo-relay {VERSION}"
    how = f"{options.events:,} events; median of {options.rounds} rounds; microseconds are per event"
    print(f"{describe()}; {against}; {how}\n\n{HEAD}", flush=True)
    ours, theirs = Worker(Path(sys.executable)), None if python is None else Worker(python)
    for case in options.case or ("agents", "scopes"):
        for kind in options.type or TYPES:
            order = {"case": case, "type": kind, "events": options.events}
            print(compare(ours, theirs, order, options.rounds, receiver), flush=True)
    run = subprocess.run([sys.executable, OUTAGE, str(options.events)], capture_output=True, text=True, check=True)
    print(f"\ncollector down: {run.stdout.strip()}")


if __name__ == "__main__":
    main()
