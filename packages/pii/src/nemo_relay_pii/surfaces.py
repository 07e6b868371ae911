# SPDX-License-Identifier: Apache-2.0
"""Where a profile meets events: marks, scopes, tools, requests and responses of models.

Only observers' copies pass here.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from nemo_relay import LLMRequest, codecs, logs
from nemo_relay.types import EventSanitizeFields, LlmRequestContext, LlmResponseContext
from nemo_relay_pii import counting
from nemo_relay_pii.actions import REDACTED
from nemo_relay_pii.walking import Walk

JsonObject = dict[str, Any]
# What the runtime itself writes into metadata: words of its own, never of the application.
_OWN = ("otel.status_code", "error.type", "exception.type", "nemo_relay.log.severity")
_SPECIALISED = ("tool", "llm")


class Surfaces:
    """The sanitizers of one profile.

    Args:
        walk: what it does to a JSON value.
        targeted: whether it names what it means; paths into requests and responses are those of their normalised form.
        codec: the format of calls that come without one.
        surfaces: the names of those that are on.
    """

    def __init__(self, walk: Walk, *, targeted: bool, codec: str | None, surfaces: frozenset[str]) -> None:
        self._walk = walk
        self._targeted = targeted
        self._codec = codec
        self.on = surfaces

    def mark(self, event: Any, fields: EventSanitizeFields) -> EventSanitizeFields:
        """A mark: its payload, profile and metadata, each from its own root."""
        return self._cleaned(fields)

    def scope_start(self, event: Any, fields: EventSanitizeFields) -> EventSanitizeFields:
        """The start of a scope."""
        return self._scope(event, fields, "input")

    def scope_end(self, event: Any, fields: EventSanitizeFields) -> EventSanitizeFields:
        """The end of a scope."""
        return self._scope(event, fields, "output")

    def tool(self, name: str, payload: Any) -> Any:
        """The arguments or the result of a tool."""
        return self._walk(payload)

    def request(self, request: LLMRequest, context: LlmRequestContext) -> LLMRequest:
        """The request to a model."""
        whole = {"headers": request.headers, "content": request.content}
        if self._targeted:
            codec = context.resolve_codec() or self._fallback(codecs.detect_request(request.content))
            clean = self._request_by_paths(whole, codec)
        else:
            clean = self._walk(whole)
        return request if clean is whole else LLMRequest(clean["headers"], clean["content"])

    def response(self, response: Any, context: LlmResponseContext) -> Any:
        """The response of a model."""
        if not self._targeted:
            return self._walk(response)
        codec = context.resolve_codec() or self._fallback(codecs.detect_response(response))
        view = partial(_view, None if codec is None else codec.decode_response)
        before = view(response)
        return self._carried(response, before, None if before is None else self._walk(before), view)

    def _request_by_paths(self, whole: JsonObject, codec: Any) -> JsonObject:
        headers, content = whole["headers"], whole["content"]

        def view(body: Any) -> JsonObject | None:
            return None if codec is None else _view(codec.decode, LLMRequest(headers, body))

        before = view(content)
        clean = self._walk({**(before or {}), "headers": headers})
        after = {key: item for key, item in clean.items() if key != "headers"} if isinstance(clean, dict) else {}
        carried = self._carried(content, before, after, view)
        shown = clean.get("headers", {}) if isinstance(clean, dict) else {}
        return whole if carried is content and shown is headers else {"headers": shown, "content": carried}

    def _carried(
        self, payload: Any, before: JsonObject | None, after: Any, view: Callable[[Any], JsonObject | None]
    ) -> Any:
        """Carry what changed in the normalised view over to the provider's own form, and look whether it took."""
        if before is None:
            return self._closed(payload, "no codec reads it")
        changes: dict[str, Any] = {}
        _differences(before, after, changes)
        if not changes:
            return payload
        carrier = Carrier(changes)
        carried = carrier.carry(payload)
        if carrier.found != changes.keys() or not changes.keys().isdisjoint(_texts(view(carried))):
            return self._closed(payload, "what its paths name could not be carried over")
        return carried

    def _closed(self, payload: Any, why: str) -> Any:
        """The shape of a payload that cannot be cleaned by its paths: every text is replaced, numbers stay."""
        counting.found["omitted"] += 1
        logs.report("pii_llm_payload_omitted", ValueError(why))
        return Walk(lambda text, context: REDACTED, json_strings=False).all(payload)

    def _fallback(self, detected: str | None) -> Any:
        name = self._codec or detected
        return None if name is None else codecs.resolve(name)

    def _scope(self, event: Any, fields: EventSanitizeFields, generic: str) -> EventSanitizeFields:
        category = event.category
        if category not in _SPECIALISED:
            return self._cleaned(fields) if generic in self.on else fields
        if (f"tool_{generic}" if category == "tool" else generic) not in self.on:
            return fields
        clean: EventSanitizeFields = {**fields, "metadata": self._metadata(fields["metadata"])}
        profile = fields["category_profile"]
        if isinstance(profile, dict) and profile.get("tool_result_annotation") is not None:
            annotation = self._walk(profile["tool_result_annotation"])
            clean["category_profile"] = {**profile, "tool_result_annotation": annotation}
        return clean

    def _cleaned(self, fields: EventSanitizeFields) -> EventSanitizeFields:
        return {
            "data": self._walk(fields["data"]),
            "category_profile": self._walk(fields["category_profile"]),
            "metadata": self._metadata(fields["metadata"]),
        }

    def _metadata(self, metadata: Any) -> Any:
        clean = self._walk(metadata)
        if clean is metadata or not isinstance(clean, dict) or not isinstance(metadata, dict):
            return clean
        return {**clean, **{name: metadata[name] for name in _OWN if name in metadata and name in clean}}


def _view(decode: Callable[[Any], Any] | None, payload: Any) -> JsonObject | None:
    if decode is None:
        return None
    try:
        annotated = decode(payload)
        found = annotated.to_event() if hasattr(annotated, "to_event") else annotated
    except Exception:
        return None
    return found if isinstance(found, dict) else None


def _differences(before: Any, after: Any, changes: dict[str, Any]) -> None:
    """Each text of ``before`` that ``after`` has otherwise, or not at all (None)."""
    if isinstance(before, str):
        if before != after:
            changes[before] = after if isinstance(after, str) else None
    elif isinstance(before, dict):
        others = after if isinstance(after, dict) else {}
        for key, item in before.items():
            _differences(item, others.get(key), changes)
    elif isinstance(before, list):
        rest = after if isinstance(after, list) else []
        for index, item in enumerate(before):
            _differences(item, rest[index] if index < len(rest) else None, changes)


class Carrier:
    """Puts what became of texts into another form of the same payload; ``found`` says which of them it met."""

    def __init__(self, changes: dict[str, Any]) -> None:
        self._changes = changes
        self.found: set[str] = set()
        self._inside = Walk(self._text)

    def carry(self, value: Any) -> Any:
        """``value`` with each text that changed, wherever it stands, in JSON inside texts too."""
        if isinstance(value, str):
            if value not in self._changes:
                return self._inside(value)
            self.found.add(value)
            return self._changes[value]
        if isinstance(value, dict):
            return {key: self.carry(item) for key, item in value.items()}
        return [self.carry(item) for item in value] if isinstance(value, list) else value

    def _text(self, text: str, context: str) -> Any:
        if text in self._changes:
            self.found.add(text)
        return self._changes.get(text, text)


def _texts(value: Any) -> set[str]:
    if isinstance(value, str):
        return {value}
    items = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return {text for item in items for text in _texts(item)}
