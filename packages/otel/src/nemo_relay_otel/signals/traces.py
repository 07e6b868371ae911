# SPDX-License-Identifier: Apache-2.0
"""Events to spans, as a pipeline wants it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from nemo_relay_otel.projections import Projector, Settings
from nemo_relay_otel.projections.promotion import Report
from nemo_relay_otel.records import Span
from nemo_relay_spool.pipeline import Occasion


class Traces:
    """The spans of a stream."""

    def __init__(self, settings: Settings, ttl_ns: int, report: Report) -> None:
        self._projector = Projector(settings, ttl_ns=ttl_ns, report=report)

    def take(self, event: dict[str, Any]) -> Iterable[Span]:
        """The spans that the event completes."""
        return self._projector.take(event)

    def tick(self, occasion: Occasion) -> Iterable[Span]:
        """The spans that have begun and not ended: at the end as incomplete, before that as pending."""
        return self._projector.finish() if occasion == "end" else self._projector.pending()

    def save(self) -> dict[str, Any]:
        """What another process needs to go on."""
        return self._projector.lineage.save()

    def load(self, state: dict[str, Any]) -> None:
        """Go on from there."""
        self._projector.lineage.load(state)
