# SPDX-License-Identifier: Apache-2.0
"""The map of the house names files and functions that are there, and every distribution and room is on it."""

from __future__ import annotations

import re

import pytest

from workspace import ROOT, distributions

PAGE = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
NAMED = sorted(set(re.findall(r"`((?:core|packages|integrations)/[\w/.]*)`", PAGE)))
FUNCTIONS = re.findall(r"`(core/[\w/.]+\.py)`, `(\w+)`:", PAGE)


@pytest.mark.parametrize("path", NAMED)
def test_a_file_that_it_names_is_there(path: str) -> None:
    assert (ROOT / path).exists()


@pytest.mark.parametrize(("path", "function"), FUNCTIONS)
def test_a_function_that_it_names_is_there(path: str, function: str) -> None:
    assert re.search(rf"^(async )?def {function}\(", (ROOT / path).read_text(encoding="utf-8"), re.MULTILINE)


def test_the_two_questions_have_their_answer() -> None:
    assert len(FUNCTIONS) >= 4
    verdict = ROOT / "core/src/nemo_relay/_runtime/managed/guardrails.py"
    assert "raise GuardrailRejected(" in verdict.read_text(encoding="utf-8")
    assert re.search(r"managed/guardrails\.py`, `check`.*\n?.*verdict becomes an error", PAGE)
    assert re.search(r"becomes its line of bytes\*\* in\s+`core/src/nemo_relay/_runtime/events/lines\.py`", PAGE)


def test_every_room_of_the_runtime_is_on_it() -> None:
    runtime = ROOT / "core/src/nemo_relay/_runtime"
    rooms = {f"core/src/nemo_relay/_runtime/{front.parent.name}/" for front in runtime.glob("*/__init__.py")}
    assert rooms <= set(NAMED)


def test_every_distribution_is_on_it() -> None:
    folders = {str(dist.path.relative_to(ROOT)) for dist in distributions()}
    assert {folder for folder in folders if not folder.startswith("packages/")} <= {path.rstrip("/") for path in NAMED}
