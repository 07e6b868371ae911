# SPDX-License-Identifier: Apache-2.0
"""Where the published package is installed: in a venv of its own, since both packages are called ``nemo_relay``."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable
from pathlib import Path

from venvs import missing, provide

VERSION = "0.10.4"
VARIABLE = "NEMO_RELAY_PUBLISHED_PYTHON"


def interpreter(beside: Iterable[str] = ()) -> Path | None:
    """The interpreter that has it, and the pinned requirements ``beside`` it: the one ``NEMO_RELAY_PUBLISHED_PYTHON``
    names, else one made here; None (after a message) where it cannot be installed.
    """
    name = "nemo-relay[langgraph]" if beside else "nemo-relay"  # with what its adapters import
    wanted, named = [f"{name}=={VERSION}", *beside], os.environ.get(VARIABLE)
    if named:
        python, lacking = Path(named), missing(Path(named), wanted)
        problem = f"{named!r} has no {', '.join(lacking)}" if lacking else ""
    else:
        python, problem = provide("published", wanted)
    if not problem:
        return python
    print(f"skipped: the comparison with nemo-relay {VERSION}: {problem}; only our side is shown", file=sys.stderr)
    print(f"         install it in a venv of its own and name its interpreter in {VARIABLE}", file=sys.stderr)
    return None
