# SPDX-License-Identifier: Apache-2.0
"""Events. An event *is* its line: the JSON text that goes to disk, of parts that were fixed when it was emitted.

So later changes to a payload cannot show, sinks write the bytes as they are, and a Python subscriber pays only for
what it reads. Keys stand in alphabetical order at the top level; payloads keep the order they had.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from nemo_relay._runtime.enums import LogSeverity
from nemo_relay._runtime.events.lines import Parts, mark_line, mark_payloads, scope_line, scope_payloads
from nemo_relay_records.encoding import decode

if TYPE_CHECKING:
    from nemo_relay._runtime.events.wire import Wire

SEVERITY_KEY = "nemo_relay.log.severity"


def _decode_first(line: bytes) -> Wire:
    """Load the decoder, with the first event that is read."""
    global _decode_wire
    from nemo_relay._runtime.events.wire import decode_wire

    _decode_wire = decode_wire
    return decode_wire(line)


_decode_wire: Callable[[bytes], Wire] = _decode_first
_PAYLOADS = ("data", "metadata", "category_profile", "data_schema")


class _Event:
    __slots__ = ("_payloads", "_source", "_wire")

    made_of: Callable[[Parts], bytes]
    payloads_of: Callable[[Parts, bytes | None], tuple[bytes, ...]]

    def __init__(self, source: bytes | Parts) -> None:
        self._source = source
        self._wire: Wire | None = None
        self._payloads: dict[str, Any] | None = None

    @property
    def _line(self) -> bytes:
        source = self._source
        if isinstance(source, tuple):
            source = self._source = self.made_of(source)
        return source

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
    made_of = staticmethod(scope_line)
    payloads_of = staticmethod(scope_payloads)

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
    made_of = staticmethod(mark_line)
    payloads_of = staticmethod(mark_payloads)

    @property
    def severity(self) -> LogSeverity | None:
        """How severe it is, if its maker said."""
        metadata = self.metadata
        text = metadata.get(SEVERITY_KEY) if isinstance(metadata, dict) else None
        return _SEVERITIES.get(text) if isinstance(text, str) else None


_SEVERITIES = {severity.name.lower(): severity for severity in LogSeverity}


def _annotation(profile: dict[str, Any] | None, key: str) -> Any:
    """The annotation object of an event's plain form."""
    value = None if profile is None else profile.get(key)
    if not isinstance(value, Mapping):
        return None
    from nemo_relay_codecs.model.request import AnnotatedLLMRequest
    from nemo_relay_codecs.model.response import AnnotatedLLMResponse

    kind: Any = AnnotatedLLMRequest if key == "annotated_request" else AnnotatedLLMResponse
    return kind.from_event(dict(value))
