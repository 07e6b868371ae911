# SPDX-License-Identifier: Apache-2.0
"""The line of an event, put together from its parts.

A sink gets the line at once. For callbacks alone the parts are kept, and become a line when somebody reads the event:
the payloads among them are JSON already, so nothing that the application changes meanwhile can show.
"""

from __future__ import annotations

from typing import Any

from nemo_relay._runtime.clock import rfc3339
from nemo_relay_records import encoding

Parts = tuple[Any, ...]  # what ``scope_line`` or ``mark_line`` takes

_LINEAGE = ',"parent_uuid":'

# Below this many bytes it is quicker to build one text than to join pieces of bytes.
_SHORT = 1_024


def lineage(parent_uuid: str | None, session: str | None) -> str:
    """The part of a line that says where its event belongs."""
    parent = "null" if parent_uuid is None else f'"{parent_uuid}"'
    # A session that is not known is left out rather than written as null.
    root = "" if session is None else f',"propagation_root_uuid":"{session}"'
    return f"{_LINEAGE}{parent}{root}"


def scope_line(parts: Parts) -> bytes:
    """The line of a scope event: phase, category, attributes, place, uuid, time in nanoseconds, category profile, data,
    metadata, and what profile and data share. Attributes are JSON text, profile and payloads JSON bytes; the place has
    the name and lineage.
    """
    phase, category, attributes, place, uuid, ns, profile, data, metadata, _shared = parts
    if len(data) + len(metadata) + len(profile) < _SHORT:
        return (
            f'{{"atof_version":"0.1","attributes":{attributes},"category":"{category}",'
            f'"category_profile":{profile.decode()},"data":{data.decode()},"data_schema":null,"kind":"scope",'
            f'"metadata":{metadata.decode()}{place},'
            f'"scope_category":"{phase}","timestamp":"{rfc3339(ns)}","uuid":"{uuid}"}}\n'
        ).encode()
    head = f'{{"atof_version":"0.1","attributes":{attributes},"category":"{category}","category_profile":'
    tail = f'{place},"scope_category":"{phase}","timestamp":"{rfc3339(ns)}","uuid":"{uuid}"}}\n'
    schema = b',"data_schema":null,"kind":"scope","metadata":'
    return b"".join((head.encode(), profile, b',"data":', data, schema, metadata, tail.encode()))


def mark_line(parts: Parts) -> bytes:
    """The line of a mark: place, uuid, time in nanoseconds, category, category profile, data, schema and metadata.

    The category is JSON text (``null`` for a plain mark), profile, schema and payloads are JSON bytes.
    """
    place, uuid, ns, category, profile, data, data_schema, metadata = parts
    if len(data) + len(metadata) + len(profile) < _SHORT:
        return (
            f'{{"atof_version":"0.1","category":{category},"category_profile":{profile.decode()},'
            f'"data":{data.decode()},"data_schema":{data_schema.decode()},"kind":"mark",'
            f'"metadata":{metadata.decode()}{place},"timestamp":"{rfc3339(ns)}","uuid":"{uuid}"}}\n'
        ).encode()
    head = f'{{"atof_version":"0.1","category":{category},"category_profile":'
    tail = f'{place},"timestamp":"{rfc3339(ns)}","uuid":"{uuid}"}}\n'
    schema = b',"data_schema":%b,"kind":"mark","metadata":' % data_schema
    return b"".join((head.encode(), profile, b',"data":', data, schema, metadata, tail.encode()))


def scope_payloads(parts: Parts, before: bytes | None) -> tuple[bytes, ...]:
    """What the application had a say in of the line of a scope event, as JSON texts.

    Args:
        parts: what the line was made of.
        before: the metadata of the start event. That of the end event says it again, and that text is known then.

    Returns:
        The texts, in the order of the line.
    """
    _phase, _category, _attributes, place, _uuid, _ns, profile, data, metadata, shared = parts
    name = place[: place.find(_LINEAGE)].encode()
    if len(shared) > _SHORT:  # to be looked at once
        return name, shared, _without(profile, shared), _without(data, shared), metadata
    if before is not None and len(metadata) > len(before) and metadata.startswith(before[:-1]):
        return name, profile, data, before, metadata[len(before) - 1 :]
    return name, profile, data, metadata


def _without(text: bytes, part: bytes) -> bytes:
    """``text`` with nothing in place of ``part``, if that is there: a member of an object that stands in it."""
    at = text.find(part[:_PROBE])
    if at < 0 or not text.startswith(part, at):
        return text
    return text[:at] + encoding.NULL + text[at + len(part) :]


def mark_payloads(parts: Parts, _before: bytes | None) -> tuple[bytes, ...]:
    """The same of a mark."""
    place, _uuid, _ns, _category, *payloads = parts
    return place[: place.find(_LINEAGE)].encode(), *payloads


def weight(parts: Parts) -> int:
    """About how many bytes the parts of a line hold, each of them an object of its own."""
    # Both kinds of lines end with four texts: with what two of them share, or with the schema of the data.
    return len(parts[-1]) + len(parts[-2]) + len(parts[-3]) + len(parts[-4]) + _STATIC


_STATIC = 400  # what surrounds the payloads
_PROBE = 64  # bytes: a search for a text as long as a conversation costs more than all the rest


def line_of(record: dict[str, Any]) -> bytes:
    """The line of an event given as a dict, after something in it was replaced."""
    return encoding.encode(record) + b"\n"
