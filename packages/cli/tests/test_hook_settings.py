# SPDX-License-Identifier: Apache-2.0
"""A user who has switched hooks off is told what that means, and is not overruled."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from .conftest import Home


@pytest.mark.parametrize("where", ["user", "project", "given"])
def test_disable_all_hooks_is_said_and_not_overridden(home: Home, tmp_path: Path, where: str) -> None:
    host = tmp_path / "claude"
    host.write_text('#!/bin/sh\nfor word in "$@"; do printf \'%s\\0\' "$word"; done\n')
    host.chmod(0o755)
    off = json.dumps({"disableAllHooks": True})
    words: list[str] = ["--settings", off] if where == "given" else []
    if where != "given":
        folder = (home.home if where == "user" else home.project) / ".claude"
        folder.mkdir()
        (folder / "settings.json").write_text(off)
    env = {"PATH": f"{tmp_path}:{os.environ['PATH']}"}
    done = home.run("claude", "--", *words, env=env)
    assert "disableAllHooks" in done.stderr
    assert "model calls are" in done.stderr
    settings = json.loads(next(word for word in done.stdout.split("\0") if word.startswith("{")))
    assert settings.get("disableAllHooks", True) is True
    if where != "given":
        assert "disableAllHooks" not in settings
        assert (folder / "settings.json").read_text() == off
