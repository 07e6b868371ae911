# SPDX-License-Identifier: Apache-2.0
"""What makes two calls the same."""

from __future__ import annotations

import json
from typing import Any

from nemo_relay.redaction import Redaction

# Members of a request that are different in every run, or say only how a library wrote it.
_PASSING = frozenset({"id", "tool_call_id", "call_id", "tool_use_id", "extra", "created", "created_at", "timestamp"})
_KEPT_WHOLE = frozenset({"arguments", "args", "input", "parameters", "input_schema"})  # what is in them is content
_redaction = Redaction()


def canonical(kind: str, value: Any) -> str:
    """A call's arguments or request as text: sorted keys, secrets masked as in a recording; of a request no ids."""
    masked = _redaction.value(value)
    steady = _without_ids(masked) if kind == "llm" else masked
    return json.dumps(steady, ensure_ascii=False, sort_keys=True, indent=1, default=repr)


def content_of(request: Any) -> Any:
    """Of a recorded request what is compared: its content, without headers."""
    return request.get("content") if isinstance(request, dict) and "content" in request else request


def _without_ids(value: Any) -> Any:
    if isinstance(value, list):
        return [_without_ids(item) for item in value]
    if not isinstance(value, dict):
        return value
    return {
        key: item if key in _KEPT_WHOLE and not isinstance(item, list) else _without_ids(item)
        for key, item in value.items()
        if key not in _PASSING
    }
