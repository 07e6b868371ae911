# SPDX-License-Identifier: Apache-2.0
"""Tool calls: their two events, of managed ones and of those that are opened by hand."""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

from nemo_relay._runtime import clock, guard
from nemo_relay._runtime.emission import emit
from nemo_relay._runtime.emission.marks import emit_pending
from nemo_relay._runtime.emission.publish import Step
from nemo_relay._runtime.emission.skills import emit_skill_loads, source_of
from nemo_relay._runtime.log import faults
from nemo_relay._runtime.managed.call import Kind, ManagedCall
from nemo_relay._runtime.managed.engine import failure
from nemo_relay._runtime.managed.layers import Produced
from nemo_relay._runtime.managed.middleware.tool import ToolMiddleware
from nemo_relay._runtime.managed.results import ToolExecutionResult
from nemo_relay._runtime.registry import registry
from nemo_relay._runtime.tree.spans import Span, ToolHandle
from nemo_relay_records.encoding import NULL, encode, strict

_activity = registry.activity
_MICROSECOND = 1_000


class ToolEvents:
    """The two events of a managed tool call."""

    def start(self, span: ToolHandle, argument: Any) -> Any:
        if _activity.observed:
            start_tool(span, argument, None)
        return argument

    def end(self, span: ToolHandle, raw: Any) -> None:
        if type(raw) is ToolExecutionResult:
            end_tool(span, raw.result, raw.annotation, emit.OK, span.handle_data)
        else:
            end_tool(span, raw, None, emit.OK, span.handle_data)

    def end_failed(self, span: ToolHandle, error: BaseException) -> None:
        end_tool(span, None, None, failure(span, error), span.handle_data, sanitized=False)

    def start_shaped(self, call: ManagedCall) -> None:
        start_tool(call.span, call.argument, None)

    def end_shaped(self, call: ManagedCall, produced: Produced) -> Any:
        span, marks = call.span, produced.marks
        ns = emit.end_time(span) if marks else None
        end_tool(span, produced.value, produced.annotation, emit.OK, span.handle_data, ns)
        if ns is not None:
            emit_pending(marks, span, ns + _MICROSECOND, step_ns=_MICROSECOND, family="tool")
        return produced.original


TOOL = Kind("tool", ToolEvents(), ToolMiddleware())


def _profile(tool_call_id: str | None, annotation: Any) -> bytes:
    if tool_call_id is None and annotation is None:
        return b"{}"
    profile: dict[str, Any] = {} if tool_call_id is None else {"tool_call_id": tool_call_id}
    if annotation is not None:
        profile["tool_result_annotation"] = annotation
    return encode(profile)


def open_tool(
    name: str,
    args: Any,
    parent: Span,
    bits: int,
    data: Any,
    metadata: Any,
    tool_call_id: str | None,
    ns: int | None,
) -> ToolHandle:
    """Make the span of a tool call, and publish its start."""
    span = ToolHandle(name, parent, bits, data, metadata, tool_call_id)
    start_tool(span, args, ns)
    return span


def start_tool(span: ToolHandle, args: Any, ns: int | None) -> None:
    """Publish the start of a tool call, with the marks that its arguments call for."""
    parent = span.parent_span
    assert parent is not None
    audience = registry.audience(parent)
    if audience is None:
        return
    ns = clock.source() if ns is None else ns
    sanitize = _sanitizer(registry.tool_request_sanitizers, span) if _activity.shapes_events else None
    emit.start(span, audience, ns, encode(args), _profile(span.tool_call_id, None), sanitize)
    if span.given_metadata is not None or source_of(span.label) is not None:
        emit_skill_loads(span, args, ns, audience)


def end_tool_by_hand(span: ToolHandle, result: Any, data: Any, metadata: Any, ns: int | None) -> None:
    """Publish the end of a tool call that was opened by hand. A second end is ignored, and reported."""
    if not span.is_open:
        emit.ended_twice(span)
        return
    produced = result if type(result) is ToolExecutionResult else ToolExecutionResult(result)
    end_tool(span, produced.result, produced.annotation, metadata, data, ns)


def end_tool(
    span: ToolHandle,
    value: Any,
    annotation: Any,
    metadata: Any,
    fallback: Any,
    ns: int | None = None,
    *,
    sanitized: bool = True,
) -> None:
    """Publish the end of a tool call, if anybody hears it. ``fallback`` is the payload where there is no value."""
    span.is_open = False
    audience = registry.audience(span)
    if audience is not None:
        ns = emit.end_time(span) if ns is None else ns
        payload = encode(value)
        if payload == NULL:
            payload = encode(fallback)
        sanitize = None
        if sanitized and _activity.shapes_events:
            sanitize = _sanitizer(registry.tool_response_sanitizers, span, fallback=fallback)
        profile = _profile(span.tool_call_id, annotation)
        emit.end(span, audience, ns, payload, metadata, profile, sanitize)
    if span.local is not None:
        registry.release(span)


def _sanitizer(family: registry.Family, span: ToolHandle, fallback: Any = None) -> Any:
    """The payload sanitizers of a tool event as part of the publication chain; None where there are none."""
    entries = registry.visible(family, span)
    if not entries:
        return None

    def sanitize(record: dict[str, Any]) -> Generator[Step, Any, None]:
        for entry in entries:
            try:
                answer = yield entry.fn, (span.label, record["data"])
                strict(answer)
                record["data"] = answer
            except BaseException as error:
                guard.pass_on(error)
                record["data"] = None
                failed = "request" if family is registry.tool_request_sanitizers else "response"
                shown = f"internal error: {faults.describe(error)}"
                faults.write(f"nemo_relay: Python tool sanitizer callable failed: {shown}")
                faults.report(f"tool_{failed}_sanitizer_failed", error, sanitizer=entry.name, tool_name=span.label)
                return
        if record["data"] is None and fallback is not None:
            record["data"] = fallback

    return sanitize
