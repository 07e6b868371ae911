# SPDX-License-Identifier: Apache-2.0
"""Whose run it is: session and user, of which LangGraph tells its handlers only what stands in ``metadata``."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

from ._loops import Call

_KEYS = ("session_id", "user_id")
_LONGEST = 256


def with_identity(call: Call | None, metadata: dict[str, Any] | None) -> dict[str, Any] | None:
    """The metadata of an outermost graph run, with session and user where it does not name them already.

    Args:
        call: how the graph was called.
        metadata: of the run, as the framework tells it.

    Returns:
        ``metadata`` itself where nothing is added; else a copy with ``session_id`` and ``user_id`` from
        ``configurable``, else from the graph's ``context``. Of a user whom a server has authenticated the identity is
        not recorded, only a fingerprint of it.
    """
    found = dict(metadata or {})
    if call is None:
        return metadata
    for key in _KEYS:
        value = _text(call.configurable.get(key)) or _text(_member(call.context, key))
        if value is not None:
            found.setdefault(key, value)
    if "user_id" not in found:
        identity = _text(call.configurable.get("langgraph_auth_user_id"))
        identity = identity or _text(_member(call.configurable.get("langgraph_auth_user"), "identity"))
        if identity is not None:
            found["user_id"] = "sha256:" + hashlib.sha256(identity.encode("utf-8", "surrogatepass")).hexdigest()
    return found


def _member(value: Any, key: str) -> Any:
    if isinstance(value, Mapping):
        return value.get(key)
    return vars(value).get(key) if hasattr(value, "__dict__") else None  # a property may do anything


def _text(value: Any) -> str | None:
    if isinstance(value, bool) or not isinstance(value, (str, int)) or value == "":
        return None
    return str(value)[:_LONGEST]
