# SPDX-License-Identifier: Apache-2.0
"""Projections: pure functions from events to spans. The same code serves live export and recorded files."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from nemo_relay_otel.lineage import Ended, Event, Lineage, Marked, Started
from nemo_relay_otel.projections import full, gen_ai, marks, openinference
from nemo_relay_otel.projections.promotion import Report, promoted
from nemo_relay_otel.projections.settings import KINDS, Settings
from nemo_relay_otel.records import Attribute, Span, SpanEvent
from nemo_relay_otel.values import mapping

__all__ = ["KINDS", "PENDING", "Projector", "Settings"]

_PROJECT: dict[str, Callable[[Ended, Settings, Report], Span]] = {
    "full": full.project,
    "gen_ai": gen_ai.project,
    "openinference": openinference.project,
}
PENDING = "nemo_relay.pending"


def _unreported(code: str, message: str) -> None:
    """Nobody wants to know."""


class Projector:
    """Takes events in their order and gives spans, each when it is complete.

    >>> projector = Projector(Settings("full"))
    >>> start = {"kind": "scope", "scope_category": "start", "category": "agent", "name": "planner",
    ...          "uuid": "01a2032d-f84e-7141-9ebf-e2ee2f1f8cde", "timestamp": "2026-11-22T12:14:34.06+00:00"}
    >>> list(projector.take(start))
    []
    >>> [span.name for span in projector.take({**start, "scope_category": "end"})]
    ['planner']
    """

    def __init__(self, settings: Settings, *, ttl_ns: int = 60_000_000_000, report: Report = _unreported) -> None:
        self.settings = settings
        self._report = report
        self._project = _PROJECT[settings.type]
        self._unannounced: dict[str, Started] = {}
        self.lineage = Lineage(ttl_ns, report, self._root_resource)

    def take(self, event: Event) -> Iterable[Span]:
        """The spans that the event completes."""
        item = self.lineage.take(event)
        if isinstance(item, Ended):
            if self._unannounced:
                self._unannounced.pop(item.span.start["uuid"], None)
            return (self._complete(item),)
        if isinstance(item, Marked):
            return self._marked(item)
        if item is not None and self.settings.pending:
            self._unannounced[item.span.start["uuid"]] = item
        return ()

    def pending(self) -> Iterator[Span]:
        """The spans that have started since this was last asked and are still open, where the settings want them."""
        waiting, self._unannounced = self._unannounced, {}
        for item in waiting.values():
            yield self._pending(item)

    def finish(self) -> Iterator[Span]:
        """The spans that nobody ended, marked as incomplete."""
        self._unannounced.clear()
        for item in self.lineage.unfinished():
            yield self._complete(item)

    def _complete(self, item: Ended) -> Span:
        span = self._project(item, self.settings, self._report)
        if item.span.marks:
            span.events = [*self._moments(item), *span.events]
        return span

    def _moments(self, item: Ended) -> Iterator[SpanEvent]:
        for event, time in item.span.marks:
            yield SpanEvent(str(event.get("name", "")), time, marks.attributes_of(event, self.settings, self._report))

    def _marked(self, item: Marked) -> Iterable[Span]:
        if self.settings.type == "gen_ai" or marks.is_metric(item.event):
            return ()
        if item.owner is not None and marks.is_moment(item, self.settings):
            item.owner.marks.append((item.event, item.time))
            return ()
        return (marks.project(item, self.lineage.place_of(item.event), self.settings, self._report),)

    def _pending(self, item: Started) -> Span:
        span = self._project(Ended(item.span, None, 0), self.settings, self._report)
        span.attributes.pop("nemo_relay.incomplete", None)
        span.attributes[PENDING] = True
        return span

    def _root_resource(self, event: Event) -> tuple[tuple[str, Attribute], ...]:
        prefixes = self.settings.promote_resource_metadata_prefixes
        if not prefixes:
            return ()
        found = promoted(mapping(event.get("metadata")), prefixes, self._report, "resource_metadata")
        return tuple(sorted(found.items(), key=lambda item: item[0]))
