# SPDX-License-Identifier: Apache-2.0
"""The steps of one agent: what its user said, what its model answered, what its tools returned.

Every model call is one agent step, also one that failed or never ended, and one user step before it where a
person spoke. Every tool execution is in the step whose model asked for it, however late its result came.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from nemo_relay_projections.atif_calls import Desk, Draft, Happening, call_id, undeclared
from nemo_relay_projections.atif_delegation import delegated, delegations, reference, standalone
from nemo_relay_projections.atif_duplicates import duplicates
from nemo_relay_projections.atif_requests import Request
from nemo_relay_projections.atif_responses import Call, Response
from nemo_relay_projections.atif_results import result, results
from nemo_relay_projections.atif_spans import (
    Span,
    ancestry,
    error,
    invocation,
    mapping,
    status,
    timestamp,
)
from nemo_relay_projections.atif_usage import fill, metrics

_ORDER = (
    "step_id", "source", "message", "timestamp", "model_name", "reasoning_effort", "reasoning_content",
    "tool_calls", "observation", "metrics", "llm_call_count", "extra",
)  # fmt: skip


def steps(members: Sequence[Span], spans: Mapping[str, Span]) -> list[dict[str, Any]]:
    """The steps of an agent.

    Args:
        members: its model calls, tool executions and direct sub-agents, in the order in which they opened.
        spans: every span of the stream, for names and lineage.

    Returns:
        Step objects in stream order, numbered from 1. They share payload values with the events.
    """
    calls = [span for span in members if span.category == "llm"]
    twins = duplicates(calls)
    extra_metrics = {better.uuid: metrics(spans[lesser]) for lesser, better in twins.items()}
    asked: list[tuple[int, dict[str, Any]]] = []
    drafts: list[Draft] = []
    failed: Request | None = None
    for span in (span for span in calls if span.uuid not in twins):
        request = Request(span)
        fresh = span.input is not None and request.asks
        if fresh and failed is not None:  # asked again after a failure: the user spoke once
            fresh = request.message != failed.message
        failed = request if status(span) == "error" else None
        if fresh:
            asked.append((span.opened, _user_step(span, request, spans)))
        drafts.append(_answer(span, request, fresh, spans, extra_metrics.get(span.uuid, {})))
    drafts += _work(members, drafts, spans)
    done = [(draft.position, _finished(draft, spans)) for draft in drafts]
    ordered = [step for _, step in sorted(asked + done, key=lambda pair: pair[0])]
    return [_in_order(step, number) for number, step in enumerate(_without_echoes(ordered), 1)]


def silence(agent: Span | None, session: str, spans: Mapping[str, Span]) -> dict[str, Any]:
    """The only step of an agent that called neither a model nor a tool: a trajectory must not be empty."""
    step: dict[str, Any] = {"source": "system", "message": "No model or tool call was recorded."}
    if agent is not None:
        payloads = {"input": agent.input, "output": agent.output}
        step["timestamp"] = timestamp(agent.start or agent.end)
        step["extra"] = {
            "ancestry": ancestry(agent, spans),
            "invocation": invocation(agent, agent.uuid),
            **{key: value for key, value in payloads.items() if value is not None},
        }
    else:
        step["extra"] = {"ancestry": {"function_id": session, "function_name": session}}
    return _in_order(step, 1)


def _user_step(span: Span, request: Request, spans: Mapping[str, Span]) -> dict[str, Any]:
    extra = {"ancestry": ancestry(span, spans), "llm_request": request.body}
    return {"source": "user", "message": request.message, "timestamp": timestamp(span.start), "extra": extra}


def _answer(span: Span, request: Request, fresh: bool, spans: Mapping[str, Span], more: Mapping[str, Any]) -> Draft:
    response = Response(span)
    extra: dict[str, Any] = {"ancestry": ancestry(span, spans), "invocation": invocation(span, span.uuid)}
    if not fresh and request.body is not None:
        extra["llm_request"] = request.body
    if response.data is not None:
        extra["llm_response"] = response.data
    wrong = error(span)
    if wrong:
        extra["error"] = wrong
    fields = {
        "source": "agent",
        "message": response.message,
        "timestamp": timestamp(span.end or span.start),
        "model_name": response.model or request.model,
        "reasoning_effort": request.reasoning_effort,
        "reasoning_content": response.reasoning,
        "metrics": fill(metrics(span), more) or None,
        "llm_call_count": 1,
        "extra": extra,
    }
    return Draft(span.settled, span, fields, response.calls())


def _work(members: Sequence[Span], answers: Sequence[Draft], spans: Mapping[str, Span]) -> list[Draft]:
    """Hand tools and sub-agents to the calls they belong to; the steps of those that no model asked for."""
    desk = Desk(answers)
    added: list[Draft] = []
    at_work: dict[str, tuple[Draft, Call]] = {}
    for tool in (span for span in members if span.category == "tool"):
        found = desk.take(tool)
        if found is None and tool.refused:
            continue  # no model asked for it: a model call that was refused leaves the same mark
        if found is None:
            found = _dispatch(tool, spans)
            desk.declare(found[0], found[0].calls)
            added.append(found[0])
        at_work[tool.uuid] = found
        returned = result(tool)
        if returned:
            found[0].happenings.append(Happening(tool.settled, found[1], returned))
    for child, busy in delegations(members):
        found = delegated(child, desk, at_work, busy, spans)
        if found is None:
            found = standalone(child)
            added.append(found[0])
        found[0].happenings.append(Happening(child.opened, found[1], reference(child)))
    return added


def _dispatch(tool: Span, spans: Mapping[str, Span]) -> tuple[Draft, Call]:
    """A tool that ran before any model spoke: a step of the program, with its arguments kept."""
    call = undeclared(tool, call_id(tool))
    call.runs.append(tool)
    fields = {
        "source": "agent",
        "message": "",
        "timestamp": timestamp(tool.start or tool.end),
        "llm_call_count": 0,
        "extra": {"ancestry": ancestry(tool, spans)},
    }
    return Draft(tool.opened, tool, fields, [call]), call


def _finished(draft: Draft, spans: Mapping[str, Span]) -> dict[str, Any]:
    step = dict(draft.fields)
    runs = [(call, run) for call in draft.calls for run in call.runs]
    if runs:
        lineage = [ancestry(run, spans) for _, run in runs]
        times = [invocation(run, call.id) for call, run in runs]
        step["extra"] = {**step.get("extra", {}), "tool_ancestry": lineage, "tool_invocations": times}
    if draft.calls:
        step["tool_calls"] = [_tool_call(call, spans) for call in draft.calls]
    returned = results(draft.happenings)
    if returned:
        step["observation"] = {"results": returned}
    return step


def _tool_call(call: Call, spans: Mapping[str, Span]) -> dict[str, Any]:
    found: dict[str, Any] = {"tool_call_id": call.id, "function_name": call.name, "arguments": call.arguments}
    extra = dict(call.extra)
    if call.runs:
        extra["ancestry"] = ancestry(call.runs[-1], spans)
        extra["invocation"] = invocation(call.runs[-1], call.id)
    if len(call.runs) > 1:
        extra["attempts"] = [invocation(run, call.id) for run in call.runs]
    if extra:
        found["extra"] = extra
    return found


def _without_echoes(found: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Without steps that only repeat, unanswered, the calls of the next one: hosts project some twice."""
    kept: list[dict[str, Any]] = []
    following: dict[str, Any] = {}
    for step in reversed(found):
        if not _echoes(step, following):
            kept.append(step)
            following = step
    return kept[::-1]


def _echoes(step: Mapping[str, Any], following: Mapping[str, Any]) -> bool:
    telling = ("observation", "reasoning_content", "metrics")
    if step.get("llm_call_count") != 1 or step["message"] != "" or any(step.get(key) for key in telling):
        return False
    if "tool_invocations" in step["extra"]:
        return False
    answered = {back.get("source_call_id") for back in mapping(following, "observation").get("results", [])}
    later = {call["tool_call_id"]: call for call in following.get("tool_calls", [])}
    calls = step.get("tool_calls", [])
    return bool(calls) and all(
        call["tool_call_id"] in answered
        and all(call[key] == later[call["tool_call_id"]][key] for key in ("function_name", "arguments"))
        for call in calls
    )


def _in_order(step: Mapping[str, Any], number: int) -> dict[str, Any]:
    numbered = {**step, "step_id": number}
    return {key: numbered[key] for key in _ORDER if numbered.get(key) is not None}
