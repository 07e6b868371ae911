# SPDX-License-Identifier: Apache-2.0
"""From a file of events to the page. The same events give the same bytes."""

from __future__ import annotations

import base64
import hashlib
import html
import os
import tempfile
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

from nemo_relay.redaction import Redaction

from .. import wording
from ..index import Index
from ..index.verdict import failure_text
from .rows import Columns, bodies, summary
from .store import Blocks, Store, encoded, packed

MOST = 64 << 20  # bytes of a page
_SCRIPTS = ("data.js", "tree.js", "detail.js", "timeline.js", "main.js")
_STATIC = 200  # rows that are there without a script
_TOO_LARGE = f"the page would have more than {MOST >> 20} MB: give one run with --only '#UUID', or --without-content"
_FORBIDDEN = ("</script", "<!--")


class PageTooLarge(ValueError):
    """The page would be larger than a browser takes well; the message says what to leave out."""


@dataclass(frozen=True, slots=True)
class Page:
    """What was written.

    Attributes:
        path: the file.
        bytes: its size.
        rows: spans and marks in it.
        redacted: values that were masked on the way.
    """

    path: Path
    bytes: int
    rows: int
    redacted: int


def write_page(
    index: Index,
    out: str | os.PathLike[str],
    *,
    roots: Iterable[int] | None = None,
    title: str | None = None,
    redact: bool = True,
    content: bool = True,
) -> Page:
    """Write a run, or all runs of a file, as one HTML file.

    Args:
        index: of the file.
        out: the page; an existing one is replaced when the new one is whole.
        roots: the rows whose trees it shows; all when left out.
        title: by default the name of the first root.
        redact: mask secrets once more, since a page is made to be sent.
        content: with requests, answers, arguments and results.

    Returns:
        What was written.

    Raises:
        PageTooLarge: it would be over 64 MB (a ValueError).
        ValueError: there are no events.
        OSError: it cannot be written.
    """
    chosen = list(index.roots if roots is None else roots)
    if not chosen:
        raise ValueError(f"there are no events in {os.fspath(index.path)!r}")
    mask = _Masking(redact)
    previous = index.decode_filter
    index.decode_filter = mask.line if redact else None
    index.payload.cache_clear()
    try:
        text = _page(index, chosen, title, mask, content=content)
    finally:
        index.decode_filter = previous
        index.payload.cache_clear()
    return _written(Path(out), text, mask.count, sum(1 for root in chosen for _ in index.below(root)))


class _Masking:
    """Secrets out of lines and words, counted."""

    def __init__(self, redact: bool) -> None:
        self._redaction = Redaction() if redact else None
        self._seen: set[int] = set()
        self.count = 0

    def line(self, line: bytes) -> bytes:
        """A line of the file without secrets."""
        if self._redaction is None:
            return line
        masked = self._redaction.line(line)
        key = hash(line)
        if masked != line and key not in self._seen:
            self._seen.add(key)
            mark = str(self._redaction.replacement).encode()
            self.count += max(1, masked.count(mark) - line.count(mark))
        return masked

    def __call__(self, value: Any) -> Any:
        """Texts in lists and objects without secrets; their keys are names of a run, too."""
        if isinstance(value, str):
            return self._text(value)
        if isinstance(value, list):
            return [self(item) for item in value]
        return {self._text(key): self(item) for key, item in value.items()} if isinstance(value, dict) else value

    def _text(self, text: str) -> str:
        return text if self._redaction is None else str(self._redaction.text(text))


def _page(index: Index, roots: list[int], title: str | None, mask: _Masking, *, content: bool) -> str:
    columns, store, rows = Columns(index, roots), Store(), Blocks()
    for line in bodies(columns, store, content=content):
        rows.add(line)
        if store.blocks.bytes + rows.bytes > MOST:
            raise PageTooLarge(_TOO_LARGE)
    rows.close()
    store.blocks.close()
    name = wording.one_line(title if title is not None else mask([index.text(index.name[roots[0]])])[0])
    mask.count += sum(mask(word) != word for word in index.words)
    head = {
        "title": name,
        **summary(index, roots, mask),
        "columns": columns.to_json(mask),
        "rows": rows.offsets,
        "messages": store.blocks.offsets,
        "redacted": mask.count,
        "content": content,
    }
    if head["verdict"]:
        head["verdict"][0] = columns.place[head["verdict"][0]]
    blocks = [("index", [packed(encoded(head))]), ("rows", rows.packed), ("messages", store.blocks.packed)]
    return _html(name, _static(index, columns, mask), blocks)


def _static(index: Index, columns: Columns, mask: Callable[[Any], Any]) -> str:
    """The first rows as a table, for previews and where no script runs."""
    shown = []
    for row in columns.order[:_STATIC]:
        cells = [index.text(index.category[row]), index.text(index.name[row]), wording.duration(index.duration(row))]
        cells += [index.text(index.outcome[row]), failure_text(index, row)]
        shown.append(cells)
    lines = ["".join(f"<td>{html.escape(_visible(cell))}</td>" for cell in cells) for cells in mask(shown)]
    head = "".join(f"<th scope=col>{word}</th>" for word in ("kind", "name", "time", "outcome", "error"))
    more = len(columns.order) - len(shown)
    note = f"<p>{more:,} rows more are shown by the script of this page.</p>" if more else ""
    body = "</tr><tr>".join(lines)
    return f"<table id=static><thead><tr>{head}</tr></thead><tbody><tr>{body}</tr></tbody></table>{note}"


def _visible(text: str) -> str:
    return "".join(sign if sign.isprintable() else f"⟨U+{ord(sign):04X}⟩" for sign in text)


def _asset(name: str) -> str:
    return files(__package__).joinpath("assets", name).read_text(encoding="utf-8")


def _html(title: str, static: str, blocks: list[tuple[str, list[str]]]) -> str:
    script = "\n".join(["'use strict';", "(() => {", *map(_asset, _SCRIPTS), "})();"])
    style = _asset("page.css")
    for text in (script, style):
        if any(word in text.lower() for word in _FORBIDDEN):
            raise AssertionError("an asset would end its own element")
    policy = (
        f"default-src 'none'; script-src '{_hash(script)}'; style-src '{_hash(style)}'; img-src blob:; "
        "base-uri 'none'; form-action 'none'; require-trusted-types-for 'script'; trusted-types 'none'"
    )
    data = "\n".join(
        f'<script type="application/octet-stream" data-kind="{kind}">{block}</script>'
        for kind, packed_blocks in blocks
        for block in packed_blocks
    )
    body = _asset("body.html").replace("{{static}}", static)
    return (
        f'<!doctype html><html lang="en"><head><meta http-equiv="Content-Security-Policy" content="{policy}">'
        '<meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">'
        '<meta name="referrer" content="no-referrer">'
        f"<title>{html.escape(_visible(title))}</title><style>{style}</style></head>"
        f"<body>{body}\n{data}\n<script>{script}</script></body></html>\n"
    )


def _hash(text: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode("utf-8")).digest()).decode("ascii")


def _written(path: Path, text: str, redacted: int, rows: int) -> Page:
    content = text.encode("utf-8", "replace")
    if len(content) > MOST:
        raise PageTooLarge(_TOO_LARGE)
    with tempfile.NamedTemporaryFile(dir=path.parent, prefix=f".{path.name}.", delete=False) as file:
        file.write(content)
    os.replace(file.name, path)
    return Page(path, len(content), rows, redacted)
