# SPDX-License-Identifier: Apache-2.0
"""The commands, one module each: ``add`` describes its arguments, ``run`` does it and returns the exit code."""

SUMMARIES = {
    "show": "print the tree of a run",
    "view": "look at runs on an interactive screen",
    "page": "write a run as one HTML file",
    "diff": "compare two runs",
    "stats": "tokens, cost, latency and errors over many files",
    "import": "write what another tool recorded as events",
    "recover": "make a file whole whose program was killed",
}
