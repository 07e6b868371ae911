# SPDX-License-Identifier: Apache-2.0
"""Each scenario of the adapters, and each defect of the published package, has a test that carries its number.

The list is ``SCENARIOS.md``. Tests are named ``test_s<scenario>_...`` and ``test_e<defect>_...``. What a scenario asks
for in synchronous and in asynchronous programs has a test for both: one that takes the way of calling as a parameter,
or one of each kind.
"""

from __future__ import annotations

import ast
import re
from collections import defaultdict
from functools import cache
from pathlib import Path
from typing import NamedTuple

import pytest

from workspace import ROOT

SCENARIOS = range(1, 56)
DEFECTS = range(1, 20)
# What the list of scenarios asks for in synchronous and asynchronous programs, and what we play in both unasked.
BOTH = {1, 3, 4, 5, 6, 8, 11, 13, 15, 16, 17, 18, 19, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31}
BOTH |= {33, 34, 35, 36, 37, 39, 41, 44, 45, 46, 49, 50, 51, 52, 53, 54, 55}
_NAME = re.compile(r"test_([se])(\d\d)_")
_PLAIN = {"invoke", "stream", "batch", "embed_documents"}  # a test that awaits may call these too
_WAYS = {"mode", "asynchronous"}  # the parameters by which a test is told how to call


class Found(NamedTuple):
    """A test that carries a number."""

    path: Path
    name: str
    synchronous: bool
    asynchronous: bool


@cache
def collected() -> dict[tuple[str, int], list[Found]]:
    """The tests of the adapters, by kind and number; what is imported under such a name runs under it."""
    found: dict[tuple[str, int], list[Found]] = defaultdict(list)
    for path in sorted(ROOT.glob("integrations/*/tests/test_*.py")):
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            for name, synchronous, asynchronous in named(node):
                for kind, number in _NAME.findall(name + "_"):
                    found[kind, int(number)].append(Found(path, name, synchronous, asynchronous))
    return found


def named(node: ast.stmt) -> list[tuple[str, bool, bool]]:
    """The names of tests that this statement defines, and in which kinds of programs each plays."""
    if isinstance(node, ast.ImportFrom):
        return [(alias.asname, False, False) for alias in node.names if alias.asname]
    if not isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
        return []
    both = bool(_WAYS & {argument.arg for argument in node.args.args})
    waits = isinstance(node, ast.AsyncFunctionDef)
    plain = any(isinstance(inner, ast.Attribute) and inner.attr in _PLAIN for inner in ast.walk(node))
    return [(node.name, both or not waits or plain, both or waits)]


def listed() -> tuple[list[int], list[int]]:
    """The numbers of the scenarios and of the defects in the list."""
    text = Path(__file__).with_name("SCENARIOS.md").read_text(encoding="utf-8")
    scenarios, _, defects = text.partition("## Defects")
    numbers = [
        [int(number) for number in re.findall(r"^(\d+)\. ", part, re.MULTILINE)] for part in (scenarios, defects)
    ]
    return numbers[0], numbers[1]


def test_the_list_has_every_number() -> None:
    assert listed() == ([*SCENARIOS, 63, 64, 65], [*DEFECTS])


@pytest.mark.parametrize("number", SCENARIOS)
def test_a_scenario_has_its_tests(number: int) -> None:
    found = collected()["s", number]
    assert found, f"no test is named test_s{number:02}_..."
    if number in BOTH:
        assert any(test.synchronous for test in found), f"scenario {number} has no synchronous test"
        assert any(test.asynchronous for test in found), f"scenario {number} has no asynchronous test"


@pytest.mark.parametrize("number", DEFECTS)
def test_a_defect_has_its_tests(number: int) -> None:
    assert collected()["e", number], f"no test is named test_e{number:02}_..."


def test_numbers_are_those_of_the_lists() -> None:
    """The ones from 56 on are another adapter's, and of the packages."""
    assert {number for kind, number in collected() if kind == "s"} <= {*SCENARIOS, 63, 64, 65}
    assert {number for kind, number in collected() if kind == "e"} <= set(DEFECTS)
