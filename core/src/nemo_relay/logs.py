# SPDX-License-Identifier: Apache-2.0
"""The operational log: what operators read about the runtime and about the program around it. It is no event stream.

``nemo_relay.info("started", target="worker", fields={"queue": 3})`` writes to the same log as the runtime itself,
under the target ``nemo_relay.python.worker``. What becomes of a record is settled when the package is imported:

* ``NEMO_RELAY_LOG``: ``error`` (the default), ``warn``, ``info``, ``debug`` or ``trace``;
* ``NEMO_RELAY_LOG_STDERR``: ``true`` or ``false``;
* ``NEMO_RELAY_LOG_STDERR_FORMAT``: ``human`` or ``jsonl``;
* ``NEMO_RELAY_LOG_CONFIG_PATH``: instead of the three above, a TOML file that may also name log files.

A setting that is invalid makes the import fail with a ``LoggingError`` (a RuntimeError) that says which.

In the human form line breaks and control characters are escaped, and a value that could be taken for something else
(it has blanks, quotes or an equals sign, or is empty) is quoted, so that nobody can forge a record or a field by what
they let the program log. None is ``null`` in both forms.

>>> import nemo_relay
>>> nemo_relay.debug("not shown at the default level", fields={"attempt": 1})
"""

from __future__ import annotations

from typing import Any

from nemo_relay._runtime.checks import expect_text
from nemo_relay._runtime.log import faults, oplog, record
from nemo_relay.errors import InvalidArgument

__all__ = ["debug", "error", "info", "log", "report", "trace", "use_logging", "warn"]


def log(level: str, message: str, *, target: str = "", fields: dict[str, Any] | None = None) -> None:
    """Write one record.

    Args:
        level: ``error``, ``warn`` (or ``warning``), ``info``, ``debug`` or ``trace``, in any case.
        message: free text.
        target: which part of the program speaks; shown below ``nemo_relay.python``.
        fields: structured values. The key ``event`` names the kind of record, the key ``message`` is dropped.

    Raises:
        InvalidArgument: there is no such level (a RuntimeError).
        TypeError: an argument has the wrong type.
    """
    _write(_level(level), message, target, fields)


def _level(level: str) -> int:
    expect_text(level)
    name = level.strip().lower()
    if name == "warning":
        name = "warn"
    if name not in record.LEVELS:
        raise InvalidArgument("invalid log level")
    return record.LEVELS.index(name)


def use_logging(level: str = "info", *, keep: bool = False) -> None:
    """Send the operational log through Python's standard ``logging``, to loggers named after the target of a record.

    What the runtime says is then under ``nemo_relay.runtime``, what adapters say under theirs, what ``log`` says under
    ``nemo_relay.python``; handlers, filters and levels are those of the application.

    Args:
        level: the most talkative level that is passed on.
        keep: also write where the log went before.

    Raises:
        InvalidArgument: there is no such level (a RuntimeError).

    >>> import logging, nemo_relay.logs
    >>> logging.getLogger("nemo_relay").addHandler(logging.NullHandler())
    >>> nemo_relay.logs.use_logging("warn")
    """
    from nemo_relay._runtime.log.outputs import LoggingOutput

    bridge = LoggingOutput(_level(level))
    before = tuple(output for output in oplog.current() if not isinstance(output, LoggingOutput)) if keep else ()
    oplog.install((*before, bridge))


def trace(message: str, *, target: str = "", fields: dict[str, Any] | None = None) -> None:
    """Write one record at level trace.

    Args:
        message: free text.
        target: which part of the program speaks; shown below ``nemo_relay.python``.
        fields: structured values, as for ``log``.
    """
    _write(record.TRACE, message, target, fields)


def debug(message: str, *, target: str = "", fields: dict[str, Any] | None = None) -> None:
    """Write one record at level debug.

    Args:
        message: free text.
        target: which part of the program speaks; shown below ``nemo_relay.python``.
        fields: structured values, as for ``log``.
    """
    _write(record.DEBUG, message, target, fields)


def info(message: str, *, target: str = "", fields: dict[str, Any] | None = None) -> None:
    """Write one record at level info.

    Args:
        message: free text.
        target: which part of the program speaks; shown below ``nemo_relay.python``.
        fields: structured values, as for ``log``.
    """
    _write(record.INFO, message, target, fields)


def warn(message: str, *, target: str = "", fields: dict[str, Any] | None = None) -> None:
    """Write one record at level warn.

    Args:
        message: free text.
        target: which part of the program speaks; shown below ``nemo_relay.python``.
        fields: structured values, as for ``log``.
    """
    _write(record.WARN, message, target, fields)


def error(message: str, *, target: str = "", fields: dict[str, Any] | None = None) -> None:
    """Write one record at level error.

    Args:
        message: free text.
        target: which part of the program speaks; shown below ``nemo_relay.python``.
        fields: structured values, as for ``log``.
    """
    _write(record.ERROR, message, target, fields)


def report(event: str, failure: BaseException, **fields: object) -> None:
    """Tell of a failure that must not reach the application: it is counted, and logged once for its kind.

    Args:
        event: which failure it is; shown as the record's ``event``.
        failure: what was raised. Another type of error under the same ``event`` is another kind.
        **fields: what it happened to. Other values are another kind.
    """
    faults.report(event, failure, **fields)


def _write(level: int, message: str, target: str, fields: dict[str, Any] | None) -> None:
    expect_text(message)
    expect_text(target)
    if fields is not None and not isinstance(fields, dict):
        raise TypeError("log fields must be an object")
    if level > oplog.threshold:
        return
    rest = dict(fields or {})
    event = rest.pop("event", "")
    rest.pop("message", None)
    where = f"nemo_relay.python.{target}" if target else "nemo_relay.python"
    oplog.emit(level, where, event if isinstance(event, str) else _text(event), message, rest)


def _text(value: object) -> str:
    from nemo_relay_records.encoding import encode

    return encode(value).decode()
