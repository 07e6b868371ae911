# SPDX-License-Identifier: Apache-2.0
"""The runs in a file of events: a session of an agent is one, and so are calls that follow each other without one."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from nemo_relay.tree import Forest, Node
from nemo_relay_viewer import load


@dataclass(frozen=True)
class Recorded:
    """One run.

    Args:
        file: where it is.
        roots: what it is made of.
    """

    file: Path
    roots: list[Node]

    @property
    def name(self) -> str:
        """What it is a run of."""
        names = dict.fromkeys(root.name for root in self.roots)
        return ", ".join(names) if len(names) < 3 else f"{len(self.roots)} calls"

    @property
    def status(self) -> str:
        """Of several roots, the worst."""
        found = {root.status for root in self.roots}
        return next((status for status in ("open", "error", "cancelled") if status in found), "ok")

    def forest(self) -> Forest:
        """Its trees alone."""
        return Forest(roots=self.roots, nodes={node.uuid: node for root in self.roots for node in root.walk()})

    def summary(self) -> dict[str, Any]:
        """It in a few facts. Times are ISO 8601, durations milliseconds."""
        start, end = self.roots[0].time_ns, self.roots[-1].end_ns
        nodes = [node for root in self.roots for node in root.walk()]
        return {
            "file": str(self.file),
            "name": self.name,
            "status": self.status,
            "started": None if start is None else _time(start),
            "duration_ms": None if start is None or end is None else round((end - start) / 1e6, 3),
            "llm_calls": sum(node.category == "llm" for node in nodes),
            "tool_calls": sum(node.category == "tool" for node in nodes),
            "tokens": sum(root.total_tokens().total or 0 for root in self.roots),
        }


def runs_in(file: Path) -> list[Recorded]:
    """The runs of a file, in the order in which they began.

    Args:
        file: the file of events.

    Raises:
        OSError: it cannot be read.
        ValueError: there is no event in it.
    """
    return [Recorded(file, roots) for roots in _grouped(load(file).roots)]


def _grouped(roots: list[Node]) -> Iterator[list[Node]]:
    loose: list[Node] = []
    for root in roots:
        if root.category == "agent":
            if loose:
                yield loose
            loose = []
            yield [root]
        else:
            loose.append(root)
    if loose:
        yield loose


def as_json(node: Node) -> dict[str, Any]:
    """A tree for a machine. Times are ISO 8601, durations milliseconds.

    Args:
        node: its root.

    Returns:
        The node, with its ``marks`` and ``children``.
    """
    return {
        "uuid": node.uuid,
        "name": node.name,
        "category": node.category,
        "status": node.status,
        "outcome": node.outcome,
        "error": node.error,
        "model": node.model,
        "started": None if node.start_ns is None else _time(node.start_ns),
        "duration_ms": None if node.duration_ns is None else round(node.duration_ns / 1e6, 3),
        "tokens": node.tokens.total if node.tokens else None,
        "input": node.input,
        "output": node.output,
        "marks": [{"name": mark.name, "data": mark.data} for mark in node.marks],
        "children": [as_json(child) for child in node.children],
    }


def _time(ns: int) -> str:
    return datetime.fromtimestamp(ns / 1e9).astimezone().isoformat(timespec="milliseconds")
