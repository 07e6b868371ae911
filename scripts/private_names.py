# SPDX-License-Identifier: Apache-2.0
"""Finds where a room reaches for a private name (`_x`) that another room owns. `make check` runs this.

A room is a folder of modules. Inside it modules may know each other; from outside a name with an underscore is not
there. Only what is read is judged: `self._x` is one's own, and so is any `_x` that a class or module of the same room
defines. The names of other people's libraries that we cannot do without are listed in `pyproject.toml` with the reason.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from workspace import ROOT, distributions, read_toml

OWN = {"self", "cls", "mcs"}


class Access(NamedTuple):
    """One place that reaches for a private name."""

    path: Path
    line: int
    name: str


def is_private(name: str) -> bool:
    return name.startswith("_") and not name.endswith("__") and name != "_"


def defined(tree: ast.Module) -> Iterator[str]:
    """The private names that a module defines: in itself, in its classes, and on `self`."""
    for node in ast.walk(tree):
        match node:
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
                yield name
            case ast.Name(id=name, ctx=ast.Store()):
                yield name
            case ast.Attribute(value=ast.Name(id=owner), attr=name, ctx=ast.Store()) if owner in OWN:
                yield name
            case ast.Assign(targets=[ast.Name(id="__slots__")], value=value):
                yield from (str(item.value) for item in ast.walk(value) if isinstance(item, ast.Constant))
            case ast.alias(asname=str(name)):
                yield name


def reached(tree: ast.Module, folder: Path) -> Iterator[tuple[int, str]]:
    """The private names that a module of `folder` reads of something else; modules are for the import contracts."""
    for node in ast.walk(tree):
        match node:
            case ast.Attribute(value=value, attr=name) if is_private(name) and not is_own(value):
                yield node.lineno, name
            case ast.ImportFrom(module=module, names=names):
                parts = (module or "").split(".")
                taken = (alias.name for alias in names if is_private(alias.name))
                yield from ((node.lineno, name) for name in taken if not is_module(folder, *parts, name))


def is_module(folder: Path, *parts: str) -> bool:
    """Whether the dotted name is a module, seen from a module of `folder`."""
    places = (base.joinpath(*parts) for base in (folder, *folder.parents))
    return any(place.is_dir() or place.with_suffix(".py").is_file() for place in places)


def is_own(value: ast.expr) -> bool:
    """Whether `value` is the object or the class that the code is part of."""
    match value:
        case ast.Name(id=name):
            return name in OWN
        case ast.Call(func=ast.Name(id="super")):
            return True
        case ast.Call(func=ast.Name(id="type"), args=[ast.Name(id=name)]):
            return name in OWN
    return False


def accesses(folder: Path) -> Iterator[Access]:
    """Every private name that a module of the room `folder` takes from elsewhere."""
    trees = {path: ast.parse(path.read_bytes()) for path in sorted(folder.glob("*.py"))}
    own = {name for tree in trees.values() for name in defined(tree)}
    for path, tree in trees.items():
        for line, name in reached(tree, folder):
            if name not in own:
                yield Access(path, line, name)


def main(root: Path = ROOT) -> int:
    settings = read_toml(root / "pyproject.toml")["tool"]["house"]["private-names"]
    known = settings["of-libraries"]
    rooms = sorted({dist.source / path.parent for dist in distributions(root) for path in dist.modules()})
    found = [access for room in rooms for access in accesses(room) if access.name not in known]
    for access in found:
        print(
            f"{access.path.relative_to(root)}:{access.line}: {access.name} is private to another room", file=sys.stderr
        )
    print(f"private names: {len(rooms)} rooms, {len(found)} foreign accesses")
    return 1 if found else 0


if __name__ == "__main__":
    raise SystemExit(main())
