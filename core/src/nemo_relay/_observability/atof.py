# SPDX-License-Identifier: Apache-2.0
"""The ``atof`` section: files by the core's own exporter, everything else by an installed sink."""

from __future__ import annotations

import json
from typing import Any

from nemo_relay._observability import extensions
from nemo_relay.atof import AtofExporter, AtofExporterConfig
from nemo_relay.types import Event

JsonObject = dict[str, Any]


def start(section: JsonObject, context: Any) -> bool:
    """Register every sink of the section; whether any of them works.

    Raises:
        SinkError: a file cannot be opened (a RuntimeError).
        MissingExtra: a sink's library is not installed (an ImportError).
    """
    sinks = section.get("sinks") or []
    others = [sink for sink in sinks if sink["type"] != "file"]
    files = [sink for sink in sinks if sink["type"] == "file"]
    for number, sink in enumerate(files):
        _file(sink, number, context)
    for sink in others:
        extensions.sink(sink).activate(sink, context)
    return bool(sinks)


def _file(sink: JsonObject, number: int, context: Any) -> None:
    key = "atof:" + json.dumps(sink, sort_keys=True)
    exporter = context.adopt(key, lambda: AtofExporter(_settings(sink)), AtofExporter.shutdown)

    def heard(_event: Event) -> None:
        """Never called: the runtime hands the line to the sink."""

    heard.__relay_sink__ = exporter.write  # type: ignore[attr-defined]
    context.register_subscriber(f"atof.file.{number}", heard)


def _settings(sink: JsonObject) -> AtofExporterConfig:
    settings = AtofExporterConfig()
    for name, value in sink.items():
        if name == "mode":
            settings.mode = type(settings.mode).Overwrite if value == "overwrite" else type(settings.mode).Append
        elif name != "type" and value is not None and hasattr(settings, name):
            setattr(settings, name, value)
    return settings
