# SPDX-License-Identifier: Apache-2.0
"""Looks at recorded runs: what happened, when, for how long, at what cost, and how it ended."""

try:
    from nemo_relay.siblings import expect_core
except ImportError as error:
    raise ImportError(
        "nemo-relay-viewer needs the nemo-relay of its own version, and found another package of that name: "
        'pip install --find-links dist "nemo-relay[viewer]>=0.12"'
    ) from error
else:
    expect_core("nemo-relay-viewer")


from .comparison import RunDiff, diff
from .index import Index, open_index
from .loading import load
from .page import Page, write_page
from .recovery import RecoveryReport, recover
from .show import export_svg, render

__all__ = [
    "Index",
    "Page",
    "RecoveryReport",
    "RunDiff",
    "diff",
    "export_svg",
    "load",
    "open_index",
    "recover",
    "render",
    "write_page",
]
