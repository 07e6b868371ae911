# SPDX-License-Identifier: Apache-2.0
"""The ``opentelemetry`` section of the observability component, as the plugin host finds it by entry point."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict
from typing import Any

from nemo_relay_otel.config.section import Section
from nemo_relay_otel.config.validation import diagnose as diagnose
from nemo_relay_otel.exporters import Exporters
from nemo_relay_otel.factory import build
from nemo_relay_otel.joining import Joiner, leave
from nemo_relay_spool.pipeline import Pipeline


def schema() -> dict[str, Any]:
    """The JSON Schema of the section."""
    return Section.model_json_schema(by_alias=False)


def activate(section: Mapping[str, Any], context: Any) -> None:
    """Set the section's destinations up, and those that the environment names.

    Args:
        section: the checked section; empty where there is none.
        context: the plugin host's; pipelines that did not change are taken over from the configuration before.

    Raises:
        ValueError: destinations are configured, and none of them can be set up.
    """
    checked = Section.model_validate(dict(section))

    def adopt(key: str, make: Callable[[], Pipeline]) -> Pipeline:
        made: Pipeline = context.adopt(f"opentelemetry:{key}", make, Pipeline.close)
        return made

    built = build(checked, adopt, environment=True)
    if not built.pipelines:
        return
    built.diagnostics.listener = context.report_runtime
    for skipped in built.skipped:
        field = f"opentelemetry.{skipped.field}"
        context.report_runtime("otel.destination_skipped", f"{skipped.field} is left out: {skipped.reason}", field)
    joiner = context.adopt("opentelemetry:join", Joiner, leave) if checked.join_application_traces else None
    exporters = Exporters(built.pipelines, built.diagnostics, joiner=joiner)
    context.register_subscriber("opentelemetry", exporters.subscriber())
    for name in exporters.counters():
        context.count(name, lambda name=name: asdict(exporters.counters()[name]))
    exporters.start()
