# SPDX-License-Identifier: Apache-2.0
"""Runs a small program in a process of its own: the log is configured when the package is imported."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any


def run(code: str, **settings: str) -> subprocess.CompletedProcess[str]:
    """Run ``code`` with only these settings of the log."""
    environment = {key: value for key, value in os.environ.items() if not key.startswith("NEMO_RELAY_")}
    return subprocess.run(
        [sys.executable, "-c", code],
        env={**environment, **settings},
        capture_output=True,
        text=True,
        timeout=30,
    )


def records(text: str) -> list[dict[str, Any]]:
    """The JSONL records in ``text``."""
    return [json.loads(line) for line in text.splitlines()]


def config(folder: Path, text: str) -> str:
    """A configuration file with ``text``; its path."""
    path = folder / "logging.toml"
    path.write_text(text, encoding="utf-8")
    return str(path)
