# SPDX-License-Identifier: Apache-2.0
"""The ``skill.load`` mark: a tool call that reads a skill's instructions says so in the stream.

A skill is a folder with a ``SKILL.md`` in it. It is loaded by a tool for skills, by a tool that reads files, or by a
shell command that prints one. Only the names of skills get into the mark. ``skill_loads`` is a pure function; the
calls that matter are told apart by the tool's name first, so that all others pay for one look into a dict.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from nemo_relay._runtime.emission import emit
from nemo_relay._runtime.emission.skill_commands import files_read
from nemo_relay._runtime.log import faults
from nemo_relay._runtime.registry.registration import Audience
from nemo_relay._runtime.tree.spans import ToolHandle

HANDLED_KEY = "nemo_relay.skill_load_handled"  # metadata: the application has seen to it itself
LOADS_KEY = "nemo_relay.skill_loads"  # metadata: the application says which skills

SKILL_TOOL, STRUCTURED_READ, SHELL_READ = "skill_tool", "structured_read", "shell_read"
SOURCES = (SKILL_TOOL, STRUCTURED_READ, SHELL_READ)

_READERS = frozenset(
    [
        "read",
        "readfile",
        "readtextfile",
        "readmultiplefiles",
        "fileread",
        "readresource",
        "getfilecontents",
        "readfilecontent",
    ]
)
_SHELLS = frozenset(
    [
        "sh",
        "bash",
        "zsh",
        "fish",
        "shell",
        "shellcommand",
        "exec",
        "execcommand",
        "execute",
        "terminal",
        "runcommand",
        "runshellcommand",
        "shellexec",
        "powershell",
        "pwsh",
    ]
)
_POWERSHELLS = ("powershell", "pwsh")
_NAME_KEYS = frozenset(("skill", "skillname", "name"))
_PATH_KEYS = frozenset(("path", "filepath", "filename", "file", "paths", "uri", "absolutepath"))
_COMMAND_KEYS = frozenset(("command", "cmd"))
_PART_KEYS = frozenset(("limit", "range", "head", "tail", "startline", "endline", "linestart", "lineend"))
_MAX_CONTAINERS = 10_000

_known: dict[str, str | None] = {}  # by which source a tool of that name loads skills, if at all


def normalised(name: str) -> str:
    """``name`` without anything but ASCII letters and digits, in lower case."""
    return re.sub(r"[^0-9A-Za-z]", "", name).lower()


def source_of(tool: str) -> str | None:
    """How a tool of that name could load a skill; None for all others."""
    try:
        return _known[tool]
    except KeyError:
        if len(_known) > 4_096:
            _known.clear()
        _known[tool] = source = _classify(tool)
        return source


def _classify(tool: str) -> str | None:
    whole = normalised(tool)
    if whole in ("skill", "skillview"):
        return SKILL_TOOL
    if whole in _SHELLS:
        return SHELL_READ
    segments = [part.lower() for part in re.findall(r"[0-9A-Za-z]+", tool)]
    suffixes = ("".join(segments[start:]) for start in range(len(segments)))
    return STRUCTURED_READ if any(suffix in _READERS for suffix in suffixes) else None


def skill_loads(tool: str, args: Any, metadata: Any = None) -> list[tuple[str, str]]:
    """``(skill, source)`` of each skill that a call of ``tool`` with ``args`` loads, each name once, in order.

    >>> skill_loads("read_file", {"path": "/skills/pdf/SKILL.md"})
    [('pdf', 'structured_read')]
    """
    if isinstance(metadata, dict):
        if metadata.get(HANDLED_KEY) is True:
            return []
        if isinstance(metadata.get(LOADS_KEY), list):
            return _once(_declared(metadata[LOADS_KEY]))
    source = source_of(tool)
    if source is None:
        return []
    if source == SKILL_TOOL:
        found = _named(args)
    elif source == STRUCTURED_READ:
        found = _read(args)
    else:
        found = _printed(args, normalised(tool) in _POWERSHELLS)
    return _once((name, source) for name in found)


def _once(loads: Iterator[tuple[str, str]]) -> list[tuple[str, str]]:
    sources: dict[str, str] = {}
    for name, source in loads:
        sources.setdefault(name, source)
    return list(sources.items())


def _declared(items: list[Any]) -> Iterator[tuple[str, str]]:
    for item in items:
        if not isinstance(item, dict):
            continue
        name, source = item.get("skill_name"), item.get("source")
        if isinstance(name, str) and name.strip() and source in SOURCES:
            yield name.strip(), source


def _pairs(args: Any) -> Iterator[tuple[str, Any]]:
    """Every key, normalised, with its value, at any depth."""
    seen: set[int] = set()  # once each: names count once anyway, and a cycle ends here

    def walk(value: Any) -> Iterator[tuple[str, Any]]:
        if not isinstance(value, dict | list | tuple) or id(value) in seen or len(seen) > _MAX_CONTAINERS:
            return
        seen.add(id(value))
        if not isinstance(value, dict):
            for item in value:
                yield from walk(item)
            return
        for key, item in value.items():
            if isinstance(key, str):
                yield normalised(key), item
            yield from walk(item)

    return walk(args)


def _named(args: Any) -> Iterator[str]:
    for key, value in _pairs(args):
        if key in _NAME_KEYS and isinstance(value, str) and value.strip():
            yield value.strip()


def _read(args: Any) -> Iterator[str]:
    pairs = list(_pairs(args))
    if any(_is_partial(key, value) for key, value in pairs):
        return
    for key, value in pairs:
        if key in _PATH_KEYS:
            for path in _texts(value):
                yield from skill_of(path)


def _is_partial(key: str, value: Any) -> bool:
    """Whether the call asks for a part of the file only: that loads no skill."""
    if key == "offset":
        return not (type(value) is int and value == 0)
    return key in _PART_KEYS and value is not None


def _texts(value: Any) -> Iterator[str]:
    """The strings of a string or a list; lists in lists count too, one level."""
    for item in value if isinstance(value, list | tuple) else (value,):
        for text in item if isinstance(item, list | tuple) else (item,):
            if isinstance(text, str):
                yield text


def _printed(args: Any, powershell: bool) -> Iterator[str]:
    for key, value in _pairs(args):
        if key in _COMMAND_KEYS and isinstance(value, str):
            for path in files_read(value, powershell=powershell):
                yield from skill_of(path)


def skill_of(path: str) -> Iterator[str]:
    """The skill whose instructions ``path`` is, if it is one's: the name of the folder that holds ``SKILL.md``."""
    if path != path.strip() or path[:1] in "'\"" or path[-1:] in "'\"/\\":
        return
    parts = [part for part in re.split(r"[/\\]", path) if part]
    if len(parts) < 2 or parts[-1].lower() != "skill.md":
        return
    if parts[-2] not in (".", "..") and not parts[-2].endswith(":"):
        yield parts[-2]


def emit_skill_loads(span: ToolHandle, args: Any, ns: int, audience: Audience) -> None:
    """Emit a mark for each skill that the call loads, at the time of its start."""
    metadata = span.given_metadata
    if source_of(span.label) is None and (type(metadata) is not dict or LOADS_KEY not in metadata):
        return
    try:
        loads = skill_loads(span.label, args, metadata)
    except Exception as error:  # a container of the application that cannot be walked, or is too deep
        faults.report("skill_detection_failed", error, tool_name=span.label)
        return
    for name, source in loads:
        emit.mark(
            "skill.load",
            span,
            data={"skill_name": name},
            metadata={"skill_load_source": source, "tool_name": span.label},
            ns=ns,
            audience=audience,
        )
