# SPDX-License-Identifier: Apache-2.0
"""What a document says about masking: whether, and what else is a secret."""

from __future__ import annotations

from typing import Any

from nemo_relay.redaction import DEFAULT_KEYS, DEFAULT_VALUES, Redaction, chosen


def redaction(given: Any) -> bool | Redaction:
    """``redaction`` of a document: whether secrets are masked, or a table of what else is one."""
    if not isinstance(given, dict):
        return given if isinstance(given, Redaction) else bool(given)
    more = {name: given[name] for name in ("replacement",) if name in given}
    keys, values = (*DEFAULT_KEYS, *given.get("keys", ())), (*DEFAULT_VALUES, *given.get("values", ()))
    return Redaction(keys=keys, values=values, **more)


def identity(redact: bool | Redaction) -> Any:
    """``redact`` as JSON: what tells one masking from another when the document changes."""
    if isinstance(redact, bool):
        return redact
    return [redact.keys, redact.values, redact.replacement]


class Masking:
    """A plugin context whose sinks get lines without secrets."""

    def __init__(self, context: Any, redact: bool | Redaction) -> None:
        self._context = context
        self._redaction = chosen(redact)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._context, name)

    def register_subscriber(self, name: str, callback: Any) -> None:
        """As the context's own."""
        sink = getattr(callback, "__relay_sink__", None)
        if sink is None or self._redaction is None:
            self._context.register_subscriber(name, callback)
            return
        mask = self._redaction.line

        def on_event(event: Any) -> Any:
            return callback(event)

        on_event.__relay_sink__ = lambda line: sink(mask(line))  # type: ignore[attr-defined]
        self._context.register_subscriber(name, on_event)
