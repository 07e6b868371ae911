# SPDX-License-Identifier: Apache-2.0
"""Lay all distributions' sources into one tree of symbolic links, `.build/merged`.

`nemo_relay` is one package spread over several distributions (`pkgutil.extend_path`). Python joins its parts
when it runs; mypy and import-linter read files and see only the first part. In this tree they see it as it is
after installation.
"""

from __future__ import annotations

import os
from pathlib import Path

from workspace import ROOT, Distribution, distributions

MERGED = ROOT / ".build" / "merged"


def links(dists: list[Distribution]) -> dict[Path, Path]:
    """Relative path in the tree -> the file it stands for. Two distributions with one file are an error."""
    found: dict[Path, Path] = {}
    for dist in dists:
        for file in dist.files():
            if file in found:
                raise SystemExit(f"{file} is in {found[file]} and in {dist.path}: one wheel overwrites the other")
            found[file] = dist.source / file
    return found


def packages_without_init(files: dict[Path, Path]) -> set[Path]:
    """Folders such as `nemo_relay/integrations`: without an `__init__.py` on purpose, which grimp skips."""
    folders = {parent for file in files if file.suffix == ".py" for parent in file.parents if parent.parts}
    return {folder / "__init__.py" for folder in folders} - files.keys()


def build(target: Path = MERGED) -> int:
    """Bring `target` up to date, never emptying it: two checks may run at once. Returns how many files."""
    wanted = links(distributions())
    bare = packages_without_init(wanted)
    for relative, file in wanted.items():
        link(target / relative, file)
    for relative in bare:
        (target / relative).write_text("", encoding="utf-8")
    for path in target.rglob("*"):
        if (path.is_symlink() or path.is_file()) and path.relative_to(target) not in wanted.keys() | bare:
            path.unlink(missing_ok=True)
    return len(wanted)


def link(path: Path, to: Path) -> None:
    if path.is_symlink() and path.readlink() == to:
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    temporary.symlink_to(to)
    temporary.replace(path)


if __name__ == "__main__":
    print(f"merged tree: {build()} files in {MERGED.relative_to(ROOT)}")
