# SPDX-License-Identifier: Apache-2.0
"""A run that is killed: started as a process by the tests, with the endpoint, the spool and the file of its events."""

from __future__ import annotations

import sys
import time

from nemo_relay import AtofExporter, AtofExporterConfig, AtofExporterMode, ScopeType, scope, tools
from nemo_relay_otel import from_config


def main(endpoint: str, spool: str, folder: str, filename: str, calls: int) -> None:
    config = AtofExporterConfig()
    config.output_directory, config.filename = folder, filename
    config.mode = AtofExporterMode.Append
    exporter = AtofExporter(config)
    traces = [{"type": "full", "endpoint": endpoint, "scheduled_delay_millis": 20, "max_export_batch_size": 64}]
    exporters = from_config({"traces": traces, "spool": {"directory": spool}})
    exporters.register("otel")
    exporter.register("atof")  # behind it: what the file announces, the spool has
    print("ready", flush=True)
    with scope.scope("planner", ScopeType.Agent):
        for number in range(calls):
            tools.execute_sync("search", {"number": number}, lambda arguments: arguments)
    while not exporters.force_flush(5):
        time.sleep(0.05)
    print("done", exporters.shutdown(20), flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:5], int(sys.argv[5]))
