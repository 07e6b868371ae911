# SPDX-License-Identifier: Apache-2.0
"""The middleware of tool calls."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from nemo_relay._runtime.awaitables import block_on
from nemo_relay._runtime.guard import blame
from nemo_relay._runtime.managed.call import ManagedCall
from nemo_relay._runtime.managed.layers import Continuation, Produced
from nemo_relay._runtime.managed.results import ToolExecutionContext, ToolExecutionInterceptOutcome, ToolExecutionResult
from nemo_relay._runtime.managed.views import copy_json, same
from nemo_relay._runtime.registry import registry
from nemo_relay._runtime.registry.registration import Entry
from nemo_relay.errors import CallbackError, InvalidArgument

_activity = registry.activity
NEW_FORM, OLD_FORM = 0, 1  # intercept(context, next), and intercept(name, args, next) of 0.5 to 0.9


class ToolMiddleware:
    """What middleware gets of a tool call, and what becomes of its answers."""

    guardrails = registry.tool_guardrails
    layers = registry.tool_execution_intercepts

    def takes_part(self) -> bool:
        return _activity.shapes_tools

    def question(self, call: ManagedCall) -> tuple[Any, ...]:
        return (call.span.label, copy_json(call.argument))

    def subject(self, call: ManagedCall) -> dict[str, Any]:
        return {"kind": "tool_conditional_execution", "target_name": call.name}

    async def rewrite(self, call: ManagedCall) -> None:
        entries = registry.visible(registry.tool_request_intercepts, call.parent)
        if not entries:
            return
        name, view = call.name, copy_json(call.argument)
        for entry in entries:
            before = view
            try:
                view = entry.fn(name, view)
                if hasattr(type(view), "__await__"):
                    view = block_on(view) if call.sync else await view
                if view is None and before is not None:
                    raise CallbackError("tool request intercept returned None; it must return the arguments")
            except BaseException as error:
                blame(error, "request intercept", entry.name, f"of the tool call {name!r}")
                raise
            if entry.break_chain:
                break
        call.argument = self.passed_on(call, view)

    def arguments(self, call: ManagedCall, entry: Entry, value: Any, proceed: Continuation) -> tuple[Any, ...]:
        span = call.span
        if entry.form == OLD_FORM:
            return (span.label, copy_json(value), proceed)
        return (ToolExecutionContext(span.label, value, span.tool_call_id, call.application_context), proceed)

    def passed_on(self, call: ManagedCall, value: Any) -> Any:
        return call.argument if same(value, call.argument) else value

    def produced(self, raw: Any, entry: Entry | None = None, branches: Sequence[Produced] = ()) -> Produced:
        kind = type(raw)
        if entry is None or (entry.form == OLD_FORM and kind is not ToolExecutionInterceptOutcome):
            if kind is ToolExecutionResult:
                produced = Produced(raw.result, raw, raw.annotation, False)
            else:
                produced = Produced(raw, raw)
            return _with_marks(produced, branches) if branches else produced
        if kind is ToolExecutionInterceptOutcome:
            produced = _like(raw, branches)
            if raw.pending_marks:
                produced.marks += tuple(raw.pending_marks)
            return produced
        raise InvalidArgument(
            "tool execution intercept must return ToolExecutionInterceptOutcome; after await next(args), return"
            " ToolExecutionInterceptOutcome(result=downstream.result, annotation=downstream.annotation):"
            f" {_kind_of(raw)} not an instance of 'ToolExecutionInterceptOutcome'"
        )

    def presented(self, call: ManagedCall, produced: Produced, entry: Entry) -> Any:
        if entry.form == OLD_FORM or not produced.plain:
            return produced.original
        return ToolExecutionResult(produced.value, produced.annotation)


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
