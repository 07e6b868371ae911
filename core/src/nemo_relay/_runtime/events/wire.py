# SPDX-License-Identifier: Apache-2.0
"""The line of an event, taken apart. Loaded when the first event is read: sinks need none of it."""

from __future__ import annotations

import msgspec


class Wire(msgspec.Struct, gc=False):
    """The parts of a line; payloads stay undecoded."""

    kind: str
    name: str
    timestamp: str
    uuid: str
    data: msgspec.Raw
    metadata: msgspec.Raw
    category_profile: msgspec.Raw
    data_schema: msgspec.Raw
    atof_version: str = "0.1"
    parent_uuid: str | None = None
    propagation_root_uuid: str | None = None
    category: str | None = None
    scope_category: str | None = None
    attributes: list[str] = []


class Head(msgspec.Struct, gc=False):
    """What tells where an event belongs; the rest of the line is skipped."""

    uuid: str
    kind: str = ""
    propagation_root_uuid: str | None = None
    category: str | None = None
    scope_category: str | None = None


decode_head = msgspec.json.Decoder(Head).decode
decode_wire = msgspec.json.Decoder(Wire).decode
