# SPDX-License-Identifier: Apache-2.0
"""What the index takes from one line. msgspec skips the payload, so that a line costs about a microsecond."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import msgspec

from nemo_relay_projections import facts

_STAMP = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}\+00:00")
_seconds: dict[str, int] = {}


class Meta(msgspec.Struct, gc=False):
    """The members of an event's metadata that decide how it is shown."""

    outcome: Any = msgspec.field(name="relay.outcome", default=None)
    status: Any = msgspec.field(name="otel.status_code", default=None)
    description: Any = msgspec.field(name="otel.status_description", default=None)
    exception: Any = msgspec.field(name="exception.type", default=None)
    kind: Any = msgspec.field(name="relay.kind", default=None)
    cache_hit: Any = msgspec.field(name="relay.cache_hit", default=None)
    session_id: Any = None

    def mapping(self) -> dict[str, Any]:
        """As the event has them."""
        found: dict[str, Any] = msgspec.to_builtins(self)
        return found


class Answer(msgspec.Struct, gc=False):
    """Of a normalised response."""

    model: Any = None
    usage: Any = None
    finish_reason: Any = None
    id: Any = None


class Profile(msgspec.Struct, gc=False):
    """Of a category profile."""

    model_name: Any = None
    annotated_response: Answer | None = None


class Head(msgspec.Struct, gc=False):
    """One event without its payload."""

    kind: str
    uuid: str
    name: Any = ""
    scope_category: Any = None
    parent_uuid: Any = None
    category: Any = None
    timestamp: Any = None
    metadata: Meta | None = None
    category_profile: Profile | None = None


_decode = msgspec.json.Decoder(Head).decode


def read(line: bytes) -> Head | None:
    """The head of an event; None for what is no event."""
    try:
        head = _decode(line)
    except msgspec.ValidationError:
        return _patient(line)
    except (ValueError, RecursionError):
        return None
    return head if head.kind in ("scope", "mark") else None


def _patient(line: bytes) -> Head | None:
    """An event whose members are not of the types that they should be."""
    event = decoded(line)
    if event.get("kind") not in ("scope", "mark") or not isinstance(event.get("uuid"), str):
        return None
    plain = {key: value for key, value in event.items() if key not in ("metadata", "category_profile")}
    head = msgspec.convert(plain, Head)
    head.metadata = msgspec.convert(dict(facts.mapping(event.get("metadata"))), Meta)
    profile = facts.mapping(event.get("category_profile"))
    answer = dict(facts.mapping(profile.get("annotated_response")))
    head.category_profile = Profile(profile.get("model_name"), msgspec.convert(answer, Answer))
    return head


def decoded(line: bytes) -> dict[str, Any]:
    """The whole event, an empty one where the line is none."""
    try:
        event = msgspec.json.decode(line)
    except (ValueError, RecursionError):
        return {}
    return event if isinstance(event, dict) else {}


def nanoseconds(stamp: object) -> int | None:
    """An RFC 3339 timestamp as nanoseconds since 1970; those that we write come quickly."""
    if isinstance(stamp, str) and len(stamp) == 35 and _STAMP.fullmatch(stamp):
        second = _seconds.get(stamp[:19])
        if second is None:
            whole = facts.timestamp_ns(stamp[:19] + "Z")
            if whole is None:
                return None
            if len(_seconds) > 4096:
                _seconds.clear()
            second = _seconds[stamp[:19]] = whole
        return second + int(stamp[20:29])
    return facts.timestamp_ns(stamp)


def outcome(head: Head, line: bytes) -> str:
    """How the span ended, in one word."""
    meta = head.metadata
    if meta is not None and (isinstance(meta.outcome, str) or meta.status == "ERROR"):
        return facts.outcome({"metadata": meta.mapping()})
    return facts.outcome(decoded(line)) if head.category == "guardrail" else "ok"


def usage(head: Head, line: bytes) -> Mapping[str, Any]:
    """The usage of an LLM end event: of the normalised response, else as its payload has it."""
    answer = head.category_profile.annotated_response if head.category_profile else None
    if answer is not None and isinstance(answer.usage, Mapping) and answer.usage:
        return answer.usage
    return facts.usage(decoded(line))
