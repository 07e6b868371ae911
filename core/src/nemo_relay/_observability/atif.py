# SPDX-License-Identifier: Apache-2.0
"""The ``atif`` section: one trajectory file per session."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from nemo_relay._runtime.delivery.trajectories import TrajectoryFiles

JsonObject = dict[str, Any]


def start(section: JsonObject, context: Any) -> bool:
    """Register the trajectory files."""
    folder = Path(section.get("output_directory") or os.getcwd())
    files = TrajectoryFiles(folder)
    context.on_close(files.finish)
    context.register_subscriber("atif", files.hear)
    return True
