# SPDX-License-Identifier: Apache-2.0
"""What this workspace consists of, read from its `pyproject.toml` files."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent


def read_toml(path: Path) -> dict[str, Any]:
    return tomllib.loads(path.read_text(encoding="utf-8"))


@dataclass(frozen=True)
class Distribution:
    """One folder that builds one wheel."""

    path: Path

    @cached_property
    def project(self) -> dict[str, Any]:
        project: dict[str, Any] = read_toml(self.path / "pyproject.toml")["project"]
        return project

    @property
    def name(self) -> str:
        return str(self.project["name"])

    @property
    def version(self) -> str:
        return str(self.project["version"])

    @property
    def source(self) -> Path:
        return self.path / "src"

    def modules(self) -> list[Path]:
        """Its Python files, relative to `source`."""
        return [file for file in self.files() if file.suffix == ".py"]

    def files(self) -> list[Path]:
        """What belongs into its wheel, relative to `source`: all but what Python and its tools leave behind."""
        found = (file.relative_to(self.source) for file in self.source.rglob("*") if file.is_file())
        return sorted(file for file in found if not any(p[0] == "." or p == "__pycache__" for p in file.parts))


def distributions(root: Path = ROOT) -> list[Distribution]:
    members = read_toml(root / "pyproject.toml")["tool"]["uv"]["workspace"]["members"]
    return [
        Distribution(pyproject.parent)
        for member in members
        for pyproject in sorted(root.glob(f"{member}/pyproject.toml"))
    ]


def unit_of(module: str) -> str:
    """The unit that a dotted module name belongs to: its top-level package, or its framework's adapter."""
    parts = module.split(".")
    return ".".join(parts[:3]) if parts[:2] == ["nemo_relay", "integrations"] else parts[0]
