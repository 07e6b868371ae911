# SPDX-License-Identifier: Apache-2.0
"""A tool call as a managed call: guardrails, intercepts and one event around what the framework does itself."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any

from langchain_core.messages import ToolMessage

from nemo_relay import ToolExecutionResult, ToolHandle, tools
from nemo_relay.errors import GuardrailRejected
from nemo_relay.integrations.langchain._calls import invocations
from nemo_relay.integrations.langchain._calls.answers import Answers, Given
from nemo_relay.integrations.langchain._edits import substitutes
from nemo_relay.integrations.langchain._guards import approvals, refusals
from nemo_relay.integrations.langchain._guards.withholding import arguments, tool_payloads
from nemo_relay.integrations.langchain._options import AdapterOptions
from nemo_relay.integrations.langchain._runs import claims, outcomes
from nemo_relay.integrations.langchain._runs.claims import Claim
from nemo_relay.integrations.langchain._runs.outcomes import Ending
from nemo_relay.integrations.langchain._runs.table import Handle

_NOT_EXECUTED = "A human reviewer rejected this call of {name!r}; it was not executed. Do not repeat it unasked."


class ManagedToolCall:
    """One call of a tool on its way through the runtime.

    Args:
        name: the tool's name.
        args: its arguments, as the model gave them.
        tool_call_id: the model's id of the call.
        options: what becomes of refusals.
        known: whether there is a tool of that name.
        raw: the caller wants the tool's own value, not a message for the model.
    """

    def __init__(
        self,
        name: str,
        args: Any,
        tool_call_id: str | None,
        options: AdapterOptions,
        *,
        known: bool = True,
        raw: bool = False,
    ) -> None:
        self.name = name
        self.args = args
        self.tool_call_id = tool_call_id
        self._options = options
        self._known = known
        self._raw = raw
        self._parent = invocations.parent()
        self._overruled: frozenset[str] = frozenset()
        self._answers = Answers()
        self._failure: dict[str, Any] = {}
        self._entered = False

    def run(self, execute: Callable[[str, Any], Any]) -> Any:
        """Call ``execute(name, args)`` as a managed call; returns what the framework is to get."""
        while True:
            try:
                self._recall()
                with approvals.overruling(self._overruled), tool_payloads(self._parent, self._options):
                    answer = tools.execute_sync(
                        self.name, self.args, lambda args: self._body(execute, args), **self._keywords()
                    )
            except GuardrailRejected as refusal:
                if self._is_from_inside(refusal):
                    raise
                result = self._refused(refusal)
                if result is None:
                    continue
                return result
            return self._settled(answer)

    async def arun(self, execute: Callable[[str, Any], Awaitable[Any]]) -> Any:
        """The same for an asynchronous framework."""
        while True:
            try:
                self._recall()
                with approvals.overruling(self._overruled), tool_payloads(self._parent, self._options):
                    answer = await tools.execute(
                        self.name, self.args, lambda args: self._abody(execute, args), **self._keywords()
                    )
            except GuardrailRejected as refusal:
                if self._is_from_inside(refusal):
                    raise
                result = self._refused(refusal)
                if result is None:
                    continue
                return result
            return self._settled(answer)

    def _keywords(self) -> dict[str, Any]:
        self._entered = False
        return {
            "handle": self._parent,
            "data": self._failure,
            "metadata": invocations.metadata("tool"),
            "tool_call_id": self.tool_call_id,
        }

    def _body(self, execute: Callable[[str, Any], Any], args: Any) -> Any:
        span, claim = self._enter()
        with claims.announce(claim), approvals.nothing_overruled():
            try:
                result = execute(self.name, args)
            except BaseException as error:
                self._raised(span, claim, error)
                raise
        return self._returned(span, claim, result)

    async def _abody(self, execute: Callable[[str, Any], Awaitable[Any]], args: Any) -> Any:
        span, claim = self._enter()
        with claims.announce(claim), approvals.nothing_overruled():
            try:
                result = await execute(self.name, args)
            except BaseException as error:
                self._raised(span, claim, error)
                raise
        return self._returned(span, claim, result)

    def _enter(self) -> tuple[Handle | None, Claim]:
        self._entered = True
        handle = invocations.inner_handle()
        return invocations.own_handle(ToolHandle), Claim(
            "tool", self.name, handle, self.tool_call_id, invocations.parent_run()
        )

    def _raised(self, span: Handle | None, claim: Claim, error: BaseException) -> None:
        invocations.describe_end(span, claim, outcomes.tool_raised(error), self._failure)

    def _returned(self, span: Handle | None, claim: Claim, result: Any) -> ToolExecutionResult[Any]:
        ending = outcomes.tool_returned(result)
        if not self._known and ending.outcome == "tool_error":
            ending.extra["error.code"] = "unknown_tool"
        invocations.describe_end(span, claim, ending)
        shown: ToolExecutionResult[Any] = ToolExecutionResult(_view(result, ending))
        self._answers.show(shown.result, result, shaped=True, handed=shown)
        return shown

    # --- refusals

    def _recall(self) -> None:
        known = refusals.recall(self._key())
        if known is not None:
            self._entered = False
            raise known

    def _key(self) -> refusals.Key | None:
        return refusals.key_of(invocations.parent_run(), self.name, self.tool_call_id, self.args)

    def _is_from_inside(self, refusal: GuardrailRejected) -> bool:
        # A refusal of something that the tool itself called is the tool's business.
        return self._entered or refusal.kind != "tool"

    def _refused(self, refusal: GuardrailRejected) -> Any:
        """What the framework gets instead of a result; None to go on with what a human decided."""
        asked = getattr(refusal.reason, "asks", False) or self._options.on_tool_rejection == "interrupt"
        if asked and refusal.guardrail not in self._overruled:
            with suppress(approvals.CannotPause):
                return self._decided(refusal, approvals.ask(refusal, self.name, self.args))
        if refusals.recall(self._key()) is None:
            refusals.announce(refusal, self._parent, self.tool_call_id, arguments(self.args, self._options))
            refusals.remember(self._key(), refusal)
        if self._options.on_tool_rejection == "raise" or self._raw:
            raise refusal
        return self._message(refusal.reason, "error")

    def _decided(self, refusal: GuardrailRejected, decision: dict[str, Any]) -> Any:
        kind = decision["type"]
        if kind == "approve":
            self._overruled |= {refusal.guardrail}
            return None
        if kind == "edit":
            action = decision["edited_action"]
            self.name, self.args = str(action["name"]), action["args"]
            self._overruled = frozenset()  # what nobody has checked yet is checked like a new call
            return None
        if kind == "respond":
            return self._message(str(decision.get("message") or ""), "success")
        refusals.announce(refusal, self._parent, self.tool_call_id, arguments(self.args, self._options))
        return self._message(decision.get("message") or _NOT_EXECUTED.format(name=self.name), "error")

    def _message(self, content: str, status: Any) -> ToolMessage:
        return ToolMessage(content=str(content), name=self.name, tool_call_id=self.tool_call_id or "", status=status)

    # --- results

    def _settled(self, answer: Any) -> Any:
        """The very object that the framework returned, unless an intercept put something else in its place."""
        value = answer.result if isinstance(answer, ToolExecutionResult) else answer
        return self._answers.reconcile(value, _edited, self._substitute, handed=answer, alike=not self._raw)

    def _substitute(self, value: Any) -> Any:
        return value if self._raw else substitutes.tool_result(value, self.name, self.tool_call_id)


def _edited(given: Given, value: Any) -> Any:
    return substitutes.edited_tool_result(given.original, given.before, value)


def _view(result: Any, ending: Ending) -> Any:
    return substitutes.result_view(result) if isinstance(result, list) else ending.data
