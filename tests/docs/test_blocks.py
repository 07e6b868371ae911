# SPDX-License-Identifier: Apache-2.0
"""Every code block of our pages runs, or is valid, or says why not.

The blocks of a page run in order in one empty folder, as a reader would type them: a later block finds what
an earlier one wrote. A provider on loopback stands in for the model service that a page talks to.
"""

from __future__ import annotations

import ast
import json
import os
import subprocess
import sys
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from doc_blocks import Block, blocks_in, pages, suite_command
from nemo_relay_provider import Reply, ScriptedProvider, ToolCall
from workspace import ROOT

SECONDS = 60
pytestmark = pytest.mark.timeout(SECONDS * 4)


def answer(request: dict[str, Any]) -> Reply:
    """Calls the first tool on offer once, with a text for each argument, then says that it is done."""
    tools = request.get("tools") or []
    if not tools or request["messages"][-1]["role"] == "tool":
        return Reply("Done.")
    function = tools[0].get("function", tools[0])
    schema = function.get("parameters") or function.get("input_schema") or {}
    arguments = dict.fromkeys(schema.get("properties", {}), "Paris")
    return Reply(tool_calls=[ToolCall(function["name"], arguments)])


@pytest.fixture(scope="module")
def environment() -> Iterator[dict[str, str]]:
    """What a reader has: our Python first on the path, and a model service with a key."""
    with ScriptedProvider(answer) as provider:
        yield {
            **{key: value for key, value in os.environ.items() if not key.startswith("NEMO_RELAY_")},
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
            "OPENAI_BASE_URL": provider.openai_url,
            "OPENAI_API_KEY": "any",
        }


def run(block: Block, folder: Path, environment: dict[str, str]) -> None:
    program = {
        "python": [sys.executable, "-W", "error", "-c"],
        "bash": ["bash", "-euo", "pipefail", "-c"],
    }[block.language]
    done = subprocess.run(
        [*program, block.code],
        cwd=folder,
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=SECONDS,
    )
    assert done.returncode == 0, f"{block} failed with {done.returncode}:\n{done.stdout}{done.stderr}"


READ: dict[str, Callable[[str], object]] = {
    "json": json.loads,
    "jsonl": lambda code: [json.loads(line) for line in code.splitlines()],
    "toml": tomllib.loads,
    "text": str,
    "mermaid": str,
}


@pytest.mark.parametrize("page", pages(), ids=lambda page: str(page.relative_to(ROOT)))
def test_the_blocks_of_a_page(page: Path, tmp_path: Path, environment: dict[str, str]) -> None:
    for block in blocks_in(page):
        if block.language in READ:
            READ[block.language](block.code)
        elif block.language not in ("python", "bash"):
            pytest.fail(f"{block}: {block.language!r} is none of python, bash, {', '.join(READ)}")
        elif block.runs:
            run(block, tmp_path, environment)
        elif block.language == "python":
            compile(block.code, str(block), "exec", ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)  # a notebook's cell may await


def test_the_readme_names_the_test_command_that_ci_runs() -> None:
    assert suite_command(ROOT / "README.md") == "make test"
    assert "doc_blocks.py --test-command README.md" in (ROOT / ".ci" / "run").read_text(encoding="utf-8")


def test_a_page_is_cut_into_its_blocks(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(
        "# T\n\n```python\na = 1\n\nb = 2\n```\n\n<!-- not run: it waits -->\n\n```bash\nsleep 9\n```\n\n"
        "<!-- not run: taken back by the text that follows -->\nText.\n\n  ```json\n  {}\n  ```\n",
        encoding="utf-8",
    )
    found = [(block.line, block.language, block.code, block.remark) for block in blocks_in(page)]
    assert found == [
        (4, "python", "a = 1\n\nb = 2\n", ""),
        (12, "bash", "sleep 9\n", "not run: it waits"),
        (19, "json", "{}\n", ""),
    ]
