# SPDX-License-Identifier: Apache-2.0
"""Draws the pictures of the terminal editor in ``docs/images``: run it when the editor has changed."""

from __future__ import annotations

import asyncio
import os
import re
import tempfile

from nemo_relay_cli.documents import Document, place
from nemo_relay_cli.editor.screens import Editor
from workspace import ROOT

_SIZE = (84, 20)
_VALUES = {
    "observability.atof.enabled": True,
    "observability.atof.output_directory": ".nemo-relay/atof",
    "observability.atof.filename": "events.jsonl",
    "observability.atof.mode": "overwrite",
    "observability.atif.enabled": True,
    "observability.atif.output_directory": ".nemo-relay/atif",
}
_PICTURES = {"editor-menu": (), "editor-atof": ("down", "enter"), "editor-preview": ("p",)}
_ADDRESSES = re.compile(r"@font-face \{.*?\}\s*|<!--.*?-->\s*", re.DOTALL)  # of somebody else: a picture needs none


async def draw(name: str, keys: tuple[str, ...]) -> None:
    """One picture: the editor after some keys."""
    document = Document(place("project"))
    for key, value in _VALUES.items():
        document.set(key, value)
    editor = Editor(document)
    async with editor.run_test(size=_SIZE) as pilot:
        await pilot.press(*keys)
        await pilot.pause()
        picture = _ADDRESSES.sub("", editor.export_screenshot(title="nemo-relay plugins edit --project"))
    fixed = re.sub(r"terminal-\d+", "terminal", picture).replace("Fira Code", "ui-monospace")
    (ROOT / "docs" / "images" / f"{name}.svg").write_text(fixed, encoding="utf-8")


def main() -> None:
    """Draw all of them."""
    with tempfile.TemporaryDirectory() as empty:
        os.chdir(empty)
        for name, keys in _PICTURES.items():
            asyncio.run(draw(name, keys))


if __name__ == "__main__":
    main()
