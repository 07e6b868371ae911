# SPDX-License-Identifier: Apache-2.0
"""From rows to lines of text: the tree, then a bar on the run's timeline, duration, tokens, outcome.

The bar of a streamed LLM call is thin until its first token came.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from rich.cells import cell_len
from rich.text import Text

from nemo_relay.tree import Mark, Node

from . import wording
from .glyphs import CATEGORY_STYLES, PROBLEM, QUIET, STATUS_STYLES, Glyphs
from .rows import Row, first_token_ms, rows

_BAR = (8, 32)  # fewest and most cells
_LABEL_MINIMUM = 24
_GAP = 2
_MS = 1_000_000


@dataclass(frozen=True, slots=True)
class _Cells:
    """The cells of one row, right of its label."""

    duration: Text
    tokens: Text
    outcome: Text


class Picture:
    """The lines of one tree.

    Args:
        root: the tree.
        width: cells of the terminal.
        glyphs: the signs to use.
        everything: show also plumbing, and each mark by itself.
    """

    def __init__(self, root: Node, width: int, glyphs: Glyphs, *, everything: bool = False) -> None:
        self._root = root
        self._width = width
        self._glyphs = glyphs
        self._rows = list(rows(root, everything=everything))
        times = [node.end_ns or node.start_ns for node in root.walk()]
        self._begin = root.time_ns or 0
        self._length = max([time - self._begin for time in times if time is not None], default=0)

    def lines(self) -> Iterator[Text]:
        """The rows, then a summary."""
        labels = [self._label(row) for row in self._rows]
        cells = [self._cells(row.item) for row in self._rows]
        widths = self._column_widths(cells)
        label_width, bar_width = self._spread(labels, widths)
        for row, label, right in zip(self._rows, labels, cells, strict=True):
            label.truncate(label_width, overflow="ellipsis", pad=True)
            yield self._joined(label, self._bar(row.item, bar_width), right, widths)
            if isinstance(row.item, Node) and row.item.error:
                yield self._error_line(row, row.item.error)
        yield self._summary()

    def _label(self, row: Row) -> Text:
        text = Text(self._guides(row), style=QUIET, no_wrap=True)
        if isinstance(row.item, Mark):
            many = f" x{row.times}" if row.times > 1 else wording.facts(row.item.data, self._glyphs.ellipsis)
            name = wording.one_line(row.item.name)
            return text.append(f"{self._glyphs.mark} {name}{many}", style=QUIET)
        node = row.item
        style = CATEGORY_STYLES.get(node.category, "default")
        text.append(f"{self._glyphs.category(node.category)} ", style=style)
        text.append(f"{self._kind(node)} ", style=QUIET)
        text.append(wording.one_line(node.name), style=style)
        return text.append(self._detail(node), style=QUIET)

    def _guides(self, row: Row) -> str:
        if not row.rails:
            return ""
        above = "".join(self._glyphs.rail if more else self._glyphs.blank for more in row.rails[:-1])
        return above + (self._glyphs.branch if row.rails[-1] else self._glyphs.last_branch)

    def _kind(self, node: Node) -> str:
        kind = node.metadata.get("relay.kind") if node.category == "function" else None
        return kind if isinstance(kind, str) else node.category

    def _detail(self, node: Node) -> str:
        if node.category == "tool":
            return wording.arguments(node.input, self._glyphs.ellipsis)
        if node.category == "llm" and node.model and node.model != node.name:
            return self._glyphs.dot + wording.one_line(node.model)
        return ""

    def _cells(self, item: Node | Mark) -> _Cells:
        if isinstance(item, Mark):
            return _Cells(Text(), Text(), Text())
        sign = self._glyphs.statuses[item.status]
        word = "" if item.outcome in ("ok", item.status) and item.status == "ok" else f" {item.outcome}"
        style = STATUS_STYLES[item.status]
        tokens = item.tokens if item.category == "llm" else None
        counts = f"{tokens.input:,} {self._glyphs.arrow} {tokens.output:,}" if tokens else ""
        return _Cells(
            Text(wording.duration(item.duration_ns)),
            Text(counts, style=QUIET),
            Text(sign + word, style=style),
        )

    def _column_widths(self, cells: list[_Cells]) -> tuple[int, int, int]:
        """Duration, tokens, outcome; the first two give way on a narrow terminal."""
        duration = max(cell_len(c.duration.plain) for c in cells)
        tokens = max(cell_len(c.tokens.plain) for c in cells)
        outcome = max(cell_len(c.outcome.plain) for c in cells)
        free = self._width - _LABEL_MINIMUM - outcome - _GAP
        if free < duration + tokens + 2 * _GAP:
            tokens = 0
        if free < duration + _GAP:
            duration = 0
        return duration, tokens, outcome

    def _spread(self, labels: list[Text], widths: tuple[int, int, int]) -> tuple[int, int]:
        """How wide the labels and the bar are: the labels get what they need first."""
        left = self._width - sum(width + _GAP for width in widths if width)
        wanted = max(cell_len(label.plain) for label in labels)
        bar = min(_BAR[1], left - wanted - _GAP)
        if bar < _BAR[0] and left - _BAR[0] - _GAP >= 2 * _LABEL_MINIMUM:
            bar = _BAR[0]
        if bar < _BAR[0]:
            return max(1, min(wanted, left)), 0
        return min(wanted, left - bar - _GAP), bar

    def _bar(self, item: Node | Mark, width: int) -> Text:
        if not width:
            return Text()
        if isinstance(item, Mark) or item.time_ns is None or not self._length:
            return Text(" " * width)
        end = item.end_ns if item.end_ns is not None else self._begin + self._length
        first = self._column(item.time_ns, width - 1)
        last = max(first + 1, self._column(end, width))
        spoken = first
        if (waited := first_token_ms(item)) is not None:
            spoken = min(last - 1, max(first, self._column(item.time_ns + round(waited * _MS), width)))
        style = STATUS_STYLES[item.status] if item.status in ("error", "open") else ""
        style = style or CATEGORY_STYLES.get(item.category, QUIET)
        bar = Text(" " * first)
        bar.append(self._glyphs.waiting * (spoken - first), style=style)
        bar.append(self._glyphs.bar * (last - spoken), style=style)
        return bar.append(" " * (width - last))

    def _column(self, time_ns: int, most: int) -> int:
        part = (time_ns - self._begin) / self._length
        return min(most, max(0, round(part * most)))

    def _joined(self, label: Text, bar: Text, cells: _Cells, widths: tuple[int, int, int]) -> Text:
        line = label.copy()
        if bar.plain:
            line.append(" " * _GAP).append_text(bar)
        for cell, width in zip((cells.duration, cells.tokens), widths[:2], strict=True):
            if width:
                line.append(" " * (_GAP + width - cell_len(cell.plain))).append_text(cell)
        line.append(" " * _GAP).append_text(cells.outcome)
        line.rstrip()
        return line

    def _error_line(self, row: Row, error: str) -> Text:
        rails = "".join(self._glyphs.rail if more else self._glyphs.blank for more in row.rails)
        below = self._glyphs.rail if row.has_children else self._glyphs.blank
        line = Text(rails + below, style=QUIET, no_wrap=True)
        line.append(wording.one_line(error), style=PROBLEM)
        line.truncate(self._width, overflow="ellipsis")
        return line

    def _summary(self) -> Text:
        nodes = list(self._root.walk())
        models = [node for node in nodes if node.category == "llm"]
        tools = [node for node in nodes if node.category == "tool"]
        failed = sum(node.status == "error" for node in tools)
        tokens = self._root.total_tokens().total
        parts = [
            wording.duration(self._root.duration_ns),
            wording.counted(len(models), "LLM call") if models else "",
            wording.counted(tokens, "token") if tokens else "",
            wording.counted(len(tools), "tool call") + (f", {failed} failed" if failed else "") if tools else "",
        ]
        line = Text(self._glyphs.dot.join(part for part in parts if part), style=QUIET, no_wrap=True)
        line.truncate(self._width, overflow="ellipsis")
        return line
