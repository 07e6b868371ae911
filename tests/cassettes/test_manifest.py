# SPDX-License-Identifier: Apache-2.0
"""The manifest of the cassettes names exactly the files beside it, and none holds a secret or a trace of a machine."""

from __future__ import annotations

import hashlib
import json
import re
from pathlib import Path
from typing import Any

import pytest

from house import REGISTRY
from recordings.library import CASSETTE, EVENTS, TREE
from workspace import ROOT

FOLDER = ROOT / "cassettes"
KEYS = {"folder", "title", "made_by", "provider", "client", "modes", "scrubbed", "sha256"}
SECRET = re.compile(
    r"\b(sk-[A-Za-z0-9_-]{16,}|AIza[A-Za-z0-9_-]{30,}|AKIA[A-Z0-9]{16})"
    r"|^ *\W?(set-cookie|cookie|authorization|x-api-key|host|openai-organization|openai-project|date)\W? *:",
    re.MULTILINE | re.IGNORECASE,
)
MACHINE = re.compile(
    r"127\.0\.0\.1|localhost|[\"' ](/home|/root|/tmp|/work|/Users)/|user-agent|x-stainless", re.IGNORECASE
)


def manifest() -> list[dict[str, Any]]:
    entries: list[dict[str, Any]] = json.loads((FOLDER / "manifest.json").read_text(encoding="utf-8"))["cassettes"]
    return entries


def files() -> list[Path]:
    return [
        path for path in sorted(FOLDER.rglob("*")) if path.is_file() and path.name not in ("README.md", "manifest.json")
    ]


def test_the_manifest_lists_every_file_as_it_is() -> None:
    listed = {f"{entry['folder']}/{name}": digest for entry in manifest() for name, digest in entry["sha256"].items()}
    lying = {path.relative_to(FOLDER).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest() for path in files()}
    assert listed == lying


def test_every_entry_says_how_it_was_made() -> None:
    assert [entry for entry in manifest() if set(entry) != KEYS or not all(entry.values())] == []
    assert {tuple(entry["sha256"]) for entry in manifest()} == {(CASSETTE, EVENTS, TREE)}


def test_what_makes_them_exists() -> None:
    targets = re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)
    assert {entry["made_by"] for entry in manifest()} <= {f"make {target}" for target in targets}


@pytest.mark.parametrize("trace", [SECRET, MACHINE, REGISTRY], ids=["secret", "machine", "registry"])
def test_no_file_holds_what_is_private(trace: re.Pattern[str]) -> None:
    everything = [*files(), FOLDER / "manifest.json"]
    found = {path.relative_to(FOLDER).as_posix(): trace.search(path.read_text(encoding="utf-8")) for path in everything}
    assert {path: match[0] for path, match in found.items() if match} == {}


def test_the_folder_is_small() -> None:
    assert sum(path.stat().st_size for path in FOLDER.rglob("*") if path.is_file()) < 1_000_000


@pytest.mark.parametrize(
    ("trace", "line"),
    [
        (SECRET, "Authorization: Bearer sk-" + "a" * 20),
        (SECRET, "    set-cookie: a=b"),
        (SECRET, "      x-api-key:\n      - k"),
        (SECRET, '      "openai-organization": o'),
        (MACHINE, "    uri: http://127.0.0.1:4711/v1"),
        (MACHINE, '"file": "/home/me/x.py"'),
        (MACHINE, "      user-agent:"),
    ],
)
def test_it_would_be_seen(trace: re.Pattern[str], line: str) -> None:
    assert trace.search(line)
