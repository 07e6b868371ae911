# SPDX-License-Identifier: Apache-2.0
"""`__all__` of every public module, in every distribution, is what the module exports: no name less and none more."""

from __future__ import annotations

import ast
import importlib
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import TypeVar

import pytest

from docs_reference import public_modules
from workspace import distributions

MODULES = public_modules()
# The top of the package lists the published names alone, as the core's tests hold; it offers more beside them.
PUBLISHED = "nemo_relay"


def bound(body: list[ast.stmt]) -> Iterator[str]:
    """The names that a module's own statements give it: what it defines, and what it re-exports explicitly."""
    for node in body:
        match node:
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
                yield name
            case ast.Assign(targets=targets):
                yield from (target.id for target in targets if isinstance(target, ast.Name))
            case ast.AnnAssign(target=ast.Name(id=name)):
                yield name
            case ast.Import(names=names) | ast.ImportFrom(names=names):
                yield from (alias.name for alias in names if alias.asname == alias.name)
            case ast.If(body=inner, orelse=other):
                yield from bound([*inner, *other])
            case ast.Try(body=inner, orelse=other):
                yield from bound([*inner, *other])


def exported(module: str) -> set[str]:
    home = importlib.import_module(module)
    names = {name for name in bound(ast.parse(Path(str(home.__file__)).read_bytes()).body) if not name.startswith("_")}
    return {name for name in names if not isinstance(getattr(home, name), TypeVar)}


@pytest.mark.parametrize("module", MODULES)
def test_it_lists_what_it_exports(module: str) -> None:
    listed = importlib.import_module(module).__all__
    assert [name for name, times in Counter(listed).items() if times > 1] == []
    if module != PUBLISHED:
        assert exported(module) - set(listed) == set(), "exported, and not listed"
    assert [name for name in listed if not hasattr(importlib.import_module(module), name)] == []
    assert [name for name in listed if name.startswith("_")] == []


def test_every_distribution_has_a_public_module() -> None:
    assert len(MODULES) > 40
    for dist in distributions():
        modules = {".".join(file.with_suffix("").parts).removesuffix(".__init__") for file in dist.modules()}
        assert modules & set(MODULES), dist.name


@pytest.mark.parametrize("module", ["nemo_relay", "nemo_relay_otel", "nemo_relay_codecs", "nemo_relay.testing"])
def test_a_star_import_gives_what_is_listed(module: str) -> None:
    code = f"import {module} as m\nfrom {module} import *\nassert set(m.__all__) <= set(globals())"
    assert subprocess.run([sys.executable, "-W", "error", "-c", code], capture_output=True, text=True).stderr == ""
