# SPDX-License-Identifier: Apache-2.0
"""For `make docs`: show the examples of our docstrings as code.

Griffe knows examples only under the heading `Examples:`; elsewhere their prompts would be read as prose, and a
result such as `['a', 'b']` as a link.
"""

from __future__ import annotations

import re
from typing import Any

import griffe

EXAMPLE = re.compile(r"(?:^[ \t]*\S.*\n?)+", re.MULTILINE)


def fence(text: str) -> str:
    """`text` with a fence around every paragraph that starts with a prompt."""

    def fenced(match: re.Match[str]) -> str:
        paragraph = match[0]
        heading, _, rest = paragraph.partition("\n")
        if not heading.lstrip().startswith(">>> "):
            # The prompt may follow a heading such as `Example:` in the same paragraph.
            return f"{heading}\n{fence(rest)}" if ">>> " in rest else paragraph
        indent = heading[: len(heading) - len(heading.lstrip())]
        return f"{indent}```pycon\n{paragraph.rstrip()}\n{indent}```\n"

    return EXAMPLE.sub(fenced, text)


class FencedDoctests(griffe.Extension):  # type: ignore[misc]
    def on_object(self, *, obj: Any, **kwargs: Any) -> None:
        if obj.docstring is not None:
            obj.docstring.value = fence(obj.docstring.value)

    def on_package(self, *, pkg: Any, **kwargs: Any) -> None:
        """Griffe tells of a whole package here, and not above."""
        self.on_object(obj=pkg)
