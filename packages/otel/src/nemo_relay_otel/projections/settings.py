# SPDX-License-Identifier: Apache-2.0
"""What a destination asks of its projection."""

from __future__ import annotations

from dataclasses import dataclass

KINDS = ("full", "gen_ai", "openinference")


@dataclass(frozen=True, slots=True)
class Settings:
    """How events become spans.

    Attributes:
        type: ``full``, ``gen_ai`` or ``openinference``.
        mark_projection: ``inherit`` and ``event`` make marks events of their span, ``tool`` spans of no length.
        mark_exclude_names: marks that ``tool`` leaves events.
        attribute_mappings: pairs of an attribute and the name under which it is sent as well.
        promote_metadata_prefixes: metadata keys that become attributes.
        promote_resource_metadata_prefixes: metadata keys of the root that become attributes of the resource.
        genai_version: the version of the GenAI conventions; see ``conventions``.
        pending: whether a span is also sent when it starts.
    """

    type: str = "full"
    mark_projection: str = "inherit"
    mark_exclude_names: tuple[str, ...] = ("llm.chunk",)
    attribute_mappings: tuple[tuple[str, str], ...] = ()
    promote_metadata_prefixes: tuple[str, ...] = ()
    promote_resource_metadata_prefixes: tuple[str, ...] = ()
    genai_version: str = "0.10.4"
    pending: bool = False
