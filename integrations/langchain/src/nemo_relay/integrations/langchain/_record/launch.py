# SPDX-License-Identifier: Apache-2.0
"""Recording a program without a line in it: ``python -m nemo_relay.integrations.langchain run app.py``.

The program, and every Python that it starts, gets a start-up module that reads the environment:
``NEMO_RELAY_INSTRUMENT`` names the frameworks, ``NEMO_RELAY_RECORD`` the directory for the events.
"""

from __future__ import annotations

import argparse
import importlib
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from nemo_relay.integrations.langchain._record.instrument import VARIABLE, is_adapter, wanted

RECORD = "NEMO_RELAY_RECORD"
_BOOTSTRAP = str(Path(__file__).parent / "bootstrap")
_DEFAULT = "langchain"


def start() -> None:
    """Turn on what the environment of this process asks for. A framework that cannot be had is named on stderr."""
    directory = os.environ.get(RECORD)
    if directory:
        from nemo_relay.recording import record

        record(directory, warn_if_empty=False)  # many a process of a program runs no agent
    for name in filter(is_adapter, wanted()):
        try:
            adapter = importlib.import_module(f"nemo_relay.integrations.{name}")
            if not hasattr(adapter, "instrument"):
                raise ImportError("its adapter has nothing to instrument")
        except ImportError as error:
            sys.stderr.write(f"{VARIABLE}: {name!r} is not recorded: {error}\n")


def environment(frameworks: str | None, directory: str | None) -> dict[str, str]:
    """The environment of a program that is to be recorded.

    Args:
        frameworks: names with commas between them; None for those that this process was started with.
        directory: where its events go; None leaves that to the program.
    """
    found = dict(os.environ)
    found[VARIABLE] = frameworks or found.get(VARIABLE) or _DEFAULT
    if directory is not None:
        found[RECORD] = os.path.abspath(directory)
    paths = [path for path in found.get("PYTHONPATH", "").split(os.pathsep) if path and path != _BOOTSTRAP]
    found["PYTHONPATH"] = os.pathsep.join([_BOOTSTRAP, *paths])
    return found


def command(words: Sequence[str]) -> list[str]:
    """The words of the program's command line: scripts and ``-m module`` run on this Python, the rest as they are."""
    return [sys.executable, *words] if words[0] == "-m" or words[0].endswith(".py") else list(words)


def _parted(words: Sequence[str]) -> tuple[list[str], list[str]]:
    """Our own words, and those of the program: from the first one behind ``run`` that is no option of ours."""
    place = 1
    while place < len(words) and words[place].startswith("--") and words[place] != "--":
        place += 1 if "=" in words[place] or words[place] == "--help" else 2
    return list(words[:place]), list(words[place + (words[place : place + 1] == ["--"]) :])


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line; replaces this process with the program."""
    parser = argparse.ArgumentParser(
        prog="python -m nemo_relay.integrations.langchain",
        description="Run a program with its LangChain and LangGraph runs recorded, without changing it.",
    )
    commands = parser.add_subparsers(dest="command", required=True)
    run = commands.add_parser("run", help="run a script, a module (-m name) or a command")
    run.add_argument("--instrument", metavar="NAMES", help=f"frameworks, as in {VARIABLE}; by default {_DEFAULT}")
    run.add_argument("--record", metavar="DIRECTORY", help="write events and trajectories there")
    run.add_argument("program", nargs="*", help="the program and its arguments")
    own, words = _parted(sys.argv[1:] if arguments is None else arguments)
    given = parser.parse_args(own)
    if not words:
        run.error("name the program to run, as in: run app.py")
    found = command(words)
    try:
        os.execvpe(found[0], found, environment(given.instrument, given.record))
    except OSError as error:
        run.error(f"{found[0]!r} cannot be run: {error.strerror}")
