# SPDX-License-Identifier: Apache-2.0
"""OpenAI Responses, responses."""

from __future__ import annotations

from typing import Any, ClassVar

from nemo_relay_codecs.model import cost
from nemo_relay_codecs.openai_responses.parts import item_parts
from nemo_relay_codecs.response_readers import Document, JsonObject, present, uncached
from nemo_relay_codecs.values import parsed

_MODELLED = frozenset(
    (
        *("id", "model", "output", "status", "incomplete_details", "usage", "previous_response_id", "store"),
        *("service_tier", "truncation", "reasoning"),
    )
)
_REASONS = {"max_output_tokens": "length", "content_filter": "content_filter"}


class ResponsesResponses:
    """The response side of the Responses codec."""

    __slots__ = ()

    id: ClassVar[str]
    document: ClassVar[Document] = Document("OpenAI Responses")

    def _read_response(self, response: Any) -> JsonObject:
        document = self.document
        root = document.root(response)
        fields = present(id=document.text(root, "id"), model=document.text(root, "model"))
        output = document.array(root, "output")
        fields.update(_message(output or (), root.get("output_text")))
        status = document.text(root, "status")
        reason = _finish(status, root.get("incomplete_details"))
        if reason is not None:
            fields["finish_reason"] = reason
        api = self._api(root, output, status)
        usage = document.mapping(root, "usage")
        if usage is not None:
            fields["usage"] = self._usage(usage, api)
        fields["api_specific"] = api
        extra = {k: v for k, v in root.items() if k not in _MODELLED}
        if extra:
            fields["extra"] = extra
        cost.add_estimate(fields, "openai", self.id, usage)
        return fields

    def _api(self, root: JsonObject, output: list[Any] | None, status: str | None) -> JsonObject:
        document = self.document
        return {
            "api": self.id,
            **present(
                output_items=output,
                status=status,
                incomplete_details=root.get("incomplete_details"),
                previous_response_id=document.text(root, "previous_response_id"),
                store=document.flag(root, "store"),
                service_tier=document.text(root, "service_tier"),
                truncation=root.get("truncation"),
                reasoning=root.get("reasoning"),
            ),
        }

    def _usage(self, usage: JsonObject, api: JsonObject) -> JsonObject:
        document = self.document
        prompt = document.count(usage, "input_tokens")
        cached = self._details(usage, "input_tokens_details", "cached_tokens", api)
        self._details(usage, "output_tokens_details", "reasoning_tokens", api)
        return present(
            prompt_tokens=prompt,
            completion_tokens=document.count(usage, "output_tokens"),
            total_tokens=document.count(usage, "total_tokens"),
            cache_read_tokens=cached,
            uncached_input_tokens=uncached(prompt, cached),
            cost=cost.reported(usage, document),
        )

    def _details(self, usage: JsonObject, key: str, member: str, api: JsonObject) -> int | None:
        """Keep a details object raw, minus its modelled member where that is null."""
        details = self.document.mapping(usage, key)
        if details is None:
            return None
        found = self.document.count(details, member)
        api[key] = {k: v for k, v in details.items() if v is not None or k != member}
        return found

    def choices(self, response: Any) -> list[JsonObject]:
        """The one alternative of a response, its items as neutral parts."""
        root = response if isinstance(response, dict) else {}
        items = root.get("output")
        parts = [part for item in (items if isinstance(items, list) else ()) for part in item_parts(item)]
        if not parts and isinstance(root.get("output_text"), str) and root["output_text"]:
            parts = [{"type": "text", "text": root["output_text"]}]
        status = root.get("status")
        reason = _finish(status if isinstance(status, str) else None, root.get("incomplete_details"))
        return [{"index": 0, "parts": parts, **present(finish_reason=reason)}]


def _message(output: Any, shortcut: Any) -> JsonObject:
    texts: list[str] = []
    calls: list[JsonObject] = []
    for item in output:
        if not isinstance(item, dict):
            continue
        kind = item.get("type")
        if kind == "message":
            blocks = item.get("content")
            for block in blocks if isinstance(blocks, list) else ():
                _add_text(block, texts)
        elif kind == "output_text":
            _add_text(item, texts)
        elif kind == "function_call":
            calls.append(_call(item))
    message = "\n".join(texts) if texts else None
    if message is None and isinstance(shortcut, str) and shortcut:
        message = shortcut
    return present(message=message, tool_calls=calls or None)


def _add_text(block: Any, texts: list[str]) -> None:
    if isinstance(block, dict) and block.get("type") == "output_text" and isinstance(block.get("text"), str):
        texts.append(block["text"])


def _call(item: JsonObject) -> JsonObject:
    call_id, name, arguments = item.get("call_id"), item.get("name"), item.get("arguments")
    return {
        "id": call_id if isinstance(call_id, str) else "",
        "name": name if isinstance(name, str) else "",
        "arguments": parsed(arguments) if isinstance(arguments, str) and arguments.strip() else {},
    }


def _finish(status: str | None, details: Any) -> str | None:
    if status == "completed":
        return "complete"
    if status == "incomplete":
        reason = details.get("reason") if isinstance(details, dict) else None
        return _REASONS.get(reason, reason) if isinstance(reason, str) else "incomplete"
    return status
