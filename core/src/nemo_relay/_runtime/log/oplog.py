# SPDX-License-Identifier: Apache-2.0
"""The runtime's own log: what operators read about the runtime itself. It has nothing to do with events.

Configured once, when the package is imported, from the environment (see ``nemo_relay.logs``). With nothing set, records
at level error go to standard error; no file is open, no thread runs and nothing more than this module is loaded.
"""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING, Any

from nemo_relay._runtime.log import faults
from nemo_relay._runtime.log.record import ERROR, INFO, VARIABLES, Output, Record

if TYPE_CHECKING:
    from nemo_relay._runtime.log.config import Settings

EXIT_SECONDS = 2.0  # how long an exiting process waits for its log files
outputs: tuple[Output, ...] | None = None  # None: standard error, made with the first record
threshold = ERROR  # the level of the most talkative output
_root: tuple[int, str] = (0, "")


def error(event: str, message: str, **fields: object) -> None:
    """Write one record of the runtime at level error."""
    emit(ERROR, "nemo_relay.runtime", event, message, fields)


def info(event: str, message: str, target: str, **fields: object) -> None:
    """Write one record of the runtime at level info."""
    emit(INFO, target, event, message, fields)


def emit(level: int, target: str, event: str, message: str, fields: dict[str, Any]) -> None:
    """Write one record to every output whose level lets it through."""
    if level > threshold:
        return
    record = Record(time.time_ns(), level, target, event, _copied(fields), message, root_id())
    for output in outputs if outputs is not None else _defaults():
        if level <= output.level:
            output.write(record)


def root_id() -> str:
    """The identifier of this process in the log; a forked child has its own."""
    global _root
    pid = os.getpid()
    if _root[0] != pid:
        from nemo_relay._runtime import ids

        _root = (pid, ids.uuid7(time.time_ns()))
    return _root[1]


def start() -> None:
    """Read the environment.

    Raises:
        LoggingError: a setting is invalid or a file cannot be opened (a RuntimeError).
    """
    if any(name in os.environ for name in VARIABLES):
        from nemo_relay._runtime.log import config

        configure(config.from_environment(os.environ))


def configure(settings: Settings) -> None:
    """Log as ``settings`` say, from now until the process exits."""
    import atexit

    from nemo_relay._runtime.log import outputs as logsinks

    install(logsinks.build(settings))
    files = len(settings.sinks)
    info("logging_initialized", "Operational logging initialized", "nemo_relay.logging", file_sink_count=files)
    atexit.register(shutdown)


def install(new: tuple[Output, ...]) -> None:
    """Write to ``new`` instead of what there was."""
    global outputs, threshold
    outputs = new
    threshold = max((output.level for output in new), default=-1)


def current() -> tuple[Output, ...]:
    """Where records go now."""
    return outputs if outputs is not None else _defaults()


def shutdown() -> None:
    """Say so in the log, and bring the files up to date. What is logged later is written at once."""
    info("logging_shutdown_started", "Operational logging shutdown started", "nemo_relay.logging")
    deadline = time.monotonic() + EXIT_SECONDS
    for output in outputs or ():
        output.close(max(0.0, deadline - time.monotonic()))


def _copied(fields: dict[str, Any]) -> dict[str, Any]:
    from nemo_relay_records.encoding import decode, encode

    copy: dict[str, Any] = decode(encode(fields)) if fields else {}
    return copy


def _defaults() -> tuple[Output, ...]:
    from nemo_relay._runtime.log import format as logformat
    from nemo_relay._runtime.log import outputs as logsinks

    install((logsinks.StderrOutput(ERROR, logformat.human),))
    return outputs or ()


faults.log_with(error)
