# SPDX-License-Identifier: Apache-2.0
"""The table of tokens and cost."""

from __future__ import annotations

from rich.cells import set_cell_size

from .. import wording
from ..index import Index
from ..index.totals import Totals, grouped, total
from .blocks import Block
from .rowtext import NO_PRICE, money, short

_NAME = 16  # cells
_HEAD = ("calls", "fresh", "cached", "written", "out", "cost")


def cost_blocks(index: Index, root: int) -> list[Block]:
    """Tokens and cost of a run by agent, model and tool, and what is not known."""
    rows = list(index.below(root))
    groups, sums = grouped(index, rows), total(index, rows)
    blocks = [
        _table("agent", {**groups.agents, "all": sums}),
        _table("model", groups.models),
        _table("tool", groups.tools),
    ]
    notes = [f"{sums.uncounted} calls without usage", f"{sums.unpriced} calls without a price"]
    return [
        *blocks,
        Block(
            " · ".join(notes),
            "fresh + cached + written = all input tokens; a tool has the model calls below it",
            "bright_black",
            state="open",
        ),
    ]


def _table(title: str, groups: dict[str, Totals]) -> Block:
    lines = []
    for name, sums in groups.items():
        cells = (sums.llm, sums.fresh, sums.cached, sums.written, sums.out)
        cost = (money(sums.cost) if sums.priced else NO_PRICE) + (
            f" +{sums.unpriced}?" if sums.priced and sums.unpriced else ""
        )
        shown = set_cell_size(wording.one_line(name), _NAME)
        lines.append(shown + "".join(f"{short(cell):>7}" for cell in cells) + f"{cost:>9}")
    head = f"by {title}".ljust(_NAME) + "".join(f"{word:>7}" for word in _HEAD[:-1]) + f"{_HEAD[-1]:>9}"
    return Block(head, "\n".join(lines), "bold", state="open")
