# SPDX-License-Identifier: Apache-2.0
"""Makes ATOF events by hand, so that a test says what a stream holds, damage included."""

from __future__ import annotations

import json
from typing import Any

SESSION = "agent-1"


class Stream:
    """Events with the clock at one millisecond a call."""

    def __init__(self) -> None:
        self.events: list[dict[str, Any]] = []

    def start(self, uuid: str, name: str, category: str = "function", parent: str | None = None, **more: Any) -> None:
        self._scope("start", uuid, name, category, parent, more)

    def end(self, uuid: str, name: str, category: str = "function", parent: str | None = None, **more: Any) -> None:
        more.setdefault("metadata", {"otel.status_code": "OK"})
        self._scope("end", uuid, name, category, parent, more)

    def whole(self, uuid: str, name: str, category: str = "function", parent: str | None = None, **end: Any) -> None:
        self.start(uuid, name, category, parent)
        self.end(uuid, name, category, parent, **end)

    def fail(self, uuid: str, name: str, category: str, parent: str, error: str, kind: str = "ValueError") -> None:
        metadata = {
            "otel.status_code": "ERROR",
            "otel.status_description": f"internal error: {kind}: {error}",
            "exception.type": kind,
        }
        self.whole(uuid, name, category, parent, metadata=metadata)

    def mark(self, name: str, parent: str, **more: Any) -> None:
        self._add({"kind": "mark", "name": name, "uuid": f"m{len(self.events)}", "parent_uuid": parent, **more})

    def lines(self) -> list[str]:
        return [json.dumps(event) + "\n" for event in self.events]

    def _scope(self, phase: str, uuid: str, name: str, category: str, parent: str | None, more: dict[str, Any]) -> None:
        event = {"kind": "scope", "scope_category": phase, "uuid": uuid, "name": name, "category": category}
        self._add({**event, "attributes": [], "parent_uuid": parent or "root", **more})

    def _add(self, event: dict[str, Any]) -> None:
        ms = len(self.events)
        defaults = {"atof_version": "0.1", "data": None, "metadata": None, "category_profile": None}
        stamp = f"2026-01-01T00:00:00.{ms:03d}+00:00"
        self.events.append({**defaults, "propagation_root_uuid": SESSION, "timestamp": stamp, **event})


def weather() -> Stream:
    """An agent that asks a model, which calls two tools at once, one of which fails."""
    stream = Stream()
    stream.start("agent-1", "weather", "agent", data={"question": "Paris?"})
    stream.start("n1", "model", "function", "agent-1")
    profile = {
        "model_name": "m-1",
        "annotated_response": {"usage": {"prompt_tokens": 12, "completion_tokens": 3}},
    }
    stream.start("l1", "openai", "llm", "n1", attributes=["streaming"], category_profile={"model_name": "m-1"})
    stream.mark("llm.first_token", "l1", data={"ttft_ms": 1.5})
    stream.end("l1", "openai", "llm", "n1", category_profile=profile)
    stream.end("n1", "model", "function", "agent-1")
    stream.start("t1", "get_weather", "tool", "agent-1", category_profile={"tool_call_id": "call-1"})
    stream.whole("t2", "get_time", "tool", "agent-1", data={"time": "12:00"})
    stream.end(
        "t1",
        "get_weather",
        "tool",
        "agent-1",
        metadata={
            "otel.status_code": "ERROR",
            "otel.status_description": "internal error: TimeoutError: no answer",
        },
    )
    stream.end("agent-1", "weather", "agent")
    return stream
