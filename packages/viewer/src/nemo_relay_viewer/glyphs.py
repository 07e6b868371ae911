# SPDX-License-Identifier: Apache-2.0
"""The signs and colours of the picture, for terminals that know Unicode and for those that do not."""

from dataclasses import dataclass

CATEGORY_STYLES = {
    "agent": "bold magenta",
    "llm": "cyan",
    "tool": "yellow",
    "retriever": "blue",
    "embedder": "blue",
    "reranker": "blue",
    "guardrail": "red",
    "evaluator": "green",
}
STATUS_STYLES = {"ok": "green", "error": "bold red", "cancelled": "yellow", "open": "bold yellow"}
QUIET = "bright_black"
PROBLEM = "red"


@dataclass(frozen=True, slots=True)
class Glyphs:
    """One set of signs. Every sign is one cell wide, except those of `status` in plain ASCII."""

    categories: dict[str, str]
    other: str
    mark: str
    statuses: dict[str, str]
    branch: str
    last_branch: str
    rail: str
    blank: str
    bar: str
    waiting: str
    arrow: str
    ellipsis: str
    dot: str
    opened: str
    closed: str

    def category(self, name: str) -> str:
        """The sign of a category."""
        return self.categories.get(name, self.other)


# Geometric shapes only: signs that may be drawn as emoji have no width one can rely on.
UNICODE = Glyphs(
    categories={"agent": "◆", "function": "○", "llm": "●", "tool": "■", "retriever": "▲", "guardrail": "▣"},
    other="◇",
    mark="·",
    statuses={"ok": "✓", "error": "✗", "cancelled": "⊘", "open": "…"},
    branch="├─ ",
    last_branch="└─ ",
    rail="│  ",
    blank="   ",
    bar="━",
    waiting="─",
    arrow="→",
    ellipsis="…",
    dot=" · ",
    opened="▾",
    closed="▸",
)
ASCII = Glyphs(
    categories={"agent": "@", "function": "o", "llm": "*", "tool": "#", "retriever": "^", "guardrail": "!"},
    other="+",
    mark="-",
    statuses={"ok": "ok", "error": "!!", "cancelled": "--", "open": ".."},
    branch="|- ",
    last_branch="`- ",
    rail="|  ",
    blank="   ",
    bar="=",
    waiting="-",
    arrow=">",
    ellipsis="~",
    dot=", ",
    opened="v",
    closed=">",
)
