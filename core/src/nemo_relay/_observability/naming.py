# SPDX-License-Identifier: Apache-2.0
"""``filename_template``: the names of trajectory files from their sessions, and from what their roots know."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from nemo_relay._runtime.delivery.sessions import safe

_METADATA = re.compile(r"\{metadata\.([A-Za-z0-9_-]+(?:\.[A-Za-z0-9_-]+)*)(?::-([^}]*))?\}")


def template(text: str) -> Callable[[str, Mapping[str, Any]], str]:
    """What makes a name of a session's id and its root's metadata."""

    def render(session_id: str, metadata: Mapping[str, Any]) -> str:
        filled = _METADATA.sub(lambda found: _value(metadata, found[1], found[2]), text)
        return filled.replace("{session_id}", safe(session_id))

    return render


def _value(metadata: Mapping[str, Any], path: str, fallback: str | None) -> str:
    value: Any = metadata
    for key in path.split("."):
        if not isinstance(value, Mapping):
            raise ValueError(f"filename_template placeholder '{{metadata.{path}}}' traversed a non-object value")
        value = value.get(key)
        if value is None:
            if fallback is not None:
                return fallback
            raise ValueError(f"filename_template placeholder '{{metadata.{path}}}' must resolve to a string")
    if not isinstance(value, str):
        raise ValueError(f"filename_template placeholder '{{metadata.{path}}}' resolved to a non-string value")
    if not value:
        raise ValueError(f"metadata path '{path}' must be a path-safe relative fragment")
    return safe(value)
