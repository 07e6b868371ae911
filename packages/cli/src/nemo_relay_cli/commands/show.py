# SPDX-License-Identifier: Apache-2.0
"""``nemo-relay show``: a recorded run as a tree."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import click
from rich.console import Console
from rich.live import Live
from rich.table import Table
from rich.text import Text

from nemo_relay_cli.errors import CommandError
from nemo_relay_cli.recorded import files
from nemo_relay_cli.runs import Recorded, as_json, runs_in
from nemo_relay_viewer import load, render

_SECONDS = 0.3  # between two looks at a growing file
_SLOW = 8 * 1024 * 1024  # bytes from which reading a file takes long enough to say so


@click.command("show")
@click.argument("path", required=False, type=click.Path(path_type=Path))
@click.option("--list", "listed", is_flag=True, help="List the runs, the newest first, instead of showing one.")
@click.option("--run", "number", type=int, default=1, metavar="N", help="Show the N-th newest run of that list.")
@click.option("--follow", "-f", is_flag=True, help="Print what happens while it happens, until the run has ended.")
@click.option("--json", "is_json", is_flag=True, help="For a machine; with --follow the events, one a line.")
@click.option("--full", is_flag=True, help="All runs of the file, what frameworks do for themselves, and every mark.")
def show_command(path: Path | None, listed: bool, number: int, follow: bool, is_json: bool, full: bool) -> None:
    """Show a run: PATH is a file of events, or a folder of them; the newest run of this project when left out."""
    found = files(path)
    try:
        if follow:
            _follow(found[0], is_json)
        elif listed:
            _list(found, is_json)
        elif full and not is_json:
            render(load(found[0]), everything=True)
        else:
            _show(_chosen(found, number), is_json)
    except (OSError, ValueError) as error:
        raise CommandError(f"{found[0]}: {error}") from None
    except KeyboardInterrupt:
        sys.exit(130)


def _show(run: Recorded, is_json: bool) -> None:
    if is_json:
        roots = [as_json(root) for root in run.roots]
        click.echo(json.dumps({**run.summary(), "roots": roots}, ensure_ascii=False))
    else:
        render(run.forest())


def _chosen(found: list[Path], number: int) -> Recorded:
    """The N-th newest run."""
    left = number
    for file in found:
        runs = _read(file)
        if 0 < left <= len(runs):
            return runs[-left]
        left -= len(runs)
    raise CommandError(f"there is no run {number}; see `nemo-relay show --list`")


def _read(file: Path) -> list[Recorded]:
    console = Console(stderr=True)
    if console.is_terminal and file.stat().st_size >= _SLOW:
        with console.status(f"reading {file}"):
            return runs_in(file)
    return runs_in(file)


def _list(found: list[Path], is_json: bool) -> None:
    runs = [run.summary() for file in found for run in reversed(_read(file))]
    if is_json:
        click.echo(json.dumps(runs, ensure_ascii=False))
        return
    table = Table(box=None, pad_edge=False)
    for name in ("#", "started", "took", "status", "calls", "tokens", "run", "file"):
        table.add_column(name, justify="right" if name in ("#", "took", "tokens") else "left", overflow="fold")
    for number, run in enumerate(runs, 1):
        took = "" if run["duration_ms"] is None else f"{run['duration_ms'] / 1000:.1f} s"
        calls = f"{run['llm_calls']} LLM, {run['tool_calls']} tool"
        started = (run["started"] or "")[:19].replace("T", " ")
        table.add_row(str(number), started, took, run["status"], calls, f"{run['tokens']:,}", run["name"], run["file"])
    console = Console()
    if not console.is_terminal:
        console.width = 1000  # a pipe has no width: a line stays one
    console.print(table, highlight=False)


def _follow(file: Path, is_json: bool) -> None:
    """The last run as it grows: redrawn on a terminal, line by line elsewhere."""
    if is_json:
        for line in _lines(file):
            click.echo(line)
        return
    if not Console().is_terminal:
        for text in _happenings(_lines(file)):
            click.echo(text)
        return
    with Live(auto_refresh=False, vertical_overflow="visible") as live:
        while True:
            run = runs_in(file)[-1]
            console = Console(width=live.console.width, force_terminal=True)
            with console.capture() as captured:
                render(run.forest(), console)
            live.update(Text.from_ansi(captured.get()), refresh=True)
            if run.status != "open":
                return
            time.sleep(_SECONDS)


def _lines(file: Path) -> Iterator[str]:
    """The lines of a file as they come, until nothing that it started is open."""
    opened: set[str] = set()
    seen = False
    with file.open(encoding="utf-8", errors="replace") as events:
        rest = ""
        while True:
            piece = events.readline()
            if not piece.endswith("\n"):
                if seen and not opened and not piece:
                    return
                rest += piece
                time.sleep(_SECONDS)
                continue
            line, rest = rest + piece, ""
            seen = _account(line, opened) or seen
            yield line.rstrip("\n")


def _account(line: str, opened: set[str]) -> bool:
    try:
        event = json.loads(line)
        phase, uuid = event.get("scope_category"), event.get("uuid")
    except (ValueError, AttributeError):
        return False
    if phase == "start":
        opened.add(uuid)
    elif phase == "end":
        opened.discard(uuid)
    return True


def _happenings(lines: Iterator[str]) -> Iterator[str]:
    """One line of text for each start and each end, indented as in the tree."""
    depths: dict[str, int] = {}
    for line in lines:
        try:
            event = json.loads(line)
            phase = event.get("scope_category")
        except (ValueError, AttributeError):
            continue
        if phase == "start":
            depth = depths[event["uuid"]] = depths.get(event.get("parent_uuid"), -1) + 1
            yield f"{'  ' * depth}{event.get('category')} {event.get('name')}"
        elif phase == "end":
            failed = (event.get("metadata") or {}).get("otel.status_code") == "ERROR"
            depth = depths.get(event["uuid"], 0)
            yield f"{'  ' * depth}{event.get('category')} {event.get('name')} {'failed' if failed else 'done'}"
