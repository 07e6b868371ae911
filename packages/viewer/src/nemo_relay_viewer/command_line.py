# SPDX-License-Identifier: Apache-2.0
"""`python -m nemo_relay_viewer COMMAND FILE`; without a command the tree of a run is printed."""

import argparse
import sys
from collections.abc import Sequence
from importlib import import_module
from keyword import iskeyword
from types import ModuleType

from .commands import SUMMARIES

_PROGRAM = "python -m nemo_relay_viewer"
_HELP = ("-h", "--help")


def main(arguments: Sequence[str] | None = None, *, program: str = _PROGRAM) -> int:
    """Run the command line.

    Args:
        arguments: those of the process when left out.
        program: how the help calls the command.

    Returns:
        The exit code: 2 for a file that cannot be used.
    """
    given = list(sys.argv[1:] if arguments is None else arguments)
    if given[:1] and given[0] in _HELP:
        print(_overview(program))
        return 0
    name = given.pop(0) if given[:1] and given[0] in SUMMARIES else "show"
    try:
        command = _command(name)
    except ImportError as error:  # a distribution that the command needs
        print(f"nemo_relay_viewer: {error}", file=sys.stderr)
        return 2
    parser = argparse.ArgumentParser(prog=f"{program} {name}", description=command.__doc__)
    command.add(parser)
    try:
        code: int = command.run(parser.parse_args(given))
    except (OSError, ValueError, ImportError) as error:
        print(f"nemo_relay_viewer: {_described(error)}", file=sys.stderr)
        return 2
    return code


def _command(name: str) -> ModuleType:
    return import_module(f".commands.{name}_" if iskeyword(name) else f".commands.{name}", __package__)


def _overview(program: str) -> str:
    lines = [f"usage: {program} [COMMAND] [FILE] ...", "", *(f"  {name:<9} {text}" for name, text in SUMMARIES.items())]
    return "\n".join([*lines, "", f"{program} COMMAND --help tells the rest. Without a command the tree is printed."])


def _described(error: Exception) -> str:
    if isinstance(error, FileNotFoundError):
        return f"there is no file {error.filename!r}. Record a run first, or name its events.jsonl."
    if isinstance(error, OSError):
        return f"cannot use {error.filename!r}: {error.strerror}"
    return str(error)
