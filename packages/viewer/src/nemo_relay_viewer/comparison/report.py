# SPDX-License-Identifier: Apache-2.0
"""A comparison to read: as text, Markdown or a page."""

from __future__ import annotations

import html
from collections.abc import Iterator

from ..screen.blocks import safe
from .align import Change, RunDiff, text_diff

_SIGNS = {"added": "+", "removed": "-", "changed": "~", "reordered": ">"}
_LINES = 12  # of one field


def as_text(found: RunDiff, broken: list[str]) -> str:
    """Lines for a terminal."""
    lines = [*_heads(found), f"= {found.equal} steps are equal"]
    for number, change in enumerate(found.changes):
        first = "   <- first difference" if number == 0 else ""
        lines.append(f"{_SIGNS[change.what]} {change.what:<9} {_label(change)}{first}")
        lines += [f"      {line}" for line in _fields(change)]
    lines += [f"FAIL {why}" for why in broken]
    return "\n".join(safe(line).replace("\n", " ") for line in lines)  # a name cannot begin a line of its own


def as_markdown(found: RunDiff, broken: list[str]) -> str:
    """For a comment or a job's summary; what comes from a run stands in code blocks that it cannot end."""
    body = as_text(found, [])
    fence = "`" * max(3, 1 + max((len(run) for run in _runs(body)), default=0))
    verdict = "".join(f"* **failed** `{why.replace('`', chr(39))}`\n" for why in broken)
    return f"### Comparison of two runs\n\n{verdict}\n{fence}diff\n{body}\n{fence}\n"


def _runs(text: str) -> Iterator[str]:
    run = ""
    for sign in text + " ":
        if sign == "`":
            run += sign
        elif run:
            yield run
            run = ""


def as_page(found: RunDiff, broken: list[str]) -> str:
    """One HTML file without a script."""
    lines = as_text(found, broken).split("\n")
    rows = "\n".join(f'<span class="{_kind(line)}">{html.escape(line)}</span>' for line in lines)
    return _PAGE.replace("{{rows}}", rows)


_PAGE = """<!doctype html><html lang="en"><head>
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<meta charset="utf-8"><title>Comparison of two runs</title><style>
:root { color-scheme: light dark } body { font: 14px system-ui; margin: 24px } pre { white-space: pre-wrap }
.a { color: light-dark(#1a6b33, #6fdd8b) } .r { color: light-dark(#b3261e, #ff8a80) } .c { font-weight: bold }
</style></head><body><h1>Comparison of two runs</h1><pre>{{rows}}</pre></body></html>
"""


def _kind(line: str) -> str:
    mark = line.strip()[:1]
    return {"+": "a", "-": "r", "~": "c", "F": "r"}.get(mark, "q")


def _heads(found: RunDiff) -> Iterator[str]:
    for name, (was, now) in found.totals.items():
        more = f"  {(now - was) / was * 100:+.0f} %" if was and now != was else ""
        yield f"  {name:<11} {was:g} -> {now:g}{more}"


def _label(change: Change) -> str:
    return f"{change.kind} {change.name}" + (f"   in {change.place}" if change.place else "")


def _fields(change: Change) -> Iterator[str]:
    if change.what != "changed":
        return
    for name, (was, now) in change.fields.items():
        yield f"{name}:"
        lines = list(text_diff(was, now))
        yield from (f"  {line}" for line in lines[:_LINES])
        if len(lines) > _LINES:
            yield f"  {len(lines) - _LINES} lines more"
