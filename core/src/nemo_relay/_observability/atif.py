# SPDX-License-Identifier: Apache-2.0
"""The ``atif`` section: one trajectory file per session."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from nemo_relay import __version__
from nemo_relay._observability.naming import template
from nemo_relay._runtime.delivery.live_trajectories import LiveTrajectories
from nemo_relay._runtime.delivery.sessions import Style
from nemo_relay._runtime.delivery.sinks import tap
from nemo_relay.redaction import chosen
from nemo_relay.types import Event

JsonObject = dict[str, Any]
_CLOSE_SECONDS = 60.0


def start(section: JsonObject, context: Any) -> bool:
    """Register the trajectory files."""
    folder = Path(section.get("output_directory") or os.getcwd())
    files = LiveTrajectories(folder, _style(section))
    redaction = chosen(section.get("redaction", True))
    context.on_close(lambda: files.close(_CLOSE_SECONDS))

    def heard(_event: Event) -> None:
        """Never called: the runtime hands the line to the sink."""

    heard.__relay_sink__ = tap(files, None if redaction is None else redaction.line)  # type: ignore[attr-defined]
    context.register_subscriber("atif", heard)
    return True


def _style(section: JsonObject) -> Style:
    agent = {
        "name": section.get("agent_name") or "NeMo Relay",
        "version": section.get("agent_version") or __version__,
        "model_name": section.get("model_name") or "unknown",
        "tool_definitions": section.get("tool_definitions"),
        "extra": section.get("extra"),
    }
    return Style(
        agent={key: value for key, value in agent.items() if value is not None},
        file_name=template(section.get("filename_template") or "nemo-relay-atif-{session_id}.json"),
        observed_events=section.get("include_observed_events", True),
        llm_requests=section.get("include_llm_requests", True),
    )
