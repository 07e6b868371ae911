# SPDX-License-Identifier: Apache-2.0
"""Runs to show, as lists of ATOF events."""

from typing import Any

Event = dict[str, Any]


def scope(phase: str, ms: float, uuid: str, name: str, category: str, parent: str | None = None, **more: Any) -> Event:
    event = {"kind": "scope", "scope_category": phase, "uuid": uuid, "name": name, "category": category}
    return {**event, "parent_uuid": parent, "timestamp": stamp(ms), **more}


def mark(ms: float, name: str, parent: str, data: Any = None) -> Event:
    return {
        "kind": "mark",
        "uuid": f"m{ms}",
        "name": name,
        "parent_uuid": parent,
        "timestamp": stamp(ms),
        "data": data,
    }


def stamp(ms: float) -> str:
    return f"2026-01-01T00:00:{ms / 1000:012.9f}+00:00"


def span(start: float, end: float, uuid: str, name: str, category: str, parent: str, **more: Any) -> list[Event]:
    data, ending = more.pop("data", None), more.pop("ending", {})
    metadata = more.pop("metadata", None)
    return [
        scope("start", start, uuid, name, category, parent, data=data, metadata=metadata),
        scope("end", end, uuid, name, category, parent, metadata=metadata, **ending),
    ]


def usage(prompt: int, completion: int) -> dict[str, Any]:
    response = {"usage": {"prompt_tokens": prompt, "completion_tokens": completion}}
    return {"category_profile": {"model_name": "gpt-x", "annotated_response": response}}


def weather() -> list[Event]:
    """One second: a model call, a plumbing run around a parser, two parallel tools of which one fails."""
    node, router = {"relay.kind": "node"}, {"relay.kind": "router"}
    failed = {"relay.outcome": "error", "otel.status_code": "ERROR"}
    failed["otel.status_description"] = "TimeoutError: the station did not answer"
    return [
        scope("start", 0, "a", "weather", "agent", data={"question": "Paris?"}),
        *span(0, 400, "n1", "model", "function", "a", metadata=node),
        *span(10, 390, "l1", "openai", "llm", "n1", ending=usage(1200, 30)),
        mark(60, "llm.first_token", "l1", {"ttft_ms": 50.0}),
        *span(395, 398, "r1", "model:route", "function", "n1", metadata=router),
        mark(399, "graph.route", "a", {"from": "model", "to": ["tools"]}),
        *span(500, 900, "t1", "get_weather", "tool", "a", data={"city": "Paris", "days": 3}, metadata=failed),
        mark(510, "retry", "t1"),
        mark(520, "retry", "t1"),
        *span(600, 700, "t2", "get_time", "tool", "a", data={"city": "Paris"}),
        scope("end", 1000, "a", "weather", "agent", metadata={"relay.outcome": "ok"}),
    ]


def conversation(turns: int) -> list[Event]:
    """An agent whose history grows by an answer and a question each turn."""
    events = [scope("start", 0, "a", "chat", "agent", data={"messages": [{"role": "user", "content": "turn 1"}]})]
    messages: list[Event] = [{"role": "system", "content": "Be brief."}]
    for turn in range(1, turns + 1):
        messages = [*messages, {"role": "user", "content": f"turn {turn}"}]
        answer = {"role": "assistant", "content": f"answer {turn}"}
        ending = {**usage(10 * turn, 2), "data": answer}
        request = {"content": {"model": "gpt-x", "messages": messages}}
        events += span(turn * 10, turn * 10 + 5, f"l{turn}", "gpt-x", "llm", "a", data=request, ending=ending)
        messages = [*messages, answer]
    return [*events, scope("end", 1000, "a", "chat", "agent")]
