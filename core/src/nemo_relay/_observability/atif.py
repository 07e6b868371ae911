# SPDX-License-Identifier: Apache-2.0
"""The ``atif`` section: one trajectory file per session, and from there to where trajectories are kept."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from nemo_relay import __version__
from nemo_relay._observability.uploads import Store, Uploads
from nemo_relay._runtime.delivery.live_trajectories import LiveTrajectories
from nemo_relay._runtime.delivery.session import Style
from nemo_relay._runtime.delivery.sinks import tap
from nemo_relay._runtime.log import faults
from nemo_relay.errors import MissingExtra
from nemo_relay.redaction import Redaction, chosen
from nemo_relay.types import Event
from nemo_relay_configuration.observability import extensions
from nemo_relay_configuration.observability.templates import Unnamed, rendered

JsonObject = dict[str, Any]
_CLOSE_SECONDS = 60.0


def start(section: JsonObject, context: Any, redact: bool | Redaction = True) -> bool:
    """Register the trajectory files."""
    key = "atif:" + json.dumps([section, os.getcwd()], sort_keys=True)
    destination = context.adopt(key, lambda: Destination(section, context), Destination.close)

    def on_event(_event: Event) -> None:
        """Never called: the runtime hands the line to the sink."""

    on_event.__relay_sink__ = tap(destination.files, chosen(redact))  # type: ignore[attr-defined]
    context.count(f"atif {destination.folder}", lambda: destination.files.counters().to_dict())
    context.register_subscriber("atif", on_event)
    return True


class Destination:
    """The files of one configuration of the section, and what is sent of them."""

    def __init__(self, section: JsonObject, context: Any) -> None:
        self._template: str = section.get("filename_template") or "nemo-relay-atif-{session_id}.json"
        self._report = context.report_runtime
        self.folder = folder = Path(os.path.abspath(section.get("output_directory") or os.getcwd()))
        stores = self._stores(section.get("storage") or [])
        self._uploads = Uploads(stores, folder, self._not_sent) if stores else None
        self.files = LiveTrajectories(folder, self._style(section))

    def close(self) -> None:
        """Write what is open, and send what waits."""
        self.files.close(_CLOSE_SECONDS)
        if self._uploads is not None:
            self._uploads.close()

    def _style(self, section: JsonObject) -> Style:
        agent = {
            "name": section.get("agent_name") or "NeMo Relay",
            "version": section.get("agent_version") or __version__,
            "model_name": section.get("model_name") or "unknown",
            "tool_definitions": section.get("tool_definitions"),
            "extra": section.get("extra"),
        }
        return Style(
            agent={key: value for key, value in agent.items() if value is not None},
            file_name=self._name,
            observed_events=section.get("include_observed_events", True),
            llm_requests=section.get("include_llm_requests", True),
            schema_version=section.get("schema_version"),
            written=None if self._uploads is None else self._uploads.written,
            failed=lambda session, error: self._report(
                "atif.local_write_failed", faults.describe(error), "output_directory", session
            ),
        )

    def _name(self, session_id: str, metadata: Mapping[str, Any]) -> str:
        try:
            return rendered(self._template, session_id, metadata)
        except Unnamed as error:
            self._report("atif.destination_render_failed", str(error), "filename_template", session_id)
            raise

    def _not_sent(self, place: str, text: str, session_id: str) -> None:
        self._report("atif.remote_delivery_failed", text, place, session_id)

    def _stores(self, entries: list[JsonObject]) -> dict[str, Store]:
        stores: dict[str, Store] = {}
        for index, entry in enumerate(entries):
            place = f"storage[{index}]"
            try:
                stores[place] = extensions.storage(entry).open(entry)
            except MissingExtra as error:  # the local files are there all the same
                faults.report("observability_section_unavailable", error)
                self._report("atif.remote_delivery_failed", str(error), place)
        return stores
