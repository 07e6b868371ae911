# SPDX-License-Identifier: Apache-2.0
"""Prints the import cycles of every distribution, imports inside functions included. `make check` runs this.

Imports under ``if TYPE_CHECKING`` do not count: they never run. Exits with 1 when there is a cycle.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping
from graphlib import CycleError, TopologicalSorter

import grimp

from merged_tree import MERGED, links
from workspace import ROOT, distributions, read_toml


def graph() -> dict[str, set[str]]:
    """Module -> the first-party modules it imports, of the joined tree."""
    sys.path.insert(0, str(MERGED))
    roots = read_toml(ROOT / "pyproject.toml")["tool"]["importlinter"]["root_packages"]
    built = grimp.build_graph(*roots, exclude_type_checking_imports=True, cache_dir=None)
    return {module: built.find_modules_directly_imported_by(module) for module in built.modules}


def a_cycle(edges: Mapping[str, Iterable[str]]) -> list[str]:
    """The modules of one cycle, in the order they import each other; empty where there is none."""
    try:
        TopologicalSorter(edges).prepare()
    except CycleError as error:
        cycle: list[str] = error.args[1]
        return cycle[::-1]
    return []


def cycles(edges: Mapping[str, Iterable[str]]) -> list[list[str]]:
    """One cycle for every tangle of modules: each is found, and its first module set aside."""
    left = {module: set(imported) for module, imported in edges.items()}
    found = []
    while cycle := a_cycle(left):
        found.append(cycle)
        left.pop(cycle[0])
        for imported in left.values():
            imported.discard(cycle[0])
    return found


def main() -> int:
    edges = graph()
    found = cycles(edges)
    for cycle in found:
        print("import cycle: " + " -> ".join(cycle), file=sys.stderr)
    count = sum(len(imported) for imported in edges.values())
    print(f"import graph: {len(edges)} modules, {count} imports, {len(found)} cycles")
    for dist in distributions(ROOT):
        modules = sum(path.suffix == ".py" for path in links([dist]))
        print(f"  {dist.name}: {modules} modules")
    return 1 if found else 0


if __name__ == "__main__":
    raise SystemExit(main())
