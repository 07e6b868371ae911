# SPDX-License-Identifier: Apache-2.0
"""The commands, one module each: ``add`` describes its arguments, ``run`` does it and returns the exit code."""

SUMMARIES = {
    "show": "print the tree of a run",
    "page": "write a run as one HTML file",
    "view": "look at runs on an interactive screen",
}
