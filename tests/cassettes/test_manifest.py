# SPDX-License-Identifier: Apache-2.0
"""The manifest of the cassettes names exactly the files beside it, and none of them holds a secret."""

from __future__ import annotations

import hashlib
import json
import re
from pathlib import Path

import pytest

from workspace import ROOT

FOLDER = ROOT / "cassettes"
KEYS = {"path", "sha256", "made_by", "provider", "client"}
SECRET = re.compile(
    r"\b(sk-[A-Za-z0-9_-]{16,}|AIza[A-Za-z0-9_-]{30,}|AKIA[A-Z0-9]{16})|^ *(set-)?cookie:",
    re.MULTILINE | re.IGNORECASE,
)


def manifest() -> list[dict[str, str]]:
    entries: list[dict[str, str]] = json.loads((FOLDER / "manifest.json").read_text(encoding="utf-8"))["cassettes"]
    return entries


def cassettes() -> list[Path]:
    return [path for path in sorted(FOLDER.rglob("*")) if path.suffix in {".yaml", ".yml"}]


def test_the_manifest_lists_every_cassette_as_it_is() -> None:
    listed = {entry["path"]: entry["sha256"] for entry in manifest()}
    lying = {str(path.relative_to(FOLDER)): hashlib.sha256(path.read_bytes()).hexdigest() for path in cassettes()}
    assert listed == lying


def test_every_entry_says_how_it_was_made() -> None:
    assert [entry for entry in manifest() if set(entry) != KEYS or not all(entry.values())] == []


def test_no_cassette_holds_a_secret() -> None:
    assert [path.name for path in cassettes() if SECRET.search(path.read_text(encoding="utf-8"))] == []


@pytest.mark.parametrize("line", ["Authorization: Bearer sk-" + "a" * 20, "    set-cookie: a=b"])
def test_a_secret_would_be_seen(line: str) -> None:
    assert SECRET.search(line)
