# SPDX-License-Identifier: Apache-2.0
"""The import-linter contract of this workspace: what one unit may import.

import-linter's own contracts forbid names that one has to list. Ours says what is allowed, so that a new
dependency needs a line in `pyproject.toml` before it can be imported.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from grimp import ImportGraph
from importlinter import Contract, ContractCheck, fields, output

from merged_tree import MERGED
from workspace import unit_of


@dataclass(frozen=True)
class Breach:
    importer: str
    imported: str
    line: int
    why: str


class Unit(Contract):
    """Modules of `unit` may import the standard library, each other, and the units of `may_import`.

    * `may_import`: units, first party or not. Of a first-party unit only public modules count: no part of the
      dotted name may start with an underscore.
    * `inside_functions`: units that may be imported too, but only inside a function.
    * `exceptions`: `"module -> unit"`, for one module that needs what the others must not have.
    """

    type_name = "unit"

    # import-linter replaces these fields by plain values before it calls `check`.
    unit: Any = fields.StringField()
    may_import: Any = fields.SetField(subfield=fields.StringField(), required=False, default=set())
    inside_functions: Any = fields.SetField(subfield=fields.StringField(), required=False, default=set())
    exceptions: Any = fields.SetField(subfield=fields.StringField(), required=False, default=set())

    def check(self, graph: ImportGraph, verbose: bool) -> ContractCheck:
        modules = sorted(name for name in graph.modules if unit_of(name) == self.unit)
        breaches = [breach for module in modules for breach in self._breaches(graph, module)]
        if not modules:
            breaches = [Breach(self.unit, "", 0, "no such unit: mend or remove its contract")]
        return ContractCheck(kept=not breaches, metadata={"breaches": breaches})

    def render_broken_contract(self, check: ContractCheck) -> None:
        for breach in check.metadata["breaches"]:
            output.print_error(f"- {breach.importer}:{breach.line} imports {breach.imported}: {breach.why}")

    def _breaches(self, graph: ImportGraph, importer: str) -> Iterator[Breach]:
        for imported in sorted(graph.find_modules_directly_imported_by(importer)):
            for detail in graph.get_import_details(importer=importer, imported=imported):
                line = int(detail["line_number"])
                if why := self._refusal(importer, imported, line):
                    yield Breach(importer, imported, line, why)

    def _refusal(self, importer: str, imported: str, line: int) -> str | None:
        target = unit_of(imported)
        if target == self.unit or target in sys.stdlib_module_names:
            return None
        if f"{importer} -> {target}" in self.exceptions:
            return None
        if target in self.inside_functions:
            return None if line in lines_inside_functions(importer) else "allowed only inside a function"
        if target not in self.may_import:
            return f"{self.unit} may not import {target}"
        if any(part.startswith("_") for part in imported.removeprefix(target).split(".")):
            return "private to its own unit"
        return None


@lru_cache
def lines_inside_functions(module: str) -> frozenset[int]:
    path = MERGED.joinpath(*module.split("."))
    file = path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
    nodes = ast.walk(ast.parse(file.read_bytes()))
    functions = [node for node in nodes if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]
    spans = (range(node.lineno, (node.end_lineno or node.lineno) + 1) for node in functions)
    return frozenset(line for span in spans for line in span)
