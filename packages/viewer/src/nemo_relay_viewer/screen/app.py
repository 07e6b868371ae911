# SPDX-License-Identifier: Apache-2.0
"""The program: the file is read in a thread, the first rows show at once; then runs, then one run."""

from __future__ import annotations

import os
from pathlib import Path

from textual.app import App
from textual.worker import get_current_worker

from ..glyphs import ASCII, UNICODE
from ..index import Index, update
from .run import Run
from .runs import Runs

_COLOURLESS = ("dumb", "vt100", "vt220")


class Viewer(App[None]):
    """Looks at the runs of one file.

    Args:
        path: the file.
        ascii_only: no signs beyond ASCII.
        plain: no colours; by default where ``NO_COLOR`` is set or the terminal has none.
    """

    ENABLE_COMMAND_PALETTE = False
    CSS = """
    Screen { background: ansi_default; color: ansi_default; }
    #head, #why, #foot, #note { height: 1; background: ansi_default; color: ansi_default; }
    #foot { color: ansi_bright_black; }
    Input { height: 1; border: none; padding: 0; background: ansi_default; color: ansi_default; }
    Input:focus { border: none; }
    Lines { background: ansi_default; color: ansi_default; }
    #panes { height: 1fr; }
    #runs { height: 1fr; }
    """

    def __init__(self, path: Path, *, ascii_only: bool = False, plain: bool | None = None) -> None:
        wanted = os.environ.pop("NO_COLOR", None)  # textual's own filter turns red into dark grey on black
        super().__init__(ansi_color=True)
        self.theme = "ansi-dark"
        self.plain = bool(wanted) or os.environ.get("TERM") in _COLOURLESS if plain is None else plain
        self.glyphs = ASCII if ascii_only else UNICODE
        self.index = Index(path)
        self.loading_done = False

    def on_mount(self) -> None:
        """Begin to read; show the first rows soon."""
        self.push_screen(Run(self.index, None, self.glyphs, plain=self.plain))
        self.run_worker(self._read, thread=True, exclusive=True)

    def _read(self) -> None:
        worker = get_current_worker()

        def progress(done: int) -> None:
            if worker.is_cancelled:
                raise SystemExit
            self.call_from_thread(self._some_read, done)

        try:
            update(self.index, progress)
        except OSError as error:
            self.call_from_thread(self.exit, None, 2, f"{self.index.path}: {error.strerror}")
            return
        if not worker.is_cancelled:
            self.call_from_thread(self._all_read)

    def _some_read(self, done: int) -> None:
        if isinstance(self.screen, Run):
            self.screen.reading(done)

    def _all_read(self) -> None:
        self.loading_done = True
        if len(self.index.roots) > 1:
            self.pop_screen()
            self.choose()
        elif isinstance(self.screen, Run):
            self.screen.read()

    def choose(self) -> None:
        """Show the list of runs, then the one that was chosen."""
        self.push_screen(Runs(self.index, self.glyphs, plain=self.plain), self._chosen)

    def _chosen(self, root: int | None) -> None:
        if root is not None:
            self.push_screen(Run(self.index, root, self.glyphs, plain=self.plain))
