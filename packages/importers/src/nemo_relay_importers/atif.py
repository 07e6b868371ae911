# SPDX-License-Identifier: Apache-2.0
"""ATIF trajectories: what was said, called and used; times of calls where the trajectory has them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from nemo_relay_projections.facts import mapping

from .events import Event, Span, Talk, identity, response, stamp, tokens, whole
from .report import ImportReport
from .sources import document


def read(path: Path, report: ImportReport) -> Iterator[Event]:
    """The events of a trajectory."""
    given = mapping(document(path))
    steps = [mapping(step) for step in given.get("steps") or ()] if isinstance(given.get("steps"), list) else []
    agent = mapping(given.get("agent"))
    session = str(given.get("session_id") or given.get("trajectory_id") or path.stem)
    times = [time for step in steps if (time := stamp(step.get("timestamp")))]
    metadata: Event = {"session_id": session, "relay.source": "atif"}
    key = identity("atif", given.get("trajectory_id") or session)
    span = Span(key, str(agent.get("name") or "agent"), "agent", None, times[0] if times else None, metadata)
    asked = [str(step.get("message")) for step in steps if step.get("source") == "user"]
    yield span.start({"messages": [{"role": "user", "content": asked[0]}]} if asked else None)
    talk, before = Talk(), span.time
    for number, step in enumerate(steps):
        report.read += 1
        time = stamp(step.get("timestamp")) or before
        if step.get("source") == "agent":
            report.mapped += 1
            yield from _call(span, talk, step, number, before, time, agent.get("model_name"))
        elif step.get("source") in ("user", "system"):
            report.mapped += 1
            talk.add({"role": step["source"], "content": step.get("message")})
        else:
            report.skip(f"source {step.get('source')!r}")
        before = time
    yield span.end(times[-1] if times else None)


def _call(
    agent: Span, talk: Talk, step: Mapping[str, Any], number: int, before: str | None, time: str | None, usual: Any
) -> Iterator[Event]:
    model = step.get("model_name") or usual
    model = model if isinstance(model, str) else None
    invocation = mapping(mapping(step.get("extra")).get("invocation"))
    began = stamp(invocation.get("start_timestamp")) or before
    call = Span(identity(agent.uuid, number), model or "model", "llm", agent, began, {})
    call.profile = {"model_name": model}
    yield call.start(talk.request(call.uuid, model))
    listed = step.get("tool_calls")
    calls = [mapping(one) for one in listed] if isinstance(listed, list) else []
    answer: Event = {"role": "assistant", "content": step.get("message")}
    if isinstance(step.get("reasoning_content"), str):
        answer["reasoning_content"] = step["reasoning_content"]
    if calls:
        answer["tool_calls"] = [_asked(one) for one in calls]
    call.profile = response(model, step.get("message"), _usage(mapping(step.get("metrics"))), None)
    yield call.end(time, answer)
    talk.add(answer)
    results = mapping(step.get("observation")).get("results")
    listed = results if isinstance(results, list) else []
    found = {str(mapping(one).get("source_call_id")): mapping(one) for one in listed}
    for place, one in enumerate(calls):
        yield from _tool(agent, talk, one, found.get(str(one.get("tool_call_id")), {}), (number, place), time)


def _asked(call: Mapping[str, Any]) -> Event:
    function = {"name": call.get("function_name"), "arguments": call.get("arguments")}
    return {"id": call.get("tool_call_id"), "type": "function", "function": function}


def _tool(
    agent: Span, talk: Talk, call: Mapping[str, Any], result: Mapping[str, Any], at: tuple[int, int], time: str | None
) -> Iterator[Event]:
    invocation = mapping(mapping(call.get("extra")).get("invocation"))
    began = stamp(invocation.get("start_timestamp")) or time
    tool = Span(identity(agent.uuid, *at), str(call.get("function_name") or "tool"), "tool", agent, began, {})
    tool.profile = {"tool_call_id": call.get("tool_call_id")}
    yield tool.start(call.get("arguments"))
    content = result.get("content")
    failed = invocation.get("status") == "error"
    error = content if isinstance(content, str) and failed else "error" if failed else None
    yield tool.end(stamp(invocation.get("end_timestamp")) or began, content, error=error)
    talk.add({"role": "tool", "tool_call_id": call.get("tool_call_id"), "content": content})


def _usage(metrics: Any) -> Event:
    extra = mapping(metrics.get("extra"))
    given, read_ = whole(metrics.get("prompt_tokens")), whole(metrics.get("cached_tokens"))
    written = whole(extra.get("cache_write_tokens") or extra.get("cache_creation_input_tokens"))
    out, reasoning = whole(metrics.get("completion_tokens")), whole(extra.get("reasoning_tokens"))
    usage = tokens(max(0, given - read_ - written), read_, written, out, reasoning)
    if isinstance(metrics.get("cost_usd"), int | float):
        usage["cost"] = {"total": float(metrics["cost_usd"]), "currency": "USD"}
    return usage if given or usage["completion_tokens"] else {}
