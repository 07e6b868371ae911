# SPDX-License-Identifier: Apache-2.0
"""A line to type in."""

from __future__ import annotations

from textual.widgets import Input


class Entry(Input):
    """Without a blinking cursor, so that a screen at rest sends nothing over the wire."""

    def on_mount(self) -> None:
        """Keep the cursor still."""
        self.cursor_blink = False
