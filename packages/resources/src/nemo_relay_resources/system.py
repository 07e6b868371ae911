# SPDX-License-Identifier: Apache-2.0
"""The machine: memory, file systems, network."""

from __future__ import annotations

import os
import sys
from typing import Any

_PLATFORMS = {"linux": "linux", "darwin": "macos", "win32": "windows"}


def operating_system() -> str:
    """``linux``, ``macos``, ``windows`` or ``unsupported``."""
    return _PLATFORMS.get(sys.platform, "unsupported")


def memory(psutil: Any) -> tuple[int, int, int]:
    """Used, total and available bytes. Used is what is not available: caches can be had back at any time."""
    found = psutil.virtual_memory()
    return found.total - found.available, found.total, found.available


def peak_resident() -> int | None:
    """The most memory this process has had resident, in bytes."""
    try:
        import resource
    except ImportError:  # Windows
        return None
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1_024


def filesystem(path: str) -> tuple[int, int, int] | None:
    """Total, available and free bytes of the file system at ``path``; None where there is none."""
    try:
        if sys.platform == "win32":
            import shutil

            usage = shutil.disk_usage(path)
            return usage.total, usage.free, usage.free
        found = os.statvfs(path)
    except OSError:
        return None
    return found.f_blocks * found.f_frsize, found.f_bavail * found.f_frsize, found.f_bfree * found.f_frsize


Traffic = dict[str, int]

_NETWORK = {
    "received_data": "bytes_recv",
    "transmitted_data": "bytes_sent",
    "received_packets": "packets_recv",
    "transmitted_packets": "packets_sent",
    "receive_errors": "errin",
    "transmit_errors": "errout",
}


def network(psutil: Any) -> dict[str, Traffic]:
    """The counters of each interface, by its name."""
    found = psutil.net_io_counters(pernic=True, nowrap=False) or {}
    return {name: {ours: getattr(one, theirs) for ours, theirs in _NETWORK.items()} for name, one in found.items()}


def together(interfaces: dict[str, Traffic]) -> Traffic:
    """The counters of all interfaces, summed."""
    return {name: sum(one[name] for one in interfaces.values()) for name in _NETWORK}


def rate(now: int | None, before: int | None, seconds: float) -> float | None:
    """Growth per second; None when there is nothing to compare, or the counter was reset."""
    if now is None or before is None or seconds <= 0 or now < before:
        return None
    return (now - before) / seconds
