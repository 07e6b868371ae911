# SPDX-License-Identifier: Apache-2.0
"""The examples in our docstrings do what they show. Each unit's examples run in one process."""

from __future__ import annotations

import ast
import doctest
import json
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest

from workspace import distributions, unit_of

# doctest's own finder skips names whose `__module__` was rewritten to the public one, so we cut docstrings
# out of the source and hand them over ourselves.
RUN = """
import doctest, importlib, json, sys
runner = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS)
for module_name, docstrings in json.load(sys.stdin).items():
    module = importlib.import_module(module_name)
    for name, line, text in docstrings:
        test = doctest.DocTestParser().get_doctest(text, vars(module).copy(), name, module.__file__, line)
        runner.run(test)
sys.exit(bool(runner.failures))
"""
Docstring = tuple[str, int, str]


def docstrings(source: str) -> list[Docstring]:
    """Name, line and text of every docstring that shows an example."""
    documented = ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef
    found = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, documented) and ">>> " in (text := ast.get_docstring(node) or ""):
            found.append((getattr(node, "name", "module"), node.body[0].lineno, text))
    return found


@cache
def sources() -> dict[str, str]:
    """Modules that hold a prompt, and their text."""
    texts = {
        ".".join(file.with_suffix("").parts).removesuffix(".__init__"): (dist.source / file).read_text("utf-8")
        for dist in distributions()
        for file in dist.modules()
    }
    return {module: text for module, text in texts.items() if ">>> " in text}


@pytest.mark.parametrize("unit", sorted({unit_of(module) for module in sources()}))
def test_the_examples_of_a_unit(unit: str, tmp_path: Path) -> None:
    """One process for all of a unit's modules, so an example that leaves something behind may fail the next."""
    examples = {module: docstrings(text) for module, text in sources().items() if unit_of(module) == unit}
    command = [sys.executable, "-W", "error", "-c", RUN]
    done = subprocess.run(command, cwd=tmp_path, input=json.dumps(examples), capture_output=True, text=True)
    assert done.returncode == 0, f"{done.stdout}{done.stderr}"


@pytest.mark.parametrize("module", sources())
def test_no_example_is_hidden_from_the_runner(module: str) -> None:
    """A prompt in a place that is no docstring (a comment, a plain string) would never run."""
    text = sources()[module]
    shown = sum(len(doctest.DocTestParser().get_examples(example)) for _, _, example in docstrings(text))
    assert shown == text.count(">>> ")
