# SPDX-License-Identifier: Apache-2.0
"""Budgets refuse the call that would break them, whoever counts with them at the same time."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from nemo_relay import LLMRequest, ScopeType, llm, model_pricing, plugin, scope, tools
from nemo_relay.codecs import OpenAIChatCodec
from nemo_relay.errors import GuardrailRejected
from nemo_relay_guard import BudgetExceeded
from nemo_relay_guard.models import Backend
from nemo_relay_guard.stores import store_of

from .conftest import Json, guarded

REQUEST: Json = {"model": "gpt-4o", "messages": [{"role": "user", "content": "hi"}]}
ANSWER: Json = {
    "model": "gpt-4o",
    "choices": [{"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": "x"}}],
    "usage": {"prompt_tokens": 60, "completion_tokens": 40, "total_tokens": 100},
}


def budget(name: str = "b", **more: Any) -> Json:
    limit = {
        kind: more.pop(kind) for kind in list(more) if kind not in ("per", "window", "tools", "verdict", "backend")
    }
    return {"name": name, "limit": limit, **more}


async def call(name: str = "t", args: Any = None, **more: Any) -> Any:
    return await tools.execute(name, args or {}, lambda given: "ran", **more)


async def ask(**more: Any) -> Any:
    codec = OpenAIChatCodec()
    return await llm.execute(
        "openai", LLMRequest({}, REQUEST), lambda _: ANSWER, codec=codec, response_codec=codec, **more
    )


async def test_calls_of_tools_and_models() -> None:
    async with guarded(budgets=[budget(tool_calls=2, llm_calls=1)]) as seen:
        with scope.scope("agent", ScopeType.Agent):
            assert [await call(), await call()] == ["ran", "ran"]
            with pytest.raises(BudgetExceeded) as broken:
                await call()
            await ask()
            with pytest.raises(BudgetExceeded):
                await ask()
        with scope.scope("another", ScopeType.Agent):
            await call()
    error = broken.value
    assert (error.budget, error.limit_kind, error.limit, error.spent) == ("b", "tool_calls", 2, 2)
    assert error.guardrail == "guard:b" and isinstance(error, GuardrailRejected)
    assert seen.verdicts().count(("guard:b", "deny")) == 2


async def test_the_calls_of_a_subagent_are_its_leaders_too() -> None:
    async with guarded(budgets=[budget(tool_calls=2)]):
        with scope.scope("leader", ScopeType.Agent):
            for _ in range(2):
                with scope.scope("sub", ScopeType.Agent):
                    await call()
            with scope.scope("sub", ScopeType.Agent), pytest.raises(BudgetExceeded):
                await call()


async def test_tokens_refuse_the_call_that_would_break_the_budget() -> None:
    async with guarded(budgets=[budget(tokens=250)]):
        with scope.scope("agent", ScopeType.Agent):
            await ask()
            await ask()
            with pytest.raises(BudgetExceeded, match="200 are spent"):  # the mean is 100: a third would break it
                await ask()


async def test_what_an_answer_may_take_at_most_is_reserved_for_the_first() -> None:
    async with guarded(budgets=[budget(tokens=250)]):
        with pytest.raises(BudgetExceeded):
            await llm.execute("openai", LLMRequest({}, {**REQUEST, "max_tokens": 300}), lambda _: ANSWER)


async def test_money() -> None:
    rates = model_pricing.TokenPricingRates(1_000_000.0, 1_000_000.0)  # a dollar a token
    entry = model_pricing.ModelPricing("openai", "gpt-4o", "2026-01-01", "x", rates=rates)
    catalog = model_pricing.PricingCatalog([entry])
    pricing = model_pricing.ComponentSpec(model_pricing.PricingConfig([model_pricing.InlineSource(catalog)]))
    guard = {"kind": "guard", "config": {"budgets": [budget(usd=250.0)]}}
    async with plugin.activate({"components": [pricing, guard]}):
        with scope.scope("agent", ScopeType.Agent):
            await ask()
            await ask()
            with pytest.raises(BudgetExceeded) as broken:
                await ask()
    assert broken.value.limit_kind == "usd" and broken.value.spent == 200


async def test_streams_count_their_tokens() -> None:
    chunks = [
        {
            "choices": [{"index": 0, "delta": {"role": "assistant", "content": "x"}, "finish_reason": None}],
            "model": "gpt-4o",
        },
        {"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}], "model": "gpt-4o"},
        {"choices": [], "usage": ANSWER["usage"], "model": "gpt-4o"},
    ]

    async def provider(request: LLMRequest) -> Any:
        async def stream() -> Any:
            for chunk in chunks:
                yield chunk

        return stream()

    async with guarded(budgets=[budget(tokens=150)]):
        with scope.scope("agent", ScopeType.Agent):
            request = LLMRequest({}, REQUEST)
            stream = await llm.stream_execute(
                "openai", request, provider, lambda chunk: None, lambda: None, codec=OpenAIChatCodec()
            )
            assert [chunk async for chunk in stream] == chunks
            with pytest.raises(BudgetExceeded, match="100 are spent"):
                await ask()


async def test_depth_and_repeats_and_time() -> None:
    async with guarded(budgets=[budget(depth=2)]):
        with scope.scope("1", ScopeType.Agent), scope.scope("2", ScopeType.Agent):
            await call()
            with scope.scope("3", ScopeType.Agent), pytest.raises(BudgetExceeded, match="depth"):
                await call()
    async with guarded(budgets=[budget(repeats=2)]):
        with scope.scope("agent", ScopeType.Agent):
            for args in ({"a": 1}, {"a": 1}, {"a": 2}, {"a": 1}, {"a": 1}):
                await call(args=args)
            with pytest.raises(BudgetExceeded, match="repeats"):
                await call(args={"a": 1})
            await call(args={"a": 3})
    async with guarded(budgets=[budget(seconds=0.0)]):
        with scope.scope("agent", ScopeType.Agent):
            await call()  # the clock starts with the first
            await asyncio.sleep(0.01)
            with pytest.raises(BudgetExceeded, match="seconds"):
                await call()


async def test_who_pays() -> None:
    async with guarded(budgets=[budget(tool_calls=1, per="user")]):
        for user in ("ann", "bob"):
            with scope.scope("agent", ScopeType.Agent, metadata={"user_id": user}):
                await call()
        with scope.scope("agent", ScopeType.Agent, metadata={"user_id": "ann"}), pytest.raises(BudgetExceeded):
            await call()
    async with guarded(budgets=[budget(tool_calls=1, per="process")]):
        await call()
        with pytest.raises(BudgetExceeded):
            await call()


async def test_a_window_begins_anew_and_only_some_tools_count() -> None:
    async with guarded(budgets=[budget(tool_calls=1, window=10_000_000_000.0, tools=["pay*"])]):
        await call("look")
        await call("pay_now")
        await call("look")
        with pytest.raises(BudgetExceeded):
            await call("pay_later")
    async with guarded(budgets=[budget(tool_calls=1, window=0.05)]):
        await call()
        await asyncio.sleep(0.1)
        await call()


async def test_calls_at_the_same_time_do_not_share_a_place() -> None:
    running = asyncio.Event()

    async def slow(args: Any) -> str:
        await running.wait()
        return "ran"

    async with guarded(budgets=[budget(tool_calls=3, per="process")]):
        waiting = [asyncio.create_task(tools.execute("t", {"n": n}, slow)) for n in range(10)]
        await asyncio.sleep(0.05)
        running.set()
        results = await asyncio.gather(*waiting, return_exceptions=True)
    assert results.count("ran") == 3
    assert sum(isinstance(one, BudgetExceeded) for one in results) == 7


async def test_a_call_that_fails_has_been_made_and_one_refused_elsewhere_has_not() -> None:
    deny = {"name": "no", "on": "tool", "where": [{"path": "/a", "equals": 1}], "verdict": "deny"}
    async with guarded(deny, budgets=[budget(tool_calls=1, per="process")]):
        for _ in range(3):
            with pytest.raises(GuardrailRejected, match="rule 'no'"):
                await call(args={"a": 1})
        with pytest.raises(ZeroDivisionError):
            await tools.execute("t", {}, lambda args: 1 / 0)
        with pytest.raises(BudgetExceeded):
            await call()


def test_synchronous_calls_count(tmp_path: Path) -> None:
    async def main() -> Any:
        config = {
            "budgets": [budget(tool_calls=1, per="process", backend={"kind": "sqlite", "path": str(tmp_path / "b.db")})]
        }
        return await plugin.initialize({"components": [{"kind": "guard", "config": config}]})

    active = asyncio.run(main())
    try:
        assert tools.execute_sync("t", {}, lambda args: "ran") == "ran"
        with pytest.raises(BudgetExceeded):
            tools.execute_sync("t", {}, lambda args: "ran")
    finally:
        asyncio.run(active.close())


PROGRAM = """
import asyncio, json, sys
from nemo_relay import plugin, scope, ScopeType, tools
from nemo_relay_guard import BudgetExceeded
async def main():
    async with plugin.activate(json.loads(sys.argv[1])):
        ran = 0
        async def one(n):
            nonlocal ran
            try:
                await tools.execute("t", {"n": n}, work)
                ran += 1
            except BudgetExceeded:
                pass
        async def work(args):
            await asyncio.sleep(0.001)
        await asyncio.gather(*(one(n) for n in range(40)))
        print(ran)
asyncio.run(main())
"""


def test_processes_share_a_budget_in_a_file(tmp_path: Path) -> None:
    backend = {"kind": "sqlite", "path": str(tmp_path / "budgets.db")}
    document = {
        "components": [{"kind": "guard", "config": {"budgets": [budget(tool_calls=50, per="tenant", backend=backend)]}}]
    }
    command = [sys.executable, "-W", "error", "-c", PROGRAM, json.dumps(document)]
    running = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=tmp_path) for _ in range(2)]
    ran = [int(one.communicate(timeout=120)[0]) for one in running]
    assert sum(ran) == 50
    assert (tmp_path / "budgets.db").stat().st_mode & 0o077 == 0


@pytest.mark.parametrize("kind", ["memory", "sqlite"])
def test_a_store_counts_what_is_spent_and_under_way(kind: str, tmp_path: Path) -> None:
    store = store_of(Backend(kind=kind, path=str(tmp_path / "s.db")))  # type: ignore[arg-type]
    limits = {"calls": 2.0, "tokens": 10.0}
    try:
        assert store.take("k", {"calls": 1, "tokens": 4}, limits, 60) is None
        assert store.take("k", {"calls": 1, "tokens": 7}, limits, 60) == ("tokens", 4)
        assert store.take("other", {"calls": 1, "tokens": 7}, limits, 60) is None
        store.settle("k", {"calls": 1, "tokens": 4}, {"calls": 1, "tokens": 9}, 60)
        assert store.fits("k", {"calls": 1}, limits) is None
        assert store.fits("k", {"calls": 1, "tokens": 2}, limits) == ("tokens", 9)
        store.settle("k", {"calls": 5}, {}, 60)  # more than was reserved leaves nothing below nothing
        assert store.take("k", {"calls": 1}, limits, 60) is None
    finally:
        store.close()


async def test_a_store_that_is_away_denies_or_lets_pass_as_configured() -> None:
    backend = {"kind": "redis", "url": "redis://127.0.0.1:1/0"}
    for on_error, ran in (("deny", False), ("allow", True)):
        async with guarded(budgets=[budget(tool_calls=1, backend=backend)], on_error=on_error):
            if ran:
                assert await call() == "ran"
            else:
                with pytest.raises(BudgetExceeded, match="cannot be counted"):
                    await call()
