# SPDX-License-Identifier: Apache-2.0
"""Shows a recorded run as a tree: what happened, when, for how long, at what cost, and how it ended."""

from .loading import load
from .show import export_svg, render

__all__ = ["export_svg", "load", "render"]
