# SPDX-License-Identifier: Apache-2.0
"""The guard on the paths of calls: conditional guardrails refuse, request intercepts rewrite, execution intercepts
count what calls take and look at what they give.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextvars import ContextVar
from time import perf_counter_ns
from typing import Any, NamedTuple

from nemo_relay import LLMRequest, LLMRequestInterceptOutcome, ToolExecutionInterceptOutcome, guardrails, logs, scope
from nemo_relay.errors import GuardrailRejected
from nemo_relay.guardrails import Question, Reason
from nemo_relay.runtime_registrations import is_heard
from nemo_relay_guard import spans, usage
from nemo_relay_guard.budgets import Budget, Call, Reservation
from nemo_relay_guard.errors import Overspent
from nemo_relay_guard.models import Config
from nemo_relay_guard.receipts import Ran, leave, receipts, seen
from nemo_relay_guard.rules import Judgement, Rules
from nemo_relay_guard.streams import Held

_TEXTS = ("messages", "instructions", "tools", "user", "metadata")  # of a normalised request


class Decided(NamedTuple):
    """What was decided about the call that goes on from here, for the step that rewrites it."""

    before: Any
    after: Any


_decided: ContextVar[Decided | None] = ContextVar("nemo_relay_guard_decided", default=None)


class Guard:
    """A configuration at work.

    Args:
        config: the configuration.
        budgets: its budgets, with their stores.
    """

    def __init__(self, config: Config, budgets: list[Budget]) -> None:
        self.config = config
        self.rules = Rules(config)
        self.budgets = budgets
        self._enforces = config.mode == "enforce"
        self._edits = {on: any(rule.edit is not None for rule in self.rules.on(on)) for on in ("tool", "llm")}
        self._is_remote = any(budget.store.remote for budget in budgets)

    # --- before a call

    def tool(self, name: str, args: Any) -> Any:
        """Whether a tool may be called: None, or the reason why not."""
        return self._ask("tool", name, args, None)

    def llm(self, request: LLMRequest) -> Any:
        """Whether a model may be called: None, or the reason why not."""
        asked = guardrails.question()
        content = request.content
        model = content.get("model") if isinstance(content, dict) else None
        if asked is not None and not isinstance(model, str):
            model = getattr(asked.span, "model_name", None)
        return self._ask("llm", "" if asked is None else str(asked.span.name), content, model)

    def _ask(self, on: str, name: str, value: Any, model: str | None) -> Any:
        began = perf_counter_ns()
        asked = guardrails.question()
        judged = self.rules.judge(on, name, value, model=model, agent=_agent(asked), approved=guardrails.approved())
        budgets = [one for one in self.budgets if one.covers(on, name)] if asked is not None else []
        if not budgets or judged.verdict in ("deny", "ask"):
            return self._answer(on, value, judged, [], None, asked, began)
        assert asked is not None
        most = usage.at_most(value, name) if on == "llm" else {}
        call = Call(asked.span, on, name, value, most)
        if self._is_remote and _has_loop():
            return self._ask_remote(on, value, judged, budgets, call, asked, began)
        refusal = self._refusal(budgets, call, asked)
        return self._answer(on, value, judged, budgets, refusal, asked, began)

    async def _ask_remote(
        self, on: str, value: Any, judged: Judgement, budgets: list[Budget], call: Call, asked: Question, began: int
    ) -> Any:
        refusal = await asyncio.to_thread(self._refusal, budgets, call, asked)
        return self._answer(on, value, judged, budgets, refusal, asked, began)

    def _refusal(self, budgets: list[Budget], call: Call, asked: Question) -> Overspent | None:
        for budget in budgets:
            refusal: Overspent | None = self._fail_closed(budget, lambda budget=budget: budget.refusal(call))  # type: ignore[misc]
            if refusal is not None and budget.name not in guardrails.approved():
                return refusal
        for budget in budgets:
            budget.note(call)
            if not asked.runs:  # nobody will tell what it took: it is one call
                held = budget.take(call)
                if isinstance(held, Reservation):
                    budget.settle(held, {f"{call.kind}_calls": 1.0})
        return None

    def _fail_closed(self, budget: Budget, ask: Callable[[], Any]) -> Any:
        try:
            return ask()
        except Exception as error:  # the store is away
            logs.report("guard_budget_failed", error, budget=budget.given.name)
            if self.config.on_error == "allow":
                return None
            text = f"the budget {budget.given.name!r} cannot be counted: {type(error).__name__}"
            made = Overspent(text, guardrail=budget.name)
            made.budget, made.limit_kind, made.limit, made.spent = budget.given.name, "unknown", 0.0, 0.0
            return made

    def _answer(
        self,
        on: str,
        value: Any,
        judged: Judgement,
        budgets: list[Budget],
        refusal: Overspent | None,
        asked: Question | None,
        began: int,
    ) -> Reason | None:
        reason: Reason | None = refusal
        if judged.verdict in ("deny", "ask"):
            who = "guard" if judged.rule is None else judged.rule.name
            reason = Reason(judged.reason, guardrail=who, asks=judged.verdict == "ask")
        stopped = reason if self._enforces else None
        payloads = self._payloads(on, value, judged, budgets, reason, stopped is None, asked, began)
        if asked is not None:
            if stopped is None and asked.runs:
                if judged.value is not value or self._edits[on]:
                    _decided.set(Decided(value, judged.value))
                if payloads:
                    asked.later.append(lambda: leave(payloads, asked.span))
            elif payloads:
                leave(payloads, asked.span.parent)
        return stopped

    def _payloads(
        self,
        on: str,
        value: Any,
        judged: Judgement,
        budgets: list[Budget],
        reason: Reason | None,
        goes_on: bool,
        asked: Question | None,
        began: int,
    ) -> list[dict[str, Any]]:
        if asked is None or not is_heard() or not (judged.looked or judged.rule or budgets or reason):
            return []
        ran = [Ran(rule.name, rule.version, verdict) for rule, verdict in judged.applied]
        named = {one.guard for one in ran}
        if judged.verdict == "deny" and judged.rule is None:
            ran.append(Ran("guard", "", "deny"))
        passed = [Ran(rule.name, rule.version, "allow") for rule in judged.looked if rule.name not in named]
        for budget in budgets:
            broken = isinstance(reason, Overspent) and reason.budget == budget.given.name
            verdict = budget.given.verdict if broken else "allow"
            (ran if broken else passed).append(Ran(budget.name, budget.version, verdict))
        micros = (perf_counter_ns() - began) // 1_000
        span = asked.span
        call = span.uuid if goes_on and asked.runs else None
        tool_call_id = getattr(span, "tool_call_id", None)
        return receipts(on, ran, passed, seen(value), micros, call=call, tool_call_id=tool_call_id)

    # --- the request

    def rewrite_tool(self, name: str, args: Any) -> Any:
        """The arguments that the tool gets."""
        return self._rewritten("tool", name, args, None)

    def rewrite_llm(self, name: str, request: LLMRequest, annotated: Any) -> LLMRequestInterceptOutcome:
        """The request that the model gets."""
        if annotated is None:
            changed = self._rewritten("llm", name, request.content, _model(request))
            same = changed is request.content or changed == request.content
            made = request if same else LLMRequest(request.headers, changed)
            return LLMRequestInterceptOutcome(made, None)
        # With a codec a request is edited in its normalised view; what a path of the body names is edited on its way.
        if self._enforces:
            for rule in self._editing("llm", name, request, "redact"):
                for field in _TEXTS:
                    before = getattr(annotated, field)
                    after = None if before is None else rule.edit(before)
                    if after != before:
                        setattr(annotated, field, after)
        return LLMRequestInterceptOutcome(request, annotated)

    def _editing(self, on: str, name: str, request: LLMRequest, verdict: str) -> list[Any]:
        judged = self.rules.judge(on, name, request.content, model=_model(request), agent=_here)
        return [rule for rule, outcome in judged.applied if outcome == verdict]

    def _sent(self, name: str, request: LLMRequest) -> LLMRequest:
        """The request with what the paths of the body name, which a normalised view may have no place for."""
        content = request.content
        if self._enforces:
            for rule in self._editing("llm", name, request, "rewrite"):
                content = rule.edit(content)
        return request if content is request.content else LLMRequest(request.headers, content)

    def _rewritten(self, on: str, name: str, value: Any, model: str | None) -> Any:
        if not self._enforces:
            return value
        decided = _decided.get()
        if decided is not None and decided.before == value:
            return decided.after
        return self.rules.judge(on, name, value, model=model, agent=_here).value

    # --- around the call

    async def around_tool(self, context: Any, proceed: Callable[[Any], Any]) -> ToolExecutionInterceptOutcome:
        """Count a tool call, and look at its result."""
        span = scope.get_handle()
        call = Call(span, "tool", context.tool_name, context.args, {}, context.execution_context)
        sync = _is_sync(proceed)
        held = await self._hold(call, sync=sync)
        try:
            done = await proceed(context.args)
        finally:
            await self._settle(held, {"tool_calls": 1.0}, sync=sync)
        result = self._given("tool_result", context.tool_name, done.result, None, span)
        return ToolExecutionInterceptOutcome(result=result, annotation=done.annotation)

    async def around_llm(self, name: str, request: LLMRequest, context: Any, proceed: Callable[[Any], Any]) -> Any:
        """Count a model call, and look at its answer."""
        span = scope.get_handle()
        sync = _is_sync(proceed)
        held = await self._hold(self._llm_call(span, name, request, context), sync=sync)
        spent = {"llm_calls": 1.0}
        codec = None
        try:
            response = await proceed(self._sent(name, request))
            codec = context.response_codec.resolve_codec() if context.response_codec is not None else None
            spent |= usage.of_response(response, codec, name) if held else {}
        finally:
            await self._settle(held, spent, sync=sync)
        model = _model(request, span)
        return self._given("llm_response", name, response, model, span)

    def around_stream(self, name: str, request: LLMRequest, context: Any, proceed: Callable[[Any], Any]) -> Any:
        """Count a streamed call, and look at what it gives before anybody gets it."""
        if _is_sync(proceed):
            return self._stream(name, request, context, proceed)
        return self._astream(name, request, context, proceed)

    async def _astream(
        self, name: str, request: LLMRequest, context: Any, proceed: Callable[[Any], Any]
    ) -> AsyncIterator[Any]:
        span = scope.get_handle()
        held = await self._hold(self._llm_call(span, name, request, context), sync=False)
        guarded, measured = self._watch(name, request, context, span, held)
        try:
            async for chunk in await proceed(self._sent(name, request)):
                for shown in _looked_at(guarded, measured, chunk):
                    yield shown
            for shown in guarded.finish():
                yield shown
        finally:
            await self._settle(held, _spent(measured, name), sync=False)
            _sign(guarded, span)

    def _stream(self, name: str, request: LLMRequest, context: Any, proceed: Callable[[Any], Any]) -> Iterator[Any]:
        span = scope.get_handle()
        held = _now(self._hold(self._llm_call(span, name, request, context), sync=True))
        guarded, measured = self._watch(name, request, context, span, held)
        try:
            for chunk in proceed(self._sent(name, request)):
                yield from _looked_at(guarded, measured, chunk)
            yield from guarded.finish()
        finally:
            _now(self._settle(held, _spent(measured, name), sync=True))
            _sign(guarded, span)

    def _watch(
        self, name: str, request: LLMRequest, context: Any, span: Any, held: list[tuple[Budget, Reservation]]
    ) -> tuple[Held, usage.Streamed | None]:
        rules = self.rules.for_call("llm_response", name, _model(request, span))
        rules = tuple(rule for rule in rules if rule.holds_agent(lambda: spans.agent_name(span)))
        measured = usage.Streamed(context.request_codec, request.content) if held else None
        return Held(rules, enforces=self._enforces), measured

    def _llm_call(self, span: Any, name: str, request: LLMRequest, context: Any) -> Call:
        most = usage.at_most(request.content, name) if self.budgets else {}
        return Call(span, "llm", name, None, most, context.execution_context)

    async def _hold(self, call: Call, *, sync: bool) -> list[tuple[Budget, Reservation]]:
        held: list[tuple[Budget, Reservation]] = []
        for budget in self.budgets:
            if not budget.covers(call.kind, call.name):
                continue
            taken = await self._off(budget, lambda budget=budget: budget.take(call), sync)  # type: ignore[misc]
            if isinstance(taken, Reservation):
                held.append((budget, taken))
            elif taken is not None and self._enforces and budget.name not in guardrails.approved():
                await self._settle(held, {}, sync=sync)
                raise taken.rejection("guard", call.name, call.kind)
        return held

    async def _settle(self, held: list[tuple[Budget, Reservation]], spent: dict[str, float], *, sync: bool) -> None:
        for budget, reservation in held:
            await self._off(budget, lambda: budget.settle(reservation, spent), sync)  # noqa: B023 - awaited at once

    async def _off(self, budget: Budget, ask: Callable[[], Any], sync: bool) -> Any:
        if budget.store.remote and not sync and _has_loop():
            return await asyncio.to_thread(self._fail_closed, budget, ask)
        return self._fail_closed(budget, ask)

    # --- what a call gives

    def _given(self, on: str, name: str, value: Any, model: str | None, span: Any) -> Any:
        if not self.rules.for_call(on, name, model):
            return value
        began = perf_counter_ns()
        view = _view(value)
        judged = self.rules.judge(on, name, view, model=model, agent=lambda: spans.agent_name(span))
        asked = Question(span, True, [])
        leave(self._payloads(on, view, judged, [], None, True, asked, began), span)
        if not self._enforces:
            return value
        if judged.verdict == "deny":
            who = "guard" if judged.rule is None else judged.rule.name
            kind = "tool" if on == "tool_result" else "llm"
            raise GuardrailRejected(judged.reason, guardrail=who, target=name, kind=kind)
        if judged.value is view:
            return value
        if view is not value:  # an object of the provider's library: nobody could put the edit back into it
            text = f"the answer holds what the rule {judged.applied[0][0].name!r} takes out, and is no JSON to edit"
            raise GuardrailRejected(text, guardrail=judged.applied[0][0].name, target=name, kind="llm")
        return judged.value


def _is_sync(proceed: Any) -> bool:
    """Whether the call is a synchronous one: it may be made on a thread with an event loop, and must not await it."""
    return bool(getattr(getattr(proceed, "call", None), "sync", False))


def _now(steps: Any) -> Any:
    """The result of a coroutine that waits for nothing."""
    try:
        steps.send(None)
    except StopIteration as done:
        return done.value
    raise RuntimeError("a synchronous stream waited for an event loop")


def _looked_at(guarded: Held, measured: usage.Streamed | None, chunk: Any) -> list[Any]:
    if measured is not None:
        measured.push(chunk)
    return guarded.push(chunk)


def _spent(measured: usage.Streamed | None, provider: str) -> dict[str, float]:
    return {"llm_calls": 1.0} | ({} if measured is None else measured.spent(provider))


def _sign(guarded: Held, span: Any) -> None:
    """Leave the receipts of a stream, at its end."""
    ran, passed = guarded.ran()
    if (ran or passed) and is_heard():
        looked_at, micros = guarded.seen(), guarded.micros()
        made = receipts("llm_response", ran, passed, looked_at, micros, call=span.uuid, tool_call_id=None)
        leave(made, span)


def _view(value: Any) -> Any:
    if isinstance(value, (dict, list, str, int, float)) or value is None:
        return value
    dump = getattr(value, "model_dump", None)
    return dump(mode="json") if callable(dump) else str(value)


def _model(request: LLMRequest, span: Any = None) -> str | None:
    model = request.content.get("model") if isinstance(request.content, dict) else None
    return model if isinstance(model, str) else getattr(span, "model_name", None)


def _here() -> str | None:
    span = scope.get_handle()
    is_agent = span.category == "agent" and span.parent is not None
    return str(span.name) if is_agent else spans.agent_name(span)


def _agent(asked: Question | None) -> Callable[[], str | None]:
    return lambda: None if asked is None else spans.agent_name(asked.span)


def _has_loop() -> bool:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True
