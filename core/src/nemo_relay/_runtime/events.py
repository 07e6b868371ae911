# SPDX-License-Identifier: Apache-2.0
"""Events. An event *is* its line: the JSON text that goes to disk, made once, when it is emitted.

So later changes to a payload cannot show, sinks write the bytes as they are, and a Python subscriber pays for
decoding only what it reads. Keys stand in alphabetical order at the top level; payloads keep the order they had.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from nemo_relay._runtime import encoding
from nemo_relay._runtime.clock import rfc3339
from nemo_relay._runtime.encoding import decode
from nemo_relay._runtime.enums import LogSeverity

if TYPE_CHECKING:
    from nemo_relay._runtime.wire import Wire

SEVERITY_KEY = "nemo_relay.log.severity"


def _decode_first(line: bytes) -> Wire:
    """Load the decoder, with the first event that is read."""
    global _decode_wire
    from nemo_relay._runtime.wire import decode_wire

    _decode_wire = decode_wire
    return decode_wire(line)


_decode_wire: Callable[[bytes], Wire] = _decode_first
_PAYLOADS = ("data", "metadata", "category_profile", "data_schema")


class _Event:
    __slots__ = ("_line", "_payloads", "_wire")

    def __init__(self, line: bytes) -> None:
        self._line = line
        self._wire: Wire | None = None
        self._payloads: dict[str, Any] | None = None

    def _read(self) -> Wire:
        wire = self._wire
        if wire is None:
            wire = self._wire = _decode_wire(self._line)
        return wire

    def _payload(self, name: str) -> Any:
        payloads = self._payloads
        if payloads is None:
            payloads = self._payloads = {}
        if name not in payloads:
            payloads[name] = decode(getattr(self._read(), name))
        return payloads[name]

    @property
    def kind(self) -> str:
        """``"scope"`` or ``"mark"``."""
        return self._read().kind

    @property
    def atof_version(self) -> str:
        """The version of the format: ``"0.1"``."""
        return self._read().atof_version

    @property
    def uuid(self) -> str:
        """The identifier; the start and the end of a span share it."""
        return self._read().uuid

    @property
    def parent_uuid(self) -> str | None:
        """The identifier of the span it belongs to."""
        return self._read().parent_uuid

    @property
    def propagation_root_uuid(self) -> str | None:
        """The session: the outermost agent, else the root of the stack; None when it is not known."""
        return self._read().propagation_root_uuid

    @property
    def name(self) -> str:
        """The name of the span or mark."""
        return self._read().name

    @property
    def timestamp(self) -> str:
        """When it was emitted: RFC 3339, UTC, up to nanoseconds."""
        return self._read().timestamp

    @property
    def category(self) -> str | None:
        """The lower-case scope type; for marks what their maker said, if anything."""
        return self._read().category

    @property
    def data(self) -> Any:
        """The payload, as JSON types; this event's own copy."""
        return self._payload("data")

    @property
    def metadata(self) -> Any:
        """The metadata, as JSON types; this event's own copy."""
        return self._payload("metadata")

    @property
    def category_profile(self) -> dict[str, Any] | None:
        """What is particular to the category: ``model_name``, ``tool_call_id``, ``subtype``, ..."""
        profile: dict[str, Any] | None = self._payload("category_profile")
        return profile

    @property
    def data_schema(self) -> dict[str, str] | None:
        """``{"name", "version"}`` of the payload's schema, if its maker gave one."""
        schema: dict[str, str] | None = self._payload("data_schema")
        return schema

    def to_json(self) -> str:
        """The event as one line of ATOF, without the newline."""
        return self._line[:-1].decode()

    def to_dict(self) -> dict[str, Any]:
        """The event as a fresh dict: what ``json.loads(event.to_json())`` gives."""
        record: dict[str, Any] = decode(self._line)
        return record

    def __repr__(self) -> str:
        wire = self._read()
        what = wire.scope_category or wire.category
        return f"{type(self).__name__}(name={wire.name!r}, {what=!s}, uuid={wire.uuid!r})"


class ScopeEvent(_Event):
    """The start or the end of a span."""

    __slots__ = ()

    @property
    def scope_category(self) -> str:
        """``"start"`` or ``"end"``."""
        return self._read().scope_category or ""

    @property
    def attributes(self) -> list[str]:
        """The names of the flags that are set."""
        return list(self._read().attributes)

    @property
    def annotated_request(self) -> Any:
        """The normalised request of an LLM start event, or None."""
        return _annotation(self.category_profile, "annotated_request")

    @property
    def annotated_response(self) -> Any:
        """The normalised response of an LLM end event, or None."""
        return _annotation(self.category_profile, "annotated_response")


class MarkEvent(_Event):
    """A moment: something that happened inside a span."""

    __slots__ = ()

    @property
    def severity(self) -> LogSeverity | None:
        """How severe it is, if its maker said."""
        metadata = self.metadata
        text = metadata.get(SEVERITY_KEY) if isinstance(metadata, dict) else None
        return _SEVERITIES.get(text) if isinstance(text, str) else None


_SEVERITIES = {severity.name.lower(): severity for severity in LogSeverity}


def _annotation(profile: dict[str, Any] | None, key: str) -> Any:
    value = None if profile is None else profile.get(key)
    if value is None:
        return None
    from nemo_relay._runtime.annotating import restore

    return restore(key, value)


# Below this many bytes it is quicker to build one text than to join pieces of bytes.
_SHORT = 1_024


def lineage(parent_uuid: str | None, session: str | None) -> str:
    """The part of a line that says where its event belongs."""
    parent = "null" if parent_uuid is None else f'"{parent_uuid}"'
    # A session that is not known is left out rather than written as null.
    root = "" if session is None else f',"propagation_root_uuid":"{session}"'
    return f',"parent_uuid":{parent}{root}'


def scope_line(
    phase: str,
    category: str,
    attributes: str,
    place: str,
    uuid: str,
    ns: int,
    profile: str,
    data: bytes,
    metadata: bytes,
) -> bytes:
    """The line of a scope event. ``attributes`` and ``profile`` are JSON text, ``data`` and ``metadata`` JSON bytes;
    ``place`` is the part with its name and lineage.
    """
    if len(data) < _SHORT and len(metadata) < _SHORT:
        return (
            f'{{"atof_version":"0.1","attributes":{attributes},"category":"{category}","category_profile":{profile},'
            f'"data":{data.decode()},"data_schema":null,"kind":"scope","metadata":{metadata.decode()}{place},'
            f'"scope_category":"{phase}","timestamp":"{rfc3339(ns)}","uuid":"{uuid}"}}\n'
        ).encode()
    head = f'{{"atof_version":"0.1","attributes":{attributes},"category":"{category}","category_profile":{profile}'
    tail = f'{place},"scope_category":"{phase}","timestamp":"{rfc3339(ns)}","uuid":"{uuid}"}}\n'
    schema = b',"data_schema":null,"kind":"scope","metadata":'
    return b"".join((head.encode(), b',"data":', data, schema, metadata, tail.encode()))


def mark_line(
    place: str,
    uuid: str,
    ns: int,
    category: str,
    profile: bytes,
    data: bytes,
    data_schema: bytes,
    metadata: bytes,
) -> bytes:
    """The line of a mark. ``category`` is JSON text (``null`` for a plain mark); ``place`` as for a scope event."""
    if len(data) < _SHORT and len(metadata) < _SHORT:
        return (
            f'{{"atof_version":"0.1","category":{category},"category_profile":{profile.decode()},'
            f'"data":{data.decode()},"data_schema":{data_schema.decode()},"kind":"mark",'
            f'"metadata":{metadata.decode()}{place},"timestamp":"{rfc3339(ns)}","uuid":"{uuid}"}}\n'
        ).encode()
    head = f'{{"atof_version":"0.1","category":{category},"category_profile":'
    tail = f'{place},"timestamp":"{rfc3339(ns)}","uuid":"{uuid}"}}\n'
    schema = b',"data_schema":%b,"kind":"mark","metadata":' % data_schema
    return b"".join((head.encode(), profile, b',"data":', data, schema, metadata, tail.encode()))


def line_of(record: dict[str, Any]) -> bytes:
    """The line of an event given as a dict, after something in it was replaced."""
    return encoding.encode(record) + b"\n"
