# SPDX-License-Identifier: Apache-2.0
"""The usual shape of a request, checked in one pass: a payload that has it can be read later, or never.

A shape may be stricter than the codec's reading (what it refuses is read at once), and never laxer: whatever has the
shape must be readable. Members that no reading can fail on are left out of it.
"""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from msgspec import UNSET, Meta, UnsetType

from nemo_relay_codecs import request_readers
from nemo_relay_codecs.request_readers import Member

Count = Annotated[int, Meta(ge=0, le=2**63 - 1)]
Integer = Annotated[int, Meta(ge=-(2**63), le=2**63 - 1)]
NonEmpty = Annotated[str, Meta(min_length=1)]


class Shape(msgspec.Struct, gc=False):
    """Any JSON object; subclasses say what must be in it. Made by the checks alone, and dropped by them."""


# What each reader accepts; a member with another reader must be null, or has a type of its own in the shape.
_TYPES: dict[request_readers.Reader, Any] = {
    request_readers.string: str,
    request_readers.boolean: bool,
    request_readers.number: float,
    request_readers.count: Count,
    request_readers.integer: Integer,
    request_readers.mapping: Shape,
    request_readers.array: list[Any],
}


def request_shape(members: dict[str, Member], required: dict[str, Any], **optional: Any) -> type[msgspec.Struct]:
    """The shape of a request: ``required`` and ``optional`` members by their types, and the scalar ``members``.

    Optional members may be absent, not null, unless their type says so.
    """
    given = {**required, **optional}
    fields: list[Any] = list(required.items())
    fields += [(key, kind | UnsetType, UNSET) for key, kind in optional.items()]
    for key, member in members.items():
        if key not in given and member.read is not request_readers.anything:
            kind = _TYPES.get(member.read)
            fields.append((_name(key), None if kind is None else kind | None, None))
    return msgspec.defstruct("Request", fields, bases=(Shape,), rename={_name(key): key for key in members}, gc=False)


def _name(key: str) -> str:
    return key.replace("-", "_")
