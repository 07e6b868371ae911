# SPDX-License-Identifier: Apache-2.0
"""What was found since the process began, by detector: never what it was."""

from __future__ import annotations

from collections import Counter

found: Counter[str] = Counter()


def counters() -> dict[str, int]:
    """How much was redacted since the process began.

    Returns:
        The name of a detector -> how often it found something. ``pattern`` counts a pattern of the configuration,
        ``text`` texts that were rewritten as a whole, ``omitted`` payloads that could not be taken apart.
    """
    return dict(found)
