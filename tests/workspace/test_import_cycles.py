# SPDX-License-Identifier: Apache-2.0
"""The script that looks for import cycles finds them, one for each tangle."""

from __future__ import annotations

import import_cycles


def test_a_graph_without_a_cycle() -> None:
    assert import_cycles.cycles({"a": {"b", "c"}, "b": {"c"}, "c": set()}) == []


def test_each_tangle_is_named() -> None:
    found = import_cycles.cycles({"a": {"b"}, "b": {"a"}, "c": {"d"}, "d": {"e"}, "e": {"c"}, "f": {"a"}})
    assert sorted(sorted(set(cycle)) for cycle in found) == [["a", "b"], ["c", "d", "e"]]
