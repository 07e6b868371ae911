# SPDX-License-Identifier: Apache-2.0
"""The launched process: on our terminal, with our signals, and its exit code is ours."""

from __future__ import annotations

import asyncio
import os
import signal
import sys

from nemo_relay_cli.errors import LaunchError
from nemo_relay_cli.launch import guard
from nemo_relay_cli.launch.plan import Plan

_FORWARDED = (signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT)


async def run(plan: Plan) -> int:
    """Run a plan to its end.

    Args:
        plan: what to start. Its first word is a path.

    Returns:
        The exit code; 128 and the number of the signal for a process that a signal ended.

    Raises:
        LaunchError: it cannot be started.
    """
    words = [sys.executable, "-I", "-S", guard.__file__, str(os.getpid()), *plan.argv]
    try:
        process = await asyncio.create_subprocess_exec(*words, env={**os.environ, **plan.environment})
    except OSError as error:
        raise LaunchError(f"{plan.argv[0]!r} cannot be started: {error}") from None
    loop = asyncio.get_running_loop()
    for number in _FORWARDED:
        loop.add_signal_handler(number, _pass_on, process, number)
    # Ctrl-C reaches the whole foreground group, the agent too: it decides what it means.
    loop.add_signal_handler(signal.SIGINT, _interrupted, process)
    try:
        code = await process.wait()
    finally:
        for number in (*_FORWARDED, signal.SIGINT):
            loop.remove_signal_handler(number)
    return 128 - code if code < 0 else code


def _pass_on(process: asyncio.subprocess.Process, number: signal.Signals) -> None:
    if process.returncode is None:
        process.send_signal(number)


def _interrupted(process: asyncio.subprocess.Process) -> None:
    if not _has_terminal():
        _pass_on(process, signal.SIGINT)


def _has_terminal() -> bool:
    """Whether a terminal sends its interrupts to this process group, the launched process included."""
    try:
        return os.tcgetpgrp(sys.stdin.fileno()) == os.getpgrp()
    except (OSError, ValueError):
        return False
