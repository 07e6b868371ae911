# SPDX-License-Identifier: Apache-2.0
"""The fenced code blocks of our documentation, and what is said about them.

A comment in front of a block says what is special about it:

    <!-- not run: why -->       the block is only read
    <!-- test command -->       it is the command that runs the tests; `.ci/run` runs it
"""

from __future__ import annotations

import re
import sys
import textwrap
from dataclasses import dataclass
from pathlib import Path

from workspace import ROOT, distributions

FENCE = re.compile(r"^(?P<indent> *)(?P<fence>`{3,})(?P<language>[\w+-]*)[^\n]*$")
REMARK = re.compile(r"^ *<!-- (?P<text>not run: \S.*|test command) -->$")


@dataclass(frozen=True)
class Block:
    page: Path
    line: int  # of its first line of code
    language: str
    code: str
    remark: str = ""

    def __str__(self) -> str:
        return f"{self.page.relative_to(ROOT)}:{self.line}"

    @property
    def runs(self) -> bool:
        return not self.remark


def blocks_in(page: Path) -> list[Block]:
    """All fenced blocks of a Markdown page, in order."""
    lines = page.read_text(encoding="utf-8").splitlines()
    found, remark, number = [], "", 0
    while number < len(lines):
        opening = FENCE.match(lines[number])
        if not opening:
            said = REMARK.match(lines[number])
            # A remark holds for the next block; blank lines may stand between.
            remark = said["text"] if said else remark if not lines[number].strip() else ""
            number += 1
            continue
        end = number + 1
        while end < len(lines) and lines[end].strip() != opening["fence"]:
            end += 1
        code = textwrap.dedent("\n".join(lines[number + 1 : end])) + "\n"
        found.append(Block(page, number + 2, opening["language"], code, remark))
        remark, number = "", end + 1
    return found


def pages(root: Path = ROOT) -> list[Path]:
    """Every page that a reader is meant to find, the ones of the distributions included."""
    fronts = [dist.path / "README.md" for dist in distributions(root)]
    own = ("README.md", "CONTRIBUTING.md", "SECURITY.md", "CODE_OF_CONDUCT.md")
    return [*(root / name for name in own), *fronts, *sorted((root / "docs").rglob("*.md"))]


def suite_command(page: Path) -> str:
    (command,) = (block.code.strip() for block in blocks_in(page) if block.remark == "test command")
    return command


if __name__ == "__main__":
    if sys.argv[1:2] == ["--test-command"]:
        print(suite_command(Path(sys.argv[2]).resolve()))
    else:
        for page in pages():
            for block in blocks_in(page):
                print(f"{block}  {block.language or 'text'}  {block.remark or 'runs'}")
