# SPDX-License-Identifier: Apache-2.0
"""The page about notebooks: its cells in a real kernel, and a scope that outlasts its cell."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from doc_blocks import blocks_in
from workspace import ROOT

pytestmark = [pytest.mark.slow_install, pytest.mark.timeout(900)]

RUN = """
import json, sys
import nbformat
from nbclient import NotebookClient

cells = json.loads(sys.argv[1])
notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells])
NotebookClient(notebook, timeout=300, kernel_name="python3").execute()
for cell in notebook.cells:
    for output in cell.outputs:
        print(output.get("text") or output.get("data", {}).get("text/plain"), output.get("name", ""))
"""
OVER_CELLS = [
    "handle = scope.push('session', ScopeType.Agent)",
    "found = await tools.execute('look_up', {'topic': 'moons'}, look_up, handle=handle)",
    "scope.pop(handle)",
]


def test_its_cells_in_a_kernel(clean_venv: Callable[[], Any]) -> None:
    venv = clean_venv()
    venv.install("nemo-relay[viewer]", "ipykernel", "nbclient")
    cells = [block.code for block in blocks_in(ROOT / "docs" / "how-to" / "notebook.md")]
    venv.env["HOME"] = str(venv.path.parent)  # a kernel keeps its history there
    shown = venv.run(venv.python, "-c", RUN, json.dumps([*cells[:-1], *OVER_CELLS, cells[-1]]))
    assert "draft" in shown and "2 tool calls" in shown, "the tree"
    runs = venv.path.parent / "runs"
    assert len(list((runs / "atif").glob("trajectory-*.json"))) == 2
    events = [json.loads(line) for line in (runs / "atof" / "events.jsonl").read_text(encoding="utf-8").splitlines()]
    (session,) = {event["uuid"] for event in events if event["name"] == "session"}
    assert session in {event["parent_uuid"] for event in events if event["name"] == "look_up"}
