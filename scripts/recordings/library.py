# SPDX-License-Identifier: Apache-2.0
"""The folder of cassettes: recording it anew, and its manifest."""

from __future__ import annotations

import asyncio
import hashlib
import json
import shutil
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Any

from nemo_relay.testing import check_lifecycles
from workspace import ROOT

from . import tape
from .golden import Golden, difference, golden
from .stage import MODES, Act, acts, record, replay

CASSETTE, TREE, EVENTS = "cassette.yaml", "tree.golden", "events.golden"
MANIFEST = "manifest.json"
MADE_BY = "make cassettes"
_CLIENTS = {"openai": ("langchain-openai", "openai"), "anthropic": ("langchain-anthropic", "anthropic")}
_FRAMEWORKS = ("langchain", "langchain-core", "langgraph", "deepagents")


class Unrecordable(RuntimeError):
    """A scene does not play the same way twice, so its cassette would be worth nothing."""


def record_all(folder: Path) -> Iterator[str]:
    """Records every act into ``folder``, which holds nothing else afterwards but its README; yields their names.

    Raises:
        Unrecordable: a replay used the network, left a request out, or differs between the modes that share a cassette.
    """
    fresh = ROOT / ".build" / "cassettes"
    shutil.rmtree(fresh, ignore_errors=True)
    for name, act in acts().items():
        _record(act, fresh / name)
        yield name
    _text(fresh / MANIFEST, json.dumps(manifest(fresh), indent=1) + "\n")
    for old in folder.iterdir():
        if old.is_dir():
            shutil.rmtree(old)
    for new in fresh.iterdir():
        new.replace(folder / new.name)
    fresh.rmdir()


def _record(act: Act, folder: Path) -> None:
    folder.mkdir(parents=True)
    record(act, folder / CASSETTE)
    first, second = (_replayed(act, mode, folder / CASSETTE) for mode in MODES[act.wire])
    if first != second:
        raise Unrecordable(f"{act.name}, {' and '.join(MODES[act.wire])}:\n{differences(first, second)}")
    for name, text in zip((TREE, EVENTS), first, strict=True):
        _text(folder / name, text)


def _replayed(act: Act, mode: str, cassette: Path) -> Golden:
    played = asyncio.run(replay(act, mode, cassette, observed=True))
    if played.attempts or played.unused:
        why = played.attempts or "a recorded request was not asked for again"
        raise Unrecordable(f"{act.name}, {mode}: {why}")
    check_lifecycles(played.captured.events)
    return golden(played.captured)


def golden_of(folder: Path) -> Golden:
    """The golden tree and events that lie in a folder."""
    tree, events = ((folder / name).read_text(encoding="utf-8") for name in (TREE, EVENTS))
    return Golden(tree, events)


def differences(expected: Golden, found: Golden) -> str:
    """How the tree and the events of a run differ from the golden ones, for the eye; empty when they do not."""
    pairs = zip(expected, found, (TREE, EVENTS), strict=True)
    return "\n".join(filter(None, (difference(*pair) for pair in pairs)))


def manifest(folder: Path) -> dict[str, Any]:
    """What lies in ``folder`` and how it was made."""
    return {
        "version": 2,
        "frameworks": {name: version(name) for name in _FRAMEWORKS},
        "cassettes": [_entry(act, folder / name) for name, act in sorted(acts().items())],
    }


def _entry(act: Act, folder: Path) -> dict[str, Any]:
    return {
        "folder": act.name,
        "title": act.scene.title,
        "made_by": MADE_BY,
        "provider": "nemo-relay-provider",
        "client": ", ".join(f"{name} {version(name)}" for name in _CLIENTS[act.provider]),
        "modes": list(MODES[act.wire]),
        "scrubbed": tape.SCRUBBED,
        "sha256": {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in sorted(folder.iterdir())},
    }


def _text(path: Path, text: str) -> None:
    path.write_text(text, encoding="utf-8", newline="\n")
