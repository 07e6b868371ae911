# SPDX-License-Identifier: Apache-2.0
"""The trees of a file on disk."""

import os
from pathlib import Path

from nemo_relay.atof import emitted_lines
from nemo_relay.tree import Forest, build


def emitted(line: bytes, path: str | os.PathLike[str]) -> bytes:
    """A line of the file as it was emitted; a large text that is not there any more shows as the reference to it."""
    return next(emitted_lines([line], Path(path).parent, lambda _gone: None))


def load(path: str | os.PathLike[str]) -> Forest:
    """Read an ATOF file, for `render` and `export_svg`. Lines that cannot be read are counted, not fatal.

    Args:
        path: the `events.jsonl` of a recorded run, which may still be going on.

    Raises:
        OSError: the file cannot be read.
        ValueError: there is no event in it.

    Example:
        >>> import json, tempfile
        >>> event = {"kind": "scope", "scope_category": "start", "uuid": "1", "name": "planner"}
        >>> with tempfile.NamedTemporaryFile("w", suffix=".jsonl") as file:
        ...     _ = file.write(json.dumps(event) + "\\n")
        ...     file.flush()
        ...     [node.name for node in load(file.name).roots]
        ['planner']
    """
    with Path(path).open("rb") as lines:
        forest = build(emitted(line, path) for line in lines)
    if not forest.nodes and not forest.marks:
        count = len(forest.unreadable)
        what = f"none of its {count} lines is an event" if count else "it is empty"
        raise ValueError(f"{os.fspath(path)!r} is no ATOF file: {what}. Give the events.jsonl of a recorded run.")
    return forest
