# SPDX-License-Identifier: Apache-2.0
"""Tool calls: what is particular to them on their way through the engine, and their manual life cycle."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from typing import Any

from nemo_relay._runtime import clock, guard
from nemo_relay._runtime.awaitables import finish
from nemo_relay._runtime.emission import emit
from nemo_relay._runtime.emission.marks import emit_pending
from nemo_relay._runtime.emission.publish import Step
from nemo_relay._runtime.emission.skills import emit_skill_loads, source_of
from nemo_relay._runtime.guard import blame
from nemo_relay._runtime.log import faults
from nemo_relay._runtime.managed.engine import ManagedCall, failure
from nemo_relay._runtime.managed.layers import Continuation, Produced
from nemo_relay._runtime.managed.results import ToolExecutionContext, ToolExecutionInterceptOutcome, ToolExecutionResult
from nemo_relay._runtime.managed.views import copy_json, same
from nemo_relay._runtime.registry import registry
from nemo_relay._runtime.registry.registration import Entry
from nemo_relay._runtime.tree.spans import Span, ToolHandle
from nemo_relay.errors import CallbackError, InvalidArgument
from nemo_relay_records.encoding import NULL, encode, strict

_activity = registry.activity
_MICROSECOND = 1_000
NEW_FORM, OLD_FORM = 0, 1  # intercept(context, next), and intercept(name, args, next) of 0.5 to 0.9


class ToolCall(ManagedCall):
    """A managed tool call."""

    __slots__ = ()
    kind = "tool"
    guardrails = registry.tool_guardrails
    layers = registry.tool_execution_intercepts

    span: ToolHandle

    @staticmethod
    def is_unshaped() -> bool:
        return not _activity.shapes_tools

    @staticmethod
    def begin(span: ToolHandle, argument: Any) -> Any:
        start_tool(span, argument, None)
        return argument

    @staticmethod
    def begin_unobserved(span: ToolHandle, argument: Any) -> Any:
        return argument

    @staticmethod
    def conclude(span: ToolHandle, raw: Any) -> None:
        if type(raw) is ToolExecutionResult:
            finish_tool(span, raw.result, raw.annotation, emit.OK, span.handle_data)
        else:
            finish_tool(span, raw, None, emit.OK, span.handle_data)

    @staticmethod
    def fail(span: ToolHandle, error: BaseException) -> None:
        finish_tool(span, None, None, failure(span, error), span.handle_data, sanitized=False)

    def guard_arguments(self) -> tuple[Any, ...]:
        return (self.name, copy_json(self.argument))

    def guard_payload(self) -> dict[str, Any]:
        return {"kind": "tool_conditional_execution", "target_name": self.name}

    async def rewrite(self) -> None:
        span = self.span
        entries = registry.visible(registry.tool_request_intercepts, self.parent)
        if not entries:
            return
        name, view = span.label, copy_json(self.argument)
        for entry in entries:
            before = view
            try:
                view = entry.fn(name, view)
                if hasattr(type(view), "__await__"):
                    view = finish(view) if self.sync else await view
                if view is None and before is not None:
                    raise CallbackError("tool request intercept returned None; it must return the arguments")
            except BaseException as error:
                blame(error, "request intercept", entry.name, f"of the tool call {name!r}")
                raise
            if entry.break_chain:
                break
        self.argument = self.checked(view)

    def open(self) -> None:
        start_tool(self.span, self.argument, None)

    def layer_arguments(self, entry: Entry, value: Any, proceed: Continuation) -> tuple[Any, ...]:
        span = self.span
        if entry.form == OLD_FORM:
            return (span.label, copy_json(value), proceed)
        return (ToolExecutionContext(span.label, value, span.tool_call_id, self.application_context), proceed)

    def checked(self, value: Any) -> Any:
        return self.argument if same(value, self.argument) else value

    def accept(self, raw: Any) -> Produced:
        if type(raw) is ToolExecutionResult:
            return Produced(raw.result, raw, raw.annotation, False)
        return Produced(raw, raw)

    def accept_layer(self, entry: Entry, raw: Any, branches: Sequence[Produced]) -> Produced:
        made_marks: Sequence[Any] = ()
        if type(raw) is ToolExecutionInterceptOutcome:
            produced = _like(raw, branches)
            made_marks = raw.pending_marks
        elif entry.form == OLD_FORM:
            produced = _with_marks(self.accept(raw), branches)
        else:
            raise InvalidArgument(
                "tool execution intercept must return ToolExecutionInterceptOutcome; after await next(args), return"
                " ToolExecutionInterceptOutcome(result=downstream.result, annotation=downstream.annotation):"
                f" {_kind_of(raw)} not an instance of 'ToolExecutionInterceptOutcome'"
            )
        if made_marks:
            produced.marks += tuple(made_marks)
        return produced

    def present(self, produced: Produced, entry: Entry) -> Any:
        if entry.form == OLD_FORM or not produced.plain:
            return produced.original
        return ToolExecutionResult(produced.value, produced.annotation)

    def succeed(self, produced: Produced) -> Any:
        span, marks = self.span, produced.marks
        ns = emit.end_time(span) if marks else None
        finish_tool(span, produced.value, produced.annotation, emit.OK, span.handle_data, ns)
        if ns is not None:
            emit_pending(marks, span, ns + _MICROSECOND, step_ns=_MICROSECOND, family="tool")
        return produced.original


def _like(outcome: ToolExecutionInterceptOutcome, branches: Sequence[Produced]) -> Produced:
    """What an intercept's outcome means to the caller: the very object of the branch it hands on, where it does."""
    for branch in branches:
        if branch.value is outcome.result and (
            branch.annotation is outcome.annotation or same(branch.annotation, outcome.annotation)
        ):
            if len(branches) == 1:
                return branch
            produced = Produced(branch.value, branch.original, branch.annotation, branch.plain)
            break
    else:
        plain = any(branch.plain for branch in branches) and outcome.annotation is None
        original = outcome.result if plain else ToolExecutionResult(outcome.result, outcome.annotation)
        produced = Produced(outcome.result, original, outcome.annotation, plain)
    return _with_marks(produced, branches)


def _with_marks(produced: Produced, branches: Sequence[Produced]) -> Produced:
    for branch in branches:
        produced.marks += branch.marks
    return produced


def _kind_of(value: Any) -> str:
    return "'None' is" if value is None else f"'{type(value).__name__}' object is"


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


def end_tool(span: ToolHandle, result: Any, data: Any, metadata: Any, ns: int | None) -> None:
    """Publish the end of a tool call that was opened by hand. A second end is ignored, and reported."""
    if not span.is_open:
        emit.ended_twice(span)
        return
    produced = result if type(result) is ToolExecutionResult else ToolExecutionResult(result)
    finish_tool(span, produced.result, produced.annotation, metadata, data, ns)


def finish_tool(
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
                faults.say(f"nemo_relay: Python tool sanitizer callable failed: {shown}")
                faults.report(f"tool_{failed}_sanitizer_failed", error, sanitizer=entry.name, tool_name=span.label)
                return
        if record["data"] is None and fallback is not None:
            record["data"] = fallback

    return sanitize
