# SPDX-License-Identifier: Apache-2.0
"""Settings of a process that is a gateway and nothing else. A program that embeds a gateway keeps its own."""

from __future__ import annotations

import ctypes
import sys

_TRIM_THRESHOLD, _TOP_PAD, _MMAP_THRESHOLD = -1, -2, -3  # numbers of mallopt(3)
_MIB = 1024 * 1024


def keep_memory() -> None:
    """Keep the memory of a body for the next one, up to 256 MB.

    The C library of Linux gives the memory of large bodies back to the kernel, which clears each page anew for the
    next: with 16 connections a third of the time of a 200 KB call. Elsewhere this does nothing.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None) if sys.platform == "linux" else None
    if mallopt is not None:  # musl has none
        mallopt(_TRIM_THRESHOLD, 256 * _MIB)
        mallopt(_MMAP_THRESHOLD, 32 * _MIB)
        mallopt(_TOP_PAD, 16 * _MIB)
