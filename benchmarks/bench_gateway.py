# SPDX-License-Identifier: Apache-2.0
"""The gateway against the published one and a direct connection, in turn: ``python benchmarks/bench_gateway.py``.

Both record every call into an ATOF file, as their plugin documents say; ours masks secrets in it, which the published
one does not (``--unmasked``). Requests go to the provider, through the published gateway and through ours in turn, one
at a time, so that whatever else the machine does is in all three.
"""

from __future__ import annotations

import argparse
import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from statistics import median

from gateway_load import Client, agent_body, rate, request, text_body
from machine import describe
from venvs import provide

VERSION = "0.10.4"
VARIABLE = "NEMO_RELAY_PUBLISHED_COMMAND"
PROVIDER = Path(__file__).with_name("gateway_provider.py")
OBSERVED = """\
version = 1
[[components]]
kind = "observability"
[components.config]
version = 4
[components.config.atof]
enabled = true
[[components.config.atof.sinks]]
type = "file"
output_directory = "{directory}"
filename = "events.jsonl"
mode = "overwrite"
"""
KB = 1024


def published() -> Path | None:
    """The published command: the one ``NEMO_RELAY_PUBLISHED_COMMAND`` names, else one installed here."""
    named = os.environ.get(VARIABLE)
    if named:
        return Path(named)
    python, problem = provide("published-cli", [f"nemo-relay-cli-bin=={VERSION}"])
    if not problem:
        return python.parent / "nemo-relay"
    print(
        f"skipped: the comparison with nemo-relay {VERSION}: {problem}; name its command in {VARIABLE}", file=sys.stderr
    )
    return None


class Side:
    """A gateway that runs: where it listens, how long it took to start, what memory it takes."""

    def __init__(self, name: str, port: int, process: subprocess.Popen[bytes] | None, started: float) -> None:
        self.name = name
        self.port = port
        self.started = started
        self._process = process

    def resident(self, field: str = "VmRSS") -> float:
        """Its memory in MB; 0 for the provider itself."""
        if self._process is None:
            return 0.0
        lines = Path(f"/proc/{self._process.pid}/status").read_text(encoding="utf-8").splitlines()
        return next(int(line.split()[1]) / 1024 for line in lines if line.startswith(field + ":"))


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as found:
        port: int = found.getsockname()[1]
        return port


def _answers(port: int) -> bool:
    try:
        with socket.create_connection(("127.0.0.1", port), 1) as asked:
            asked.sendall(b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
            return asked.recv(1024).startswith(b"HTTP/1.1 200")
    except OSError:
        return False


@contextmanager
def _running(name: str, command: list[str], port: int, provider: int, home: Path) -> Iterator[Side]:
    home.mkdir(parents=True, exist_ok=True)
    kept = {key: value for key, value in os.environ.items() if not key.startswith(("NEMO_RELAY", "PYTHON"))}
    environment = {**kept, "HOME": str(home), "XDG_CONFIG_HOME": str(home / ".config")}
    environment["NEMO_RELAY_OPENAI_BASE_URL"] = f"http://127.0.0.1:{provider}/v1"
    with (home / "stderr").open("wb") as errors:
        start = time.perf_counter()
        process = subprocess.Popen(command, cwd=home, env=environment, stderr=errors, stdout=errors)
        try:
            while not _answers(port):
                if process.poll() is not None or time.perf_counter() - start > 30:
                    raise SystemExit(f"{name} did not start: {(home / 'stderr').read_text()}")
                time.sleep(0.001)
            yield Side(name, port, process, time.perf_counter() - start)
        finally:
            process.terminate()
            process.wait(30)


def _home(root: Path, name: str, more: str = "") -> tuple[Path, Path]:
    home = root / name
    plugins = home / ".config" / "nemo-relay" / "plugins.toml"
    plugins.parent.mkdir(parents=True)
    plugins.write_text(OBSERVED.format(directory=home / "atof") + more, encoding="utf-8")
    return home, plugins


@contextmanager
def gateways(root: Path, provider: int, command: Path | None, more: str) -> Iterator[list[Side]]:
    """The three ways to the provider: direct, through the published gateway, through ours.

    ``more`` follows in our plugin document.
    """
    with ExitStack() as stack:
        sides = [Side("direct", provider, None, 0.0)]
        if command is not None:
            home, _ = _home(root, "published")
            port = _free_port()
            words = [str(command), "--bind", f"127.0.0.1:{port}"]
            sides.append(stack.enter_context(_running("published", words, port, provider, home)))
        home, plugins = _home(root, "ours", more)
        port = _free_port()
        words = [sys.executable, "-m", "nemo_relay_cli", "gateway", "serve", "--bind", f"127.0.0.1:{port}"]
        words += ["--plugins", str(plugins)]
        sides.append(stack.enter_context(_running("ours", words, port, provider, home)))
        yield sides


def _in_turn(sides: list[Side], number: int, measure: Callable[[Side], float]) -> dict[str, list[float]]:
    taken: dict[str, list[float]] = {side.name: [] for side in sides}
    for step in range(number):
        for offset in range(len(sides)):
            side = sides[(step + offset) % len(sides)]
            taken[side.name].append(measure(side))
    return taken


def _row(name: str, taken: dict[str, list[float]], *, added: bool, unit: str = "ms") -> str:
    middle = {side: median(values) for side, values in taken.items()}
    cells = [name, unit]
    for side in ("direct", "published", "ours"):
        value = middle.get(side)
        cells.append("" if value is None else f"{value:.2f}" if unit == "ms" else f"{value:,.0f}")
    for side in ("published", "ours"):
        show = added and side in middle
        cells.append(f"{middle[side] - middle['direct']:.2f}" if show else "")
    return f"| {' | '.join(cells)} |"


HEAD = """\
| row | unit | direct | published | ours | published adds | ours adds |
|---|---|---|---|---|---|---|"""


def latencies(sides: list[Side], number: int) -> Iterator[str]:
    """The rows of one connection."""
    clients = {side.name: Client(side.port) for side in sides}
    cases = {
        "1 KB, buffered": request(text_body(KB)),
        "200 KB, one string": request(text_body(200 * KB)),
        "200 KB, an agent's messages": request(agent_body(200 * KB)),
    }
    for name, sent in cases.items():
        for side in sides:
            for _ in range(20):
                clients[side.name].ask(sent)
        asked = _in_turn(sides, number, lambda side, sent=sent: clients[side.name].ask(sent).whole * 1e3)  # type: ignore[misc]
        yield _row(name, asked, added=True)
    sent = request(text_body(KB), streams=True)
    firsts: dict[str, list[float]] = {side.name: [] for side in sides}

    def stream(side: Side) -> float:
        timing = clients[side.name].ask(sent)
        firsts[side.name].append(timing.first * 1e3)
        return timing.whole * 1e3

    whole = _in_turn(sides, max(number // 5, 5), stream)
    yield _row("stream: the first chunk", firsts, added=True)
    yield _row("stream: all of its 100 chunks", whole, added=True)
    for client in clients.values():
        client.close()


def rates(sides: list[Side], number: int) -> Iterator[str]:
    """The rows of sixteen connections."""
    cases = {
        "1 KB, 16 connections": (request(text_body(KB)), 400),
        "200 KB of messages, 16 connections": (request(agent_body(200 * KB)), 160),
        "streams, 16 connections": (request(text_body(KB), streams=True), 48),
    }
    for name, (sent, asked) in cases.items():
        taken = _in_turn(sides, number, lambda side, sent=sent, asked=asked: rate(side.port, sent, asked))  # type: ignore[misc]
        yield _row(name, taken, added=False, unit="requests/s")


def starts(root: Path, provider: int, command: Path | None, more: str, number: int) -> str:
    """The row of start-up: from the process to the first answer of ``/healthz``."""
    taken: dict[str, list[float]] = {}
    for step in range(number):
        with gateways(root / f"start-{step}", provider, command, more) as sides:
            for side in sides[1:]:
                taken.setdefault(side.name, []).append(side.started * 1e3)
    return _row("start-up", taken, added=False)


def main() -> None:
    """Measure, and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--number", type=int, default=100, help="requests per row and side (default 100; streams a fifth)"
    )
    parser.add_argument("--rounds", type=int, default=5, help="rounds of the rows with 16 connections (default 5)")
    parser.add_argument("--starts", type=int, default=5, help="starts of each gateway (default 5)")
    parser.add_argument("--unmasked", action="store_true", help="ours masks no secrets, as the published one does not")
    options = parser.parse_args()
    more = "redact = false\n" if options.unmasked else ""
    command = published()
    against = "our side alone" if command is None else f"against nemo-relay {VERSION}"
    print(f"{describe()}; {against}; medians\n\n{HEAD}", flush=True)
    with ExitStack() as stack:
        root = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="bench-gateway-")))
        provider = subprocess.Popen([sys.executable, PROVIDER], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        assert provider.stdin is not None and provider.stdout is not None
        stack.callback(provider.wait)
        stack.callback(provider.stdin.close)
        port = int(provider.stdout.readline())
        with gateways(root / "serve", port, command, more) as sides:
            for row in (*latencies(sides, options.number), *rates(sides, options.rounds)):
                print(row, flush=True)
            memory = {side.name: [side.resident()] for side in sides[1:]}
            most = {side.name: [side.resident("VmHWM")] for side in sides[1:]}
        print(_row("memory after that", memory, added=False, unit="MB"))
        print(_row("most memory", most, added=False, unit="MB"))
        print(starts(root, port, command, more, options.starts), flush=True)


if __name__ == "__main__":
    main()
