# SPDX-License-Identifier: Apache-2.0
"""The component, for the plugin host: each section of the document registers what it is for.

The sections do not need each other: one whose library is missing, or whose destination cannot be opened, leaves the
others at work.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from nemo_relay._observability import atif, atof
from nemo_relay._observability.masking import Masking, redaction
from nemo_relay._runtime.log import faults
from nemo_relay._runtime.managed import annotations as annotating
from nemo_relay.errors import MissingExtra
from nemo_relay.redaction import Redaction
from nemo_relay_configuration.observability import diagnosis, extensions
from nemo_relay_configuration.observability import schema as described
from nemo_relay_configuration.observability.upgrade import upgraded

JsonObject = dict[str, Any]


def validate(config: JsonObject) -> list[JsonObject]:
    """The diagnostics of a configuration."""
    return diagnosis.diagnose(config)


def schema() -> JsonObject:
    """The JSON Schema of a configuration."""
    return described.schema()


def register(config: JsonObject, context: Any) -> None:
    """Start everything that is enabled.

    Raises:
        SinkError: a file cannot be opened (a RuntimeError).
        MissingExtra: nothing that is enabled is installed (an ImportError).
    """
    config, _ = upgraded(config)
    if config.get("enable_full_payloads"):
        context.adopt("full_payloads", lambda: _record_whole_requests(True), lambda _: _record_whole_requests(False))
    redact = redaction(config.get("redaction", True))
    unavailable: list[MissingExtra] = []
    working = 0
    for name, start in _SECTIONS.items():
        section = config.get(name)
        if not _is_wanted(name, section):
            continue
        try:
            working += start(section or {}, context, redact)
        except MissingExtra as error:
            unavailable.append(error)
    if unavailable and not working:
        raise unavailable[0]
    for missing in unavailable:
        faults.report("observability_section_unavailable", missing)


def _open_telemetry(config: JsonObject, context: Any, redact: bool | Redaction) -> bool:
    """Start the ``opentelemetry`` section; with none in the document, what ``OTEL_*`` variables ask for.

    Raises:
        MissingExtra: the document has the section and the distribution is missing (an ImportError).
    """
    name = "opentelemetry"
    found = extensions.section(name) if config else extensions.load(extensions.SECTIONS, name)
    if found is None:
        return False
    found.activate(config, Masking(context, redact))
    return bool(config)


_SECTIONS: dict[str, Callable[[JsonObject, Any, bool | Redaction], bool]] = {
    "atof": atof.start,
    "atif": atif.start,
    "opentelemetry": _open_telemetry,
}


def _is_wanted(name: str, section: JsonObject | None) -> bool:
    if section is None:
        return name == "opentelemetry"  # the standard variables may ask for it
    return bool(section.get("enabled", False))


def _record_whole_requests(whole: bool) -> None:
    annotating.full_payloads = whole
