# SPDX-License-Identifier: Apache-2.0
"""Shows a recorded run as a tree: what happened, when, for how long, at what cost, and how it ended."""

try:
    from nemo_relay.siblings import expect_core
except ImportError as error:
    raise ImportError(
        "nemo-relay-viewer needs the nemo-relay of its own version, and found another package of that name: "
        'pip install --find-links dist "nemo-relay[viewer]>=0.12"'
    ) from error
else:
    expect_core("nemo-relay-viewer")


from .loading import load
from .show import export_svg, render

__all__ = ["export_svg", "load", "render"]
