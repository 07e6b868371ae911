# SPDX-License-Identifier: Apache-2.0
"""An application on Logfire, with spans of its own around and inside an agent: started in a venv that has it."""

from __future__ import annotations

import json
import site
import sys
from typing import Any

site.addsitedir(sys.argv[1])  # ours, behind Logfire's own packages

import logfire  # type: ignore[import-not-found]
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from nemo_relay import ScopeType, scope, tools
from nemo_relay_otel import from_config


def search(arguments: Any) -> Any:
    with logfire.span("http"):
        return arguments


memory = InMemorySpanExporter()
processors = [SimpleSpanProcessor(memory)]
logfire.configure(send_to_logfire=False, console=False, additional_span_processors=processors)
exporters = from_config({"traces": [{"type": "full", "endpoint": sys.argv[2]}], "spool": {"enabled": False}})
exporters.register("otel")
with logfire.span("request"), scope.scope("planner", ScopeType.Agent):
    tools.execute_sync("search", {"q": 1}, search)
assert exporters.shutdown(30)
found = {}
for span in memory.get_finished_spans():
    assert span.context is not None
    above = "" if span.parent is None else f"{span.parent.span_id:016x}"
    found[span.name] = [f"{span.context.trace_id:032x}", f"{span.context.span_id:016x}", above]
print(json.dumps(found))
