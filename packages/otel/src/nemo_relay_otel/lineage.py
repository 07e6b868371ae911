# SPDX-License-Identifier: Apache-2.0
"""Which span belongs where: pairs starts with ends, gives spans their trace and their parent, marks their span.

The only state of a projection. It can be saved as JSON and taken up again by another process.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

from nemo_relay_otel.records import FLAGS_LOCAL, FLAGS_REMOTE, Link
from nemo_relay_otel.values import text, timestamp_ns

OUTSIDE = "otel"  # the member of a start event that says which span outside the stream it belongs to
Event = dict[str, Any]
_MOST_ENDED = 50_000  # spans that have ended and are kept in mind
Report = Callable[[str, str], None]


class Place(NamedTuple):
    """Where a span stands: its own ids, and what its descendants take over from its root."""

    trace_id: str
    span_id: str
    trace_state: str = ""
    resource: tuple[tuple[str, Any], ...] = ()
    conversation: str | None = None  # what the outermost agent says its conversation is called


class Open:
    """A span that has started and not ended."""

    __slots__ = ("error_type", "exception_type", "flags", "links", "marks", "parent_span_id", "place", "start", "time")

    def __init__(self, start: Event, time: int, place: Place, parent_span_id: str, flags: int) -> None:
        self.start = start
        self.time = time
        self.place = place
        self.parent_span_id = parent_span_id
        self.flags = flags
        self.links: tuple[Link, ...] = ()
        self.marks: list[tuple[Event, int]] = []
        self.error_type: str | None = None  # of the first descendant that failed
        self.exception_type: str | None = None


class Ended(NamedTuple):
    """A span with both of its ends. ``end`` is None for one whose process did not live to see it."""

    span: Open
    end: Event | None
    end_ns: int


class Marked(NamedTuple):
    """A mark, and the span it belongs to as far as that is known."""

    event: Event
    time: int
    parent: Place | None
    owner: Open | None  # while that span is open


class Started(NamedTuple):
    """A span that has just begun."""

    span: Open


Item = Ended | Marked | Started


class Lineage:
    """Takes events one by one and tells what has become complete.

    Args:
        ttl_ns: how long the place of a span that has ended is kept for children that come late.
        report: hears of what could not be told, as code and message.
    """

    def __init__(
        self,
        ttl_ns: int = 60_000_000_000,
        report: Report = lambda code, message: None,
        root_resource: Callable[[Event], tuple[tuple[str, Any], ...]] = lambda event: (),
    ) -> None:
        self.open: dict[str, Open] = {}
        self._ended: OrderedDict[str, tuple[Place, int]] = OrderedDict()
        self._ttl_ns = ttl_ns
        self._report = report
        self._root_resource = root_resource
        self._latest = self._next_expiry = 0

    def take(self, event: Event) -> Item | None:
        """What the event completes; None for what is no event, or the second end of a span."""
        uuid = event.get("uuid")
        if not isinstance(uuid, str) or len(uuid) != 36:
            return None
        time = self._time(event)
        if event.get("kind") == "mark":
            return self._mark(event, time)
        if event.get("scope_category") == "start":
            return self._start(event, uuid, time)
        return self._end(event, uuid, time)

    def unfinished(self) -> Iterator[Ended]:
        """The spans that are still open, innermost first, ended where the stream ends; they are forgotten."""
        for span in reversed(list(self.open.values())):
            yield Ended(span, None, max(self._latest, span.time))
        self.open.clear()

    def _time(self, event: Event) -> int:
        time = timestamp_ns(event.get("timestamp"))
        if time is None:
            self._report(
                "otel.timestamp_out_of_range",
                f'OpenTelemetry event "{event.get("name")}" has a timestamp outside the OTLP unsigned 64-bit'
                f" nanosecond range: {event.get('timestamp')!r}; the time of the event before it is used",
            )
            return self._latest
        if time > self._latest:
            self._latest = time
            self._expire(time)
        return time

    def _expire(self, now: int) -> None:
        if now < self._next_expiry:
            return
        ended, limit = self._ended, now - self._ttl_ns
        while ended:
            uuid, (_, since) = next(iter(ended.items()))
            if since >= limit:
                break
            del ended[uuid]
        self._next_expiry = now + self._ttl_ns // 16

    def _known(self, uuid: object) -> Place | None:
        if not isinstance(uuid, str):
            return None
        span = self.open.get(uuid)
        if span is not None:
            return span.place
        ended = self._ended.get(uuid)
        return None if ended is None else ended[0]

    def _start(self, event: Event, uuid: str, time: int) -> Started | None:
        if uuid in self.open or uuid in self._ended:
            return None
        place, parent_span_id, flags, links = self._stand(event, uuid)
        span = self.open[uuid] = Open(event, time, place, parent_span_id, flags)
        span.links = links
        return Started(span)

    def _end(self, event: Event, uuid: str, time: int) -> Ended | None:
        span = self.open.pop(uuid, None)
        if span is None:
            if uuid in self._ended:
                return None
            # Its start was lost: what the end tells is more than nothing.
            if self._start({**event, "data": None, "scope_category": "start"}, uuid, time) is None:
                return None
            span = self.open.pop(uuid)
        self._ended[uuid] = (span.place, time)
        if len(self._ended) > _MOST_ENDED:
            self._ended.popitem(last=False)
        self._inherit_failure(event, span)
        return Ended(span, event, max(time, span.time))

    def _inherit_failure(self, end: Event, span: Open) -> None:
        metadata = end.get("metadata")
        if not isinstance(metadata, dict) or metadata.get("otel.status_code") == "OK":  # most of them
            return
        if str(metadata.get("otel.status_code", "")).upper() != "ERROR":
            return
        span.error_type = text(metadata.get("error.type")) or span.error_type
        span.exception_type = text(metadata.get("exception.type")) or span.exception_type
        above = self.open.get(str(end.get("parent_uuid")))
        if above is not None:
            above.error_type = above.error_type or span.error_type
            above.exception_type = above.exception_type or span.exception_type

    def _mark(self, event: Event, time: int) -> Marked:
        above = event.get("parent_uuid")
        owner = self.open.get(above) if isinstance(above, str) else None
        return Marked(event, time, owner.place if owner is not None else self._known(above), owner)

    def place_of(self, event: Event) -> Place:
        """Where a span of the event's own stands."""
        return self._stand(event, event["uuid"])[0]

    def _stand(self, event: Event, uuid: str) -> tuple[Place, str, int, tuple[Link, ...]]:
        """Its place, its parent's span id, its flags and its links."""
        own = uuid[19:23] + uuid[24:]
        above = self._known(event.get("parent_uuid"))
        outside = event.get(OUTSIDE)
        if isinstance(outside, dict):
            return self._stand_outside(event, own, uuid, above, outside)
        if above is not None:
            conversation = above.conversation
            if conversation is None and event.get("category") == "agent":
                conversation = _conversation(event)
            place = Place(above.trace_id, own, above.trace_state, above.resource, conversation)
            return place, above.span_id, FLAGS_LOCAL, ()
        place = Place(uuid.replace("-", ""), own, "", self._root_resource(event), _conversation(event))
        return place, "", FLAGS_LOCAL, ()

    def _stand_outside(
        self, event: Event, own: str, uuid: str, above: Place | None, outside: Mapping[str, Any]
    ) -> tuple[Place, str, int, tuple[Link, ...]]:
        trace_id, span_id = str(outside.get("trace_id")), str(outside.get("span_id"))
        resource = self._root_resource(event) if above is None else above.resource
        conversation = (above and above.conversation) or _conversation(event)
        if outside.get("sampled") is False:  # its trace is recorded nowhere: a trace of our own that knows of it
            trace = uuid.replace("-", "") if above is None else above.trace_id
            parent = "" if above is None else above.span_id
            return Place(trace, own, "", resource, conversation), parent, FLAGS_LOCAL, (Link(trace_id, span_id),)
        state = str(outside.get("state") or "")
        flags = FLAGS_REMOTE if outside.get("remote") else FLAGS_LOCAL
        return Place(trace_id, own, state, resource, conversation), span_id, flags, ()

    def save(self) -> dict[str, Any]:
        """What another process needs to go on, as JSON types."""
        ended = list(self._ended.items())[-1_000:]
        return {
            "latest": self._latest,
            "open": [_saved(span) for span in self.open.values()],
            "ended": [[uuid, list(place), since] for uuid, (place, since) in ended],
        }

    def load(self, state: Mapping[str, Any]) -> None:
        """Go on from what ``save`` gave."""
        self._latest = int(state.get("latest", 0))
        for saved in state.get("open", ()):
            span = _loaded(saved)
            self.open[span.start["uuid"]] = span
        for uuid, place, since in state.get("ended", ()):
            self._ended[uuid] = (_place(place), since)


def _conversation(event: Event) -> str | None:
    metadata = event.get("metadata")
    if not metadata or not isinstance(metadata, dict):
        return None
    for key in ("gen_ai.conversation.id", "conversation_id", "session_id", "thread_id"):
        if found := text(metadata.get(key)):
            return found
    return None


def _place(saved: list[Any]) -> Place:
    trace_id, span_id, state, resource, conversation = saved
    return Place(trace_id, span_id, state, tuple((key, value) for key, value in resource), conversation)


def _saved(span: Open) -> dict[str, Any]:
    plain = ("start", "time", "parent_span_id", "flags", "marks", "error_type", "exception_type")
    links = [list(link) for link in span.links]
    return {**{name: getattr(span, name) for name in plain}, "place": list(span.place), "links": links}


def _loaded(saved: Mapping[str, Any]) -> Open:
    span = Open(saved["start"], saved["time"], _place(saved["place"]), saved["parent_span_id"], saved["flags"])
    span.marks = [(event, time) for event, time in saved["marks"]]
    span.links = tuple(Link(*link) for link in saved["links"])
    span.error_type, span.exception_type = saved["error_type"], saved["exception_type"]
    return span
