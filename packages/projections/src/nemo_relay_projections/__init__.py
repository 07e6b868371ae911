# SPDX-License-Identifier: Apache-2.0
"""Projections: pure functions over the event stream. Each is loaded when it is asked for."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from nemo_relay_projections.atif import trajectory as trajectory
    from nemo_relay_projections.atif_completeness import completeness as completeness
    from nemo_relay_projections.atif_stream import TrajectoryStream as TrajectoryStream
    from nemo_relay_projections.nodes import Forest as Forest
    from nemo_relay_projections.tree import build as build

_HOMES = {
    "Forest": "nodes",
    "TrajectoryStream": "atif_stream",
    "build": "tree",
    "completeness": "atif_completeness",
    "trajectory": "atif",
}

__all__ = ["Forest", "TrajectoryStream", "build", "completeness", "trajectory"]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return sorted(__all__)
