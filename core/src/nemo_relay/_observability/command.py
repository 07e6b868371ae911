# SPDX-License-Identifier: Apache-2.0
"""``python -m nemo_relay.convert``: a file of events into trajectories and spans."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from typing import Any

Convert = Callable[..., Any]


def main(to_atif: Convert, to_spans: Convert, arguments: list[str] | None = None) -> int:
    """Run the command with the functions of ``nemo_relay.convert``; 0 when everything was converted."""
    parser = argparse.ArgumentParser(prog="python -m nemo_relay.convert", description=__doc__)
    parser.add_argument("events", help="the ATOF file")
    parser.add_argument("--atif", metavar="DIRECTORY", help="write the trajectory of every session into it")
    parser.add_argument("--filename-template", help="names of the trajectories, with {session_id}")
    parser.add_argument("--spans", metavar="ENDPOINT", help="send spans to this OTLP endpoint")
    parser.add_argument("--spans-file", metavar="DIRECTORY", help="write spans into a file in this directory")
    parser.add_argument("--type", default="openinference", choices=("full", "gen_ai", "openinference"))
    given = parser.parse_args(arguments)
    if not (given.atif or given.spans or given.spans_file):
        parser.error("say what to make: --atif, --spans or --spans-file")
    try:
        atif = _atif(given, to_atif) if given.atif else 0
        return max(atif, _spans(given, to_spans) if given.spans or given.spans_file else 0)
    except (RuntimeError, ValueError, ImportError, TimeoutError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1


def _atif(given: Any, to_atif: Convert) -> int:
    made = to_atif(given.events, given.atif, filename_template=given.filename_template)
    print(f"{made.count} trajectories in {given.atif}, from {made.events} events")
    if made.torn:
        print(f"warning: {made.torn} lines are no events; a crash tore them", file=sys.stderr)
    if made.missing:
        print(f"warning: {made.missing} large texts are not in blobs/ any more", file=sys.stderr)
    for session, error in made.failed.items():
        print(f"error: session {session}: {error}", file=sys.stderr)
    return int(bool(made.failed))


def _spans(given: Any, to_spans: Convert) -> int:
    section: dict[str, Any] = {}
    if given.spans:
        section["traces"] = [{"type": given.type, "endpoint": given.spans}]
    if given.spans_file:
        section["file_sinks"] = [{"type": given.type, "output_directory": given.spans_file}]
    lost = 0
    for destination, counters in to_spans(given.events, section).items():
        print(f"{destination}: {counters}")
        lost += counters.dropped
    return int(bool(lost))
