# SPDX-License-Identifier: Apache-2.0
"""What happens to a failure that must not reach the application: counted, and reported once per kind."""

from __future__ import annotations

import sys
from collections import Counter

counts: Counter[str] = Counter()


def report(event: str, error: BaseException, **fields: object) -> None:
    """Count the failure ``event``; write it to the operational log the first time it happens for these ``fields``."""
    key = f"{event}:{sorted(fields.items())!r}:{type(error).__name__}"
    counts[event] += 1
    counts[key] += 1
    if counts[key] == 1:
        from nemo_relay._runtime import oplog

        oplog.error(event, f"{type(error).__name__}: {error}", **fields)


def say(line: str) -> None:
    """Write one line to standard error, where there still is one."""
    try:
        sys.stderr.write(line + "\n")
    except Exception:  # noqa: S110 - a closed stderr must not become the application's problem
        pass
