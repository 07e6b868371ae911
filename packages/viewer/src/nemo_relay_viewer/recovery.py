# SPDX-License-Identifier: Apache-2.0
"""A file whose program was killed, made whole: its torn tail cut off, its open scopes ended as abandoned."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from .index import heads
from .loading import emitted

_KEPT = ("atof_version", "attributes", "category", "kind", "name", "parent_uuid", "propagation_root_uuid", "uuid")
ABANDONED = "abandoned"


@dataclass(slots=True)
class RecoveryReport:
    """What was found and done.

    Attributes:
        out: the file that is whole.
        events: events that were taken over.
        unreadable: lines in the middle that are no events; they are taken over as they are.
        abandoned: names of the scopes that were ended, the innermost first.
        torn: bytes of a torn last line, in ``torn_path``.
        torn_path: where they are; None when there were none.
    """

    out: Path
    events: int = 0
    unreadable: int = 0
    abandoned: list[str] | None = None
    torn: int = 0
    torn_path: Path | None = None


def recover(path: str | os.PathLike[str], out: str | os.PathLike[str] | None = None) -> RecoveryReport:
    """Write a whole file beside one whose program was killed; the file itself stays as it is.

    A scope that did not end gets an end event with the outcome ``abandoned``, at the time of the last event of it or
    below it. A torn last line goes to ``OUT.torn``. It takes one pass, and memory for the scopes that are open at
    one time.

    Args:
        path: an ATOF file.
        out: the new file; by default ``NAME.recovered.jsonl`` beside it.

    Returns:
        What was done.

    Raises:
        OSError: a file cannot be read or written.
        ValueError: ``out`` is the file itself.

    Example:
        >>> folder = Path(tempfile.mkdtemp())
        >>> start = '{"kind": "scope", "scope_category": "start", "uuid": "1", "name": "a"}'
        >>> _ = (folder / "run.jsonl").write_text(start + '\\n{"ki')
        >>> report = recover(folder / "run.jsonl")
        >>> report.events, report.abandoned, report.torn
        (1, ['a'], 4)
    """
    source = Path(path)
    target = Path(out) if out is not None else source.with_name(f"{source.stem}.recovered.jsonl")
    if target.exists() and target.samefile(source):
        raise ValueError(f"{os.fspath(path)!r} would be written over itself: name another file")
    report = RecoveryReport(target, abandoned=[])
    with source.open("rb") as lines, tempfile.NamedTemporaryFile(dir=target.parent, delete=False) as whole:
        try:
            _take_over(lines, whole, report, source)
        except BaseException:
            os.unlink(whole.name)
            raise
    os.replace(whole.name, target)
    return report


class _Open:
    """A scope that has not ended: where its start is, and when it was last heard of."""

    __slots__ = ("at", "last", "length", "parent", "stamp")

    def __init__(self, head: heads.Head, at: int, length: int) -> None:
        self.at, self.length, self.parent = at, length, head.parent_uuid
        self.last, self.stamp = heads.nanoseconds(head.timestamp) or 0, head.timestamp


def _take_over(lines: IO[bytes], whole: IO[bytes], report: RecoveryReport, source: Path) -> None:
    opened: dict[str, _Open] = {}
    at = 0
    for line in lines:
        head = heads.read(line)
        if head is None and not line.endswith(b"\n"):
            _cut(line, report)
            break
        whole.write(emitted(line if line.endswith(b"\n") else line + b"\n", source))  # it stands by itself
        if head is not None:
            report.events += 1
            _note(opened, head, at, len(line))
        elif line.strip():
            report.unreadable += 1
        at += len(line)
    for event in _ends(lines, opened):
        assert report.abandoned is not None
        report.abandoned.append(str(event.get("name", "")))
        whole.write(
            json.dumps(event, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "surrogatepass") + b"\n"
        )


def _cut(line: bytes, report: RecoveryReport) -> None:
    report.torn, report.torn_path = len(line), report.out.with_name(f"{report.out.name}.torn")
    report.torn_path.write_bytes(line)


def _note(opened: dict[str, _Open], head: heads.Head, at: int, length: int) -> None:
    if head.kind == "scope" and head.scope_category == "end":
        opened.pop(head.uuid, None)
    elif head.kind == "scope":
        opened.setdefault(head.uuid, _Open(head, at, length))
    time = heads.nanoseconds(head.timestamp) or 0
    above, seen = head.parent_uuid, set()
    while isinstance(above, str) and above in opened and above not in seen:
        seen.add(above)
        scope = opened[above]
        if time >= scope.last:
            scope.last, scope.stamp = time, head.timestamp
        above = scope.parent


def _ends(lines: IO[bytes], opened: dict[str, _Open]) -> Iterator[dict[str, Any]]:
    """End events, the innermost scopes first: a scope starts before those in it."""
    for scope in reversed(opened.values()):
        lines.seek(scope.at)
        start = heads.decoded(lines.read(scope.length))
        metadata = start.get("metadata")
        yield {
            **{key: start[key] for key in _KEPT if key in start},
            "scope_category": "end",
            "timestamp": scope.stamp,
            "data": None,
            "metadata": {**(metadata if isinstance(metadata, dict) else {}), "relay.outcome": ABANDONED},
        }
