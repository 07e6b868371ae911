# SPDX-License-Identifier: Apache-2.0
"""A state from what a configuration says of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from nemo_relay_state.errors import InvalidState
from nemo_relay_state.memory import MemoryState
from nemo_relay_state.state import State

_SETTINGS = {"memory": {"max_bytes"}, "redis": {"url", "key_prefix"}}


def opened(settings: Mapping[str, Any]) -> State:
    """The state that ``settings`` describe. Nothing is connected before it is used.

    Args:
        settings: ``kind`` (``memory`` or ``redis``), and what belongs to it: ``max_bytes``; ``url`` and ``key_prefix``.

    Raises:
        InvalidState: a setting is missing, unknown or of the wrong type.
    """
    kind = settings.get("kind", "memory")
    known = _SETTINGS.get(kind) if isinstance(kind, str) else None
    if known is None:
        raise InvalidState(f"state kind {kind!r} is not known; known are {', '.join(_SETTINGS)}")
    given = {key: value for key, value in settings.items() if key != "kind"}
    unknown = sorted(given.keys() - known)
    if unknown:
        raise InvalidState(f"state setting {unknown[0]!r} is not known of {kind}; known are {', '.join(sorted(known))}")
    for key, value in given.items():
        wanted = int if key == "max_bytes" else str
        if not isinstance(value, wanted) or isinstance(value, bool):
            raise InvalidState(f"state setting {key!r} must be {wanted.__name__}, not {type(value).__name__}")
    if kind == "memory":
        return MemoryState(**given)
    if not given.get("url"):
        raise InvalidState("state setting 'url' is missing: redis://HOST:PORT/DATABASE")
    from nemo_relay_state.redis import RedisState

    return RedisState(**given)
