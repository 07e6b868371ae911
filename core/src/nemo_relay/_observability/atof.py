# SPDX-License-Identifier: Apache-2.0
"""The ``atof`` section: files by the core's own exporter, everything else by an installed sink."""

from __future__ import annotations

import json
import os
import threading
from typing import Any

from nemo_relay import AtofExporterMode
from nemo_relay._observability.masking import Masking, identity, redaction
from nemo_relay._runtime.log import faults
from nemo_relay.atof import AtofExporter, AtofExporterConfig
from nemo_relay.errors import MissingExtra
from nemo_relay.redaction import Redaction
from nemo_relay.types import Event
from nemo_relay_configuration.observability import extensions

JsonObject = dict[str, Any]


def start(section: JsonObject, context: Any, redact: bool | Redaction = True) -> bool:
    """Register every sink of the section; whether any of them works.

    Raises:
        SinkError: a file cannot be opened (a RuntimeError).
        MissingExtra: a sink's library is not installed (an ImportError).
    """
    sinks = section.get("sinks") or []
    missing: list[MissingExtra] = []
    for number, sink in enumerate(sinks):
        if sink["type"] == "file":
            _file({**sink, "redact": redaction(sink.get("redact", redact))}, number, context)
            continue
        try:
            extensions.sink(sink).activate(sink, Masking(context, redact))
        except MissingExtra as error:
            missing.append(error)
    if missing and len(missing) == len(sinks):
        raise missing[0]
    for one in missing:
        faults.report("observability_section_unavailable", one)
    return bool(sinks)


def _file(sink: JsonObject, number: int, context: Any) -> None:
    key = "atof:" + json.dumps([{**sink, "redact": identity(sink["redact"])}, os.getcwd()], sort_keys=True)
    outlet = context.adopt(key, lambda: Outlet(_settings(sink)), Outlet.close)

    def on_event(_event: Event) -> None:
        """Never called: the runtime hands the line to the sink."""

    on_event.__relay_sink__ = outlet  # type: ignore[attr-defined]
    context.count(f"atof {outlet.path}", outlet.counters)
    context.register_subscriber(f"atof.file.{number}", on_event)


class Outlet:
    """A file that takes every line it is handed, also one that an emitter was about to hand over when the file was
    closed: a change of the configuration loses nothing of what is under way."""

    def __init__(self, settings: AtofExporterConfig) -> None:
        self._settings = settings
        self._lock = threading.RLock()
        self._exporter: AtofExporter | None = AtofExporter(settings)
        self.path = self._exporter.path
        count = self._exporter.counters
        self.counters = lambda: count().to_dict()

    def __call__(self, line: bytes) -> None:
        with self._lock:
            if self._exporter is not None:
                self._exporter.write(line)
                return
            self._settings.mode = AtofExporterMode.Append
            late = AtofExporter(self._settings)
            late.write(line)
            late.shutdown()

    def close(self) -> None:
        """Write what waits and close the file.

        Raises:
            SinkError: lines were lost (a RuntimeError).
        """
        with self._lock:
            exporter, self._exporter = self._exporter, None
        if exporter is not None:
            exporter.shutdown()


def _settings(sink: JsonObject) -> AtofExporterConfig:
    settings = AtofExporterConfig()
    for name, value in sink.items():
        if name == "mode":
            settings.mode = AtofExporterMode.Overwrite if value == "overwrite" else AtofExporterMode.Append
        elif name != "type" and value is not None and hasattr(settings, name):
            setattr(settings, name, value)
    return settings
