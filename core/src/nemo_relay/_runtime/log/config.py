# SPDX-License-Identifier: Apache-2.0
"""What the environment and a TOML file say about the operational log, checked before anything is opened."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from nemo_relay._runtime.log.format import FORMATS
from nemo_relay._runtime.log.record import LEVELS, VARIABLES
from nemo_relay.errors import LoggingError

MAX_QUEUE = 8_192
MAX_RETAINED = 9


@dataclass(frozen=True)
class SinkSettings:
    """One log file; ``max_bytes`` None never rotates it."""

    path: str
    level: int
    format: str = "jsonl"
    queue_capacity: int = 1_024
    max_bytes: int | None = None
    retained: int = 0


@dataclass(frozen=True)
class Settings:
    """The whole log. ``flush_millis``: how often files are brought to the disk itself; 0 leaves that to the system."""

    level: int = 0
    stderr_enabled: bool = True
    stderr_format: str = "human"
    flush_millis: int = 1_000
    sinks: tuple[SinkSettings, ...] = ()


class Invalid(Exception):
    """What is wrong with a setting; becomes a LoggingError."""


def from_environment(environ: Mapping[str, str]) -> Settings:
    """The settings of ``NEMO_RELAY_LOG`` and its relatives.

    Raises:
        LoggingError: one of them is invalid (a RuntimeError).
    """
    try:
        return _from_environment({name: environ[name] for name in VARIABLES if name in environ})
    except Invalid as problem:
        raise LoggingError(str(problem)) from None


def _from_environment(given: dict[str, str]) -> Settings:
    for name, value in given.items():
        if not value:
            raise Invalid(f"invalid argument: {name} must not be empty when set")
    level, stderr, form, path = (given.get(name) for name in VARIABLES)
    if path is not None:
        if len(given) > 1:
            *others, alone = VARIABLES
            raise Invalid(f"invalid argument: {alone} cannot be combined with {' or '.join(others)}")
        return from_file(path)
    return Settings(
        level=level_of(level or "error"),
        stderr_enabled=True if stderr is None else _truth(stderr),
        stderr_format=format_of(form or "human"),
    )


def level_of(text: str) -> int:
    """The level named ``text``; blanks around it and its case do not matter."""
    name = text.strip().lower()
    if name == "warning":
        name = "warn"
    if name not in LEVELS:
        raise Invalid(f"invalid argument: invalid logging level {name!r}; expected error, warn, info, debug, or trace")
    return LEVELS.index(name)


def format_of(text: str) -> str:
    """The format named ``text``."""
    name = text.strip().lower()
    if name not in FORMATS:
        raise Invalid(f"invalid argument: invalid logging format {name!r}; expected human or jsonl")
    return name


def _truth(text: str) -> bool:
    known = {"true": True, "1": True, "false": False, "0": False}
    name = text.strip().lower()
    if name not in known:
        raise Invalid(f"invalid argument: invalid NEMO_RELAY_LOG_STDERR value {name!r}; expected true or false")
    return known[name]


def from_file(path: str) -> Settings:
    """The settings in the TOML file at ``path``."""
    document = _read(path)
    try:
        section = document.get("logging")
        if not isinstance(section, dict):
            raise Invalid("invalid argument: logging configuration requires a [logging] section")
        return _settings(section)
    except Invalid as problem:
        raise Invalid(f"invalid argument: invalid logging configuration in {path}: {problem}") from None


def _read(path: str) -> dict[str, Any]:
    import tomllib

    if not os.path.isabs(path):
        raise Invalid(f"invalid argument: logging configuration path must be absolute: {path}")
    if not path.endswith(".toml"):
        raise Invalid(f"invalid argument: logging configuration path must identify a .toml file: {path}")
    try:
        with open(path, "rb") as file:
            return tomllib.load(file)
    except OSError as error:
        reason = f"{error.strerror} (os error {error.errno})"
        raise Invalid(f"invalid argument: failed to read logging configuration {path}: {reason}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise Invalid(f"invalid argument: invalid logging configuration in {path}: TOML parse error: {error}") from None


_SECTION: dict[str, type] = {
    "level": str,
    "stderr_enabled": bool,
    "stderr_format": str,
    "flush_interval_millis": int,
    "sinks": list,
}
_SINK: dict[str, type] = {
    "path": str,
    "level": str,
    "format": str,
    "queue_capacity": int,
    "max_file_size_bytes": int,
    "retained_files": int,
}
_NOUNS = {str: "a string", bool: "a boolean", int: "an unsigned integer", list: "a sequence", dict: "a table"}


def _settings(section: dict[str, Any]) -> Settings:
    _check(section, _SECTION)
    level = level_of(section.get("level", "error"))
    sinks = tuple(_sink(item, level) for item in section.get("sinks", ()))
    seen: set[str] = set()
    for sink in sinks:
        if sink.path in seen:
            raise Invalid(f"duplicate logging sink path {sink.path}")
        seen.add(sink.path)
    return Settings(
        level=level,
        stderr_enabled=section.get("stderr_enabled", True),
        stderr_format=format_of(section.get("stderr_format", "human")),
        flush_millis=section.get("flush_interval_millis", 1_000),
        sinks=sinks,
    )


def _check(table: Any, known: dict[str, type]) -> None:
    if not isinstance(table, dict):
        raise Invalid(f"invalid type: {table!r}, expected a table")
    for name, value in table.items():
        kind = known.get(name)
        if kind is None:
            raise Invalid(f"unknown field `{name}`, expected one of {', '.join(f'`{one}`' for one in known)}")
        if type(value) is not kind or (isinstance(value, int) and value < 0):
            raise Invalid(f"invalid value for {name}: {value!r}, expected {_NOUNS[kind]}")


def _sink(table: Any, level: int) -> SinkSettings:
    _check(table, _SINK)
    path, size, retained = table.get("path"), table.get("max_file_size_bytes"), table.get("retained_files")
    queue = table.get("queue_capacity", 1_024)
    problem = _sink_problem(path, queue, size, retained)
    if problem:
        raise Invalid(f"invalid argument: logging sink {problem}")
    return SinkSettings(
        path=os.path.abspath(path),
        level=level_of(table["level"]) if "level" in table else level,
        format=format_of(table.get("format", "jsonl")),
        queue_capacity=queue,
        max_bytes=size,
        retained=retained or 0,
    )


def _sink_problem(path: str | None, queue: int, size: int | None, retained: int | None) -> str | None:
    if path is None:
        return "requires path"
    if not path.strip():
        return "path must not be empty"
    if (size is None) != (retained is None):
        return "max_file_size_bytes and retained_files must be configured together"
    if queue > MAX_QUEUE:
        return f"queue_capacity {queue} exceeds maximum {MAX_QUEUE} entries per file sink"
    if retained is not None and retained > MAX_RETAINED:
        return f"retained_files {retained} exceeds maximum {MAX_RETAINED} backup files per sink"
    for name, value in (("queue_capacity", queue), ("max_file_size_bytes", size), ("retained_files", retained)):
        if value == 0:
            return f"{name} must be greater than 0"
    return None
