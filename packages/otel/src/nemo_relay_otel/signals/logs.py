# SPDX-License-Identifier: Apache-2.0
"""Marks as log records."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from typing import Any

from nemo_relay_otel.lineage import Lineage, Marked
from nemo_relay_otel.projections.marks import is_metric
from nemo_relay_otel.projections.promotion import Report, promoted
from nemo_relay_otel.records import LogRecord
from nemo_relay_otel.values import mapping
from nemo_relay_spool.pipeline import Occasion

SEVERITY_KEY = "nemo_relay.log.severity"
SEVERITIES = {"trace": 1, "debug": 5, "info": 9, "warn": 13, "warning": 13, "error": 17}
_NAMES = {1: "TRACE", 5: "DEBUG", 9: "INFO", 13: "WARN", 17: "ERROR"}


class LogRecords:
    """The log records of a stream.

    Args:
        minimum: the severity below which marks are left out.
        ttl_ns: how long the place of a span that has ended is kept for marks that come late.
        promote: prefixes of root metadata that become attributes of the resource.
        report: hears of marks that cannot be told.
    """

    def __init__(self, minimum: str, ttl_ns: int, promote: tuple[str, ...], report: Report) -> None:
        self._minimum = SEVERITIES[minimum]
        self._report = report
        self._lineage = Lineage(
            ttl_ns,
            report,
            lambda event: tuple(promoted(mapping(event.get("metadata")), promote, report, "resource_metadata").items()),
        )

    def take(self, event: dict[str, Any]) -> Iterator[LogRecord]:
        """The record of the event, if it is a mark that is severe enough."""
        item = self._lineage.take(event)
        if isinstance(item, Marked) and not is_metric(event):
            severity = self._severity(event)
            if severity is not None and severity >= self._minimum:
                yield _record(item, severity)

    def _severity(self, event: dict[str, Any]) -> int | None:
        given = mapping(event.get("metadata")).get(SEVERITY_KEY, "info")
        if not isinstance(given, str):
            self._invalid(event, f"{SEVERITY_KEY} must be a string after sanitization")
            return None
        found = SEVERITIES.get(given.strip().lower())
        if found is None:
            expected = "expected trace, debug, info, warn, warning, or error"
            self._invalid(event, f'invalid log severity "{given}"; {expected}')
        return found

    def _invalid(self, event: dict[str, Any], why: str) -> None:
        name = event.get("name")
        self._report("otel.log_mark_invalid_severity", f'OpenTelemetry log mark "{name}" was dropped: {why}')

    def tick(self, occasion: Occasion) -> Iterable[LogRecord]:
        """Nothing is due by the clock."""
        return ()

    def save(self) -> dict[str, Any]:
        """What another process needs to go on."""
        return self._lineage.save()

    def load(self, state: dict[str, Any]) -> None:
        """Go on from there."""
        self._lineage.load(state)


def _record(item: Marked, severity: int) -> LogRecord:
    event, parent = item.event, item.parent
    return LogRecord(
        item.time,
        time.time_ns(),
        severity,
        _NAMES[severity],
        event.get("data"),
        _attributes(event),
        "" if parent is None else parent.trace_id,
        "" if parent is None else parent.span_id,
        () if parent is None else parent.resource,
    )


def _attributes(event: dict[str, Any]) -> dict[str, Any]:
    metadata = event.get("metadata")
    if isinstance(metadata, dict):
        metadata = {key: value for key, value in metadata.items() if key != SEVERITY_KEY}
    schema = mapping(event.get("data_schema"))
    found = {
        "nemo_relay.atof.version": event.get("atof_version"),
        "nemo_relay.mark.name": event.get("name"),
        "nemo_relay.mark.uuid": event.get("uuid"),
        "nemo_relay.session.instance_id": event.get("propagation_root_uuid"),
        "nemo_relay.mark.parent_uuid": event.get("parent_uuid"),
        "nemo_relay.mark.category": event.get("category"),
        "nemo_relay.mark.category_profile": event.get("category_profile"),
        "nemo_relay.mark.data_schema.name": schema.get("name"),
        "nemo_relay.mark.data_schema.version": schema.get("version"),
        "nemo_relay.mark.metadata": metadata or None,
    }
    return {key: value for key, value in found.items() if value is not None}
