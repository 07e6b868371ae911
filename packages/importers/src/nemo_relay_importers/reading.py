# SPDX-License-Identifier: Apache-2.0
"""Which reader a file wants, and the reading."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

from nemo_relay_projections.facts import mapping

from .report import ImportReport
from .sources import document, records

_READERS = {
    "atof": "atof",
    "atif": "atif",
    "claude-code": "claude_code",
    "codex": "codex",
    "otlp-json": "spans",
    "phoenix": "spans",
    "mlflow": "spans",
    "langsmith": "langsmith",
}
FORMATS = ("auto", *_READERS)
_LOOKED_AT = 20  # records


class UnknownFormat(ValueError):
    """Nobody here reads that; the message says what is read."""


def read(
    path: str | os.PathLike[str], format: str = "auto", *, report: ImportReport | None = None
) -> Iterator[dict[str, Any]]:
    """Read what another tool wrote as ATOF events.

    Their uuids are made from the ids of the source, so that importing twice gives the same events. Transcripts are read
    line by line; spans and runs, which come in any order, are held in memory.

    Args:
        path: the file. Transcripts of subagents are found beside that of their session.
        format: one of ``FORMATS``; ``auto`` looks at the first records.
        report: gets what was read and what was not understood.

    Returns:
        The events, parents before what is below them.

    Raises:
        UnknownFormat: the format is none, or the file of none that is read (a ValueError).
        OSError: the file cannot be read.

    Example:
        >>> import tempfile
        >>> line = '{"type": "user", "sessionId": "s", "timestamp": "2026-01-01T00:00:00Z", "message": {}}'
        >>> with tempfile.NamedTemporaryFile("w", suffix=".jsonl") as file:
        ...     _ = file.write(line)
        ...     file.flush()
        ...     [event["name"] for event in read(file.name)]
        ['claude-code', 'claude-code']
    """
    if format not in FORMATS:
        raise UnknownFormat(f"format must be one of {', '.join(FORMATS)}, not {format!r}")
    source, findings = Path(path), report if report is not None else ImportReport()
    findings.format = _format_of(source) if format == "auto" else format
    reader: Callable[[Path, ImportReport], Iterator[dict[str, Any]]]
    reader = import_module(f".{_READERS[findings.format]}", __package__).read
    return reader(source, findings)


def _format_of(path: Path) -> str:
    for number, record in enumerate(records(path, ImportReport())):
        if found := _kind(record):
            return found
        if number >= _LOOKED_AT:
            break
    try:
        whole = document(path)
    except ValueError:
        whole = None
    first = whole[0] if isinstance(whole, list) and whole else whole
    if found := _kind(dict(mapping(first))):
        return found
    raise UnknownFormat(f"{os.fspath(path)!r} is of no format that is read: {', '.join(_READERS)}")


def _kind(record: dict[str, Any]) -> str | None:
    if record.get("kind") in ("scope", "mark"):
        return "atof"
    if record.get("type") == "session_meta" and "payload" in record:
        return "codex"
    if "sessionId" in record and "type" in record:
        return "claude-code"
    if "resourceSpans" in record or ("spans" in record and "info" in record):
        return "otlp-json"
    if str(record.get("schema_version", "")).startswith("ATIF") and "steps" in record:
        return "atif"
    if "run_type" in record or "runs" in record:
        return "langsmith"
    if "context" in record and "span_id" in mapping(record["context"]):
        return "phoenix"
    return None
