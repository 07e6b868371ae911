# SPDX-License-Identifier: Apache-2.0
"""Memory while the collector is down: ``bench_otel.py`` runs this in a process of its own."""

from __future__ import annotations

import resource
import sys
import tempfile

from nemo_relay import ScopeType, scope, tools
from nemo_relay_otel import from_config


def peak() -> float:
    """The most memory that this process has had, in MiB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def main(events: int) -> None:
    """A tenth of the events, then all of them: what the peak grows by between the two."""
    with tempfile.TemporaryDirectory() as folder:
        traces = [{"type": "full", "endpoint": "http://127.0.0.1:9", "scheduled_delay_millis": 50}]
        exporters = from_config({"traces": traces, "spool": {"directory": folder}})
        exporters.register("otel")
        marks = []
        for share in (10, 1):
            for _ in range(events // share // 22):
                with scope.scope("planner", ScopeType.Agent):
                    for number in range(10):
                        tools.execute_sync("search", {"number": number}, lambda arguments: arguments)
            marks.append(peak())
        exporters.shutdown(0.2)
        (counters,) = exporters.counters().values()
        print(
            f"peak {marks[0]:.1f} MiB after {events // 10:,} events, {marks[1]:.1f} MiB after {counters.offered:,};"
            f" {counters.spooled:,} in the spool, {counters.dropped:,} dropped"
        )


if __name__ == "__main__":
    main(int(sys.argv[1]))
