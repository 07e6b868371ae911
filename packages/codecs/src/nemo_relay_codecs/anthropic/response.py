# SPDX-License-Identifier: Apache-2.0
"""Anthropic Messages, responses."""

from __future__ import annotations

from typing import Any, ClassVar

from nemo_relay_codecs.anthropic.parts import block_parts
from nemo_relay_codecs.model import cost
from nemo_relay_codecs.response_readers import Document, JsonObject, present
from nemo_relay_codecs.values import U64_MAX

FINISH = {"end_turn": "complete", "max_tokens": "length", "tool_use": "tool_use"}
_MODELLED = frozenset(
    (
        *("id", "model", "content", "stop_reason", "type", "role", "stop_sequence", "service_tier", "container"),
        "usage",
    )
)
_COUNTERS = {
    "prompt_tokens": "input_tokens",
    "completion_tokens": "output_tokens",
    "cache_read_tokens": "cache_read_input_tokens",
    "cache_write_tokens": "cache_creation_input_tokens",
}


class AnthropicResponses:
    """The response side of the Anthropic codec."""

    __slots__ = ()

    id: ClassVar[str]
    document: ClassVar[Document] = Document("Anthropic Messages")

    def _read_response(self, response: Any) -> JsonObject:
        document = self.document
        root = document.root(response)
        fields = present(id=document.text(root, "id"), model=document.text(root, "model"))
        blocks = document.array(root, "content")
        fields.update(_message(blocks or ()))
        reason = document.text(root, "stop_reason")
        if reason is not None:
            fields["finish_reason"] = FINISH.get(reason, reason)
        fields["api_specific"] = {
            "api": self.id,
            **present(
                object_type=document.text(root, "type"),
                role=document.text(root, "role"),
                stop_reason=reason,
                stop_sequence=document.text(root, "stop_sequence"),
                service_tier=document.text(root, "service_tier"),
                container=root.get("container"),
                content_blocks=blocks,
            ),
        }
        usage = document.mapping(root, "usage")
        foreign = False
        if usage is not None:
            fields["usage"], foreign = self._usage(usage, fields.get("model"))
        extra = {k: v for k, v in root.items() if k not in _MODELLED}
        if extra:
            fields["extra"] = extra
        if not foreign:
            cost.add_estimate(fields, "anthropic", self.id, usage)
        return fields

    def _usage(self, usage: JsonObject, model: str | None) -> tuple[JsonObject, bool]:
        """The counts, and whether an iteration ran on another model, whose price nobody here knows."""
        document = self.document
        counts = {name: document.count(usage, key) for name, key in _COUNTERS.items()}
        foreign = False
        sums: dict[str, int] = {}
        for iteration in document.objects(usage, "iterations"):
            for name, key in _COUNTERS.items():
                count = document.count(iteration, key)
                if count is not None:
                    sums[name] = min(sums.get(name, 0) + count, U64_MAX)
            ran_on = document.text(iteration, "model")
            foreign |= ran_on is not None and ran_on != model
        counts.update(sums)
        prompt, completion = counts["prompt_tokens"], counts["completion_tokens"]
        total = None if prompt is None or completion is None else min(prompt + completion, U64_MAX)
        stated = cost.reported(usage, document)
        return present(**counts, total_tokens=total, uncached_input_tokens=prompt, cost=stated), foreign

    def choices(self, response: Any) -> list[JsonObject]:
        """The one alternative of a response, its blocks as neutral parts."""
        root = response if isinstance(response, dict) else {}
        blocks = root.get("content")
        parts = [part for block in (blocks if isinstance(blocks, list) else ()) for part in block_parts(block)]
        reason = root.get("stop_reason")
        known = FINISH.get(reason, reason) if isinstance(reason, str) else None
        return [{"index": 0, "parts": parts, **present(finish_reason=known)}]


def _message(blocks: Any) -> JsonObject:
    texts: list[str] = []
    calls: list[JsonObject] = []
    for block in blocks:
        if not isinstance(block, dict):
            continue
        kind = block.get("type")
        if kind == "text" and isinstance(block.get("text"), str):
            texts.append(block["text"])
        elif kind == "tool_use" and "input" in block:
            call_id, name = block.get("id"), block.get("name")
            if isinstance(call_id, str) and isinstance(name, str):
                calls.append({"id": call_id, "name": name, "arguments": block["input"]})
    return present(message="\n".join(texts) if texts else None, tool_calls=calls or None)


def runs_on_foreign_model(response: Any) -> bool:
    """Whether an iteration of the response names another model than the response does."""
    usage = response.get("usage") if isinstance(response, dict) else None
    rounds = usage.get("iterations") if isinstance(usage, dict) else None
    named = [r.get("model") for r in rounds if isinstance(r, dict)] if isinstance(rounds, list) else []
    return any(name is not None and name != response.get("model") for name in named)
