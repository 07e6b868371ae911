# SPDX-License-Identifier: Apache-2.0
"""The house rules that no linter knows. `make check` runs this; it prints every breach and exits with 1.

Every source file names its licence. A module stays under the ceiling. One version holds for all
distributions, their pins on each other and the changelog. Every distribution carries the licence text and the
metadata that its page needs. Every unit has an import contract. Nothing names a package registry's host, and no line to
install us could install another package of the same name.
"""

from __future__ import annotations

import re
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from docs_reference import modules_of
from merged_tree import links
from workspace import ROOT, Distribution, distributions, read_toml, unit_of

LICENCE_LINE = "# SPDX-License-Identifier: Apache-2.0"
NOT_OURS = {"dist", "node_modules", "site", "__pycache__"}
# Lines that tie a checkout to one registry: lock entries, index settings, direct links to files.
REGISTRY = re.compile(
    r'"resolved": *"https?://|registry *= *"https?://|url *= *"https?://[^"]*\.(whl|tar\.gz)"'
    r"|(extra-)?index[-]url *[=:]|find[-]links *[=:]|(pypi|pythonhosted|npmjs)\.(org|com)"
)
VERSION_MODULE = "_version.py"
# What a reader is told to install by a name that is ours, and its bound.
INSTALL_LINE = re.compile(r"""(?:pip install|uv add) [^`\n]*?(nemo-relay[\w-]*(?:\[\w+\])?)([^"'` ]*)""")
METADATA = ("authors", "classifiers", "keywords", "license", "license-files", "readme", "requires-python")


def text_files(root: Path, *suffixes: str) -> Iterator[Path]:
    """Our own files with one of the suffixes: nothing hidden, built or installed."""
    for path in sorted(root.rglob("*")):
        parts = path.relative_to(root).parts
        hidden = any(part.startswith(".") or part in NOT_OURS for part in parts)
        if path.suffix in suffixes and path.is_file() and not hidden:
            yield path


def licence_lines(root: Path) -> Iterator[str]:
    settings = [root / "pyproject.toml", *(dist.path / "pyproject.toml" for dist in distributions(root))]
    for path in [*text_files(root, ".py", ".sh"), *settings, root / "Makefile", root / ".ci" / "run"]:
        if LICENCE_LINE not in path.read_text(encoding="utf-8").splitlines()[:2]:
            yield f"{path.relative_to(root)}: does not start with {LICENCE_LINE!r}"


def module_lengths(root: Path) -> Iterator[str]:
    settings: dict[str, Any] = read_toml(root / "pyproject.toml")["tool"]["house"]
    ceiling, earned = settings["max-module-lines"], dict(settings["long-modules"])
    for path in text_files(root, ".py"):
        relative = path.relative_to(root)
        lines = len(path.read_text(encoding="utf-8").splitlines())
        if "tests" in relative.parts or lines <= ceiling:
            continue
        if not earned.pop(str(relative), None):
            yield f"{relative}: {lines} lines, over {ceiling}: split it, or name it in long-modules"
    for path_name in earned:
        yield f"[tool.house] long-modules names {path_name!r}, which is not longer than {ceiling} lines"


def wide_folders(root: Path) -> Iterator[str]:
    """A folder is wide that has more modules than one keeps in mind.

    The public modules at the top of a package do not count: each is a name that users import (`nemo_relay.scope`), and
    where it stands is not ours to choose. They are thin, and found by their names, so nobody looks through them.
    """
    settings: dict[str, Any] = read_toml(root / "pyproject.toml")["tool"]["house"]
    ceiling = settings["max-modules-in-a-folder"]
    for dist in distributions(root):
        public = {name for name, _ in modules_of(dist) if name.count(".") == 1}
        inside = [path for path in dist.modules() if ".".join(path.with_suffix("").parts) not in public]
        for folder, modules in sorted(Counter(path.parent for path in inside).items()):
            if modules > ceiling:
                yield f"{(dist.source / folder).relative_to(root)}: {modules} modules, over {ceiling}: make rooms"


def one_version(root: Path) -> Iterator[str]:
    dists = distributions(root)
    names, version = {dist.name for dist in dists}, dists[0].version
    for dist in dists:
        if dist.version != version:
            yield f"{dist.name}: version {dist.version!r}, but {dists[0].name} has {version!r}"
        for requirement in requirements(dist):
            name = re.split(r"[\s\[=<>!~;]", requirement, maxsplit=1)[0]
            if name in names and not requirement.endswith(f"=={version}"):
                yield f"{dist.name}: {requirement!r} does not pin {name} to =={version}"
    for path in (path for dist in dists for path in dist.source.rglob(VERSION_MODULE)):
        if f'__version__ = "{version}"' not in path.read_text(encoding="utf-8"):
            yield f"{path.relative_to(root)}: __version__ is not {version!r}"
    if f"## [{version}]" not in (root / "CHANGELOG.md").read_text(encoding="utf-8"):
        yield f"CHANGELOG.md: no section '## [{version}]'"


def requirements(dist: Distribution) -> list[str]:
    extras = dist.project.get("optional-dependencies", {})
    return [*dist.project.get("dependencies", []), *(line for lines in extras.values() for line in lines)]


def complete_distributions(root: Path) -> Iterator[str]:
    licence = (root / "LICENSE").read_bytes()
    for dist in distributions(root):
        for key in METADATA:
            if not dist.project.get(key):
                yield f"{dist.name}: [project] lacks {key!r}"
        copy = dist.path / "LICENSE"
        if not copy.is_file() or copy.read_bytes() != licence:
            yield f"{dist.name}: its LICENSE is missing or differs from the one at the root"


def contracts_for_all(root: Path) -> Iterator[str]:
    linter = read_toml(root / "pyproject.toml")["tool"]["importlinter"]
    covered = {contract["unit"] for contract in linter["contracts"] if contract["type"] == "unit"}
    modules = [".".join(file.with_suffix("").parts) for file in links(distributions(root)) if file.suffix == ".py"]
    for name in sorted({unit_of(module) for module in modules} - covered):
        yield f"{name}: no import contract in pyproject.toml"
    for name in sorted({module.split(".")[0] for module in modules} - set(linter["root_packages"])):
        yield f"{name}: not among the root_packages of import-linter"


def no_registry_hosts(root: Path) -> Iterator[str]:
    for path in text_files(root, ".cfg", ".ini", ".json", ".md", ".sh", ".toml", ".txt", ".yaml", ".yml"):
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
            if REGISTRY.search(line):
                yield f"{path.relative_to(root)}:{number}: names a package registry: {line.strip()[:100]!r}"


def install_lines(root: Path) -> Iterator[str]:
    least = ".".join(distributions(root)[0].version.split(".")[:2])
    for path in (path for path in text_files(root, ".md", ".py") if "tests" not in path.relative_to(root).parts):
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
            for name, bound in INSTALL_LINE.findall(line):
                if not bound.startswith((f">={least}", "==")):
                    yield f"{path.relative_to(root)}:{number}: {name!r} could be another package: add '>={least}'"


RULES: tuple[Callable[[Path], Iterator[str]], ...] = (
    licence_lines,
    module_lengths,
    wide_folders,
    one_version,
    complete_distributions,
    contracts_for_all,
    no_registry_hosts,
    install_lines,
)


def main(root: Path = ROOT) -> int:
    breaches = [f"{rule.__name__}: {breach}" for rule in RULES for breach in rule(root)]
    for breach in breaches:
        print(breach, file=sys.stderr)
    print(f"house rules: {len(RULES)} checked, {len(breaches)} breaches")
    return 1 if breaches else 0


if __name__ == "__main__":
    raise SystemExit(main())
