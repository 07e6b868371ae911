# SPDX-License-Identifier: Apache-2.0
"""Changing the document of a running program: in one step, with nothing lost, doubled or restarted without need."""

from __future__ import annotations

import asyncio
import json
import os
import threading
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from nemo_relay import ScopeType, errors, plugin, scope, subscribers, tools
from nemo_relay import model_pricing as mp
from nemo_relay._plugins import breaker
from nemo_relay._runtime.log import faults
from nemo_relay.runtime_registrations import list_runtime_registrations
from nemo_relay_codecs.prices import table

from .conftest import Offer, one


class Ears:
    """A plugin whose subscriber keeps what it hears under its configuration's name; it says when it starts and ends."""

    def __init__(self, offer: Offer) -> None:
        self.heard: dict[str, list[str]] = {}
        self.life: list[str] = []
        offer("ears", self.register)

    def register(self, config: dict[str, Any], context: Any) -> None:
        name = config["name"]
        names = self.heard.setdefault(name, [])
        context.register_subscriber("ear", lambda event: names.append(event.name))
        context.on_close(lambda: self.life.append(f"end {name}"))
        self.life.append(f"start {name}")


async def test_the_new_document_takes_the_place_of_the_old(offer: Offer) -> None:
    ears = Ears(offer)
    async with plugin.activate(one("ears", name="a")) as activation:
        scope.event("first")
        report = await activation.reconfigure(one("ears", name="b"))
        assert report["resolved_config"]["components"][0]["config"] == {"name": "b"}
        scope.event("second")
        assert ears.life == ["start a", "start b", "end a"]
    assert ears.heard == {"a": ["first"], "b": ["second"]}
    assert list_runtime_registrations() == []


async def test_what_is_the_same_goes_on_undisturbed(offer: Offer) -> None:
    ears = Ears(offer)
    offer("other", lambda config, context: None)
    async with plugin.activate(one("ears", name="a")) as activation:
        await activation.reconfigure({"components": [{"kind": "other"}, {"kind": "ears", "config": {"name": "a"}}]})
        await activation.reload()
        assert ears.life == ["start a"]
    assert ears.life == ["start a", "end a"]


async def test_a_document_that_cannot_be_activated_changes_nothing(offer: Offer) -> None:
    ears = Ears(offer)

    def broken(config: Any, context: Any) -> None:
        context.register_subscriber("s", lambda event: None)
        raise OSError("no")

    offer("broken", broken)
    async with plugin.activate(one("ears", name="a")) as activation:
        before = list_runtime_registrations()
        both = {"components": [*one("ears", name="b")["components"], {"kind": "broken"}]}
        for document, error in (
            (both, errors.RegistrationFailed),
            (one("nobody"), errors.UnknownPlugin),
            ({"version": 7}, errors.InvalidConfig),
            ({"components": 3}, errors.InvalidDocument),
        ):
            with pytest.raises(error):
                await activation.reconfigure(document)
            assert list_runtime_registrations() == before
            assert activation.report["resolved_config"]["components"][0]["config"] == {"name": "a"}
        assert ears.life == ["start a", "start b", "end b"], "what had been started for the new one has ended"
        scope.event("still")
    assert ears.heard["a"] == ["still"]


async def test_after_the_end_nothing_can_be_changed(offer: Offer) -> None:
    Ears(offer)
    activation = await plugin.initialize(one("ears", name="a"))
    await activation.close()
    with pytest.raises(errors.PluginConflict, match="closed"):
        await activation.reconfigure(one("ears", name="b"))
    assert list_runtime_registrations() == []


async def test_one_change_at_a_time(offer: Offer) -> None:
    may = asyncio.Event()
    begun = asyncio.Event()

    async def slow(config: Any, context: Any) -> None:
        if config:
            begun.set()
            await may.wait()

    offer("slow", slow)
    async with plugin.activate(one("slow")) as activation:
        changing = asyncio.create_task(activation.reconfigure(one("slow", n=1)))
        await begun.wait()
        with pytest.raises(errors.PluginConflict, match="under way"):
            await activation.reconfigure(one("slow", n=2))
        may.set()
        report = await changing
        assert report["resolved_config"]["components"][0]["config"] == {"n": 1}


async def test_a_resource_is_handed_on_and_closed_by_its_last_user(offer: Offer) -> None:
    made: list[str] = []
    closed: list[str] = []

    def register(config: dict[str, Any], context: Any) -> None:
        for key in config["keys"]:
            assert context.adopt(key, lambda key=key: made.append(key) or key, closed.append) == key

    offer("k", register)
    async with plugin.activate(one("k", keys=["file", "queue"])) as activation:
        await activation.reconfigure(one("k", keys=["file", "socket"]))
        assert (made, closed) == (["file", "queue", "socket"], ["queue"])
    assert sorted(closed) == ["file", "queue", "socket"]


async def test_prices_of_the_new_document_outlive_the_end_of_the_old() -> None:
    def document(price: float) -> dict[str, Any]:
        entry = mp.ModelPricing("acme", "m", "2026-01-01", "t", rates=mp.TokenPricingRates(price, price))
        spec = mp.ComponentSpec(mp.PricingConfig([mp.InlineSource(mp.PricingCatalog([entry]))]))
        return {"components": [spec]}

    async with plugin.activate(document(1.0)) as activation:
        assert table.is_active()
        await activation.reconfigure(document(2.0))
        assert table.is_active()
    assert not table.is_active()


async def test_a_policy_is_in_force_through_every_change(offer: Offer) -> None:
    """Old or new, some guardrail always holds: no call slips through between them."""
    offer(
        "deny",
        lambda config, context: context.register_tool_conditional_execution_guardrail(
            "deny", 1, lambda name, args: f"no {config['n']}"
        ),
    )
    ran: list[int] = []
    stop = threading.Event()
    reasons: Counter[str] = Counter()

    def call() -> None:
        while not stop.is_set():
            try:
                tools.execute_sync("t", {}, lambda args: ran.append(1))
            except RuntimeError as refused:
                reasons[str(refused)] += 1

    async with plugin.activate(one("deny", n=0)) as activation:
        threads = [threading.Thread(target=call) for _ in range(3)]
        for thread in threads:
            thread.start()
        for n in range(1, 30):
            await activation.reconfigure(one("deny", n=n))
        stop.set()
        for thread in threads:
            await asyncio.to_thread(thread.join)
    assert ran == []
    assert len(reasons) > 1


@pytest.mark.allow_blocking
async def test_under_load_no_event_is_lost_or_doubled(tmp_path: Path, offer: Offer) -> None:
    """Events from several threads, while the files they go to and a subscriber change all the time."""
    ears = Ears(offer)

    def document(n: int) -> dict[str, Any]:
        atof = {"output_directory": str(tmp_path / f"d{n % 3}"), "filename": "events.jsonl"}
        observability = {"kind": "observability", "config": {"atof": atof}}
        return {"components": [observability, {"kind": "ears", "config": {"name": f"e{n}"}}]}

    each, stop, counts = 4, threading.Event(), [0] * 4

    def emit(number: int) -> None:
        while not stop.is_set() and counts[number] < 3_000:
            scope.event(f"{number}-{counts[number]}")
            counts[number] += 1

    async with plugin.activate(document(0)) as activation:
        threads = [threading.Thread(target=emit, args=(number,)) for number in range(each)]
        for thread in threads:
            thread.start()
        for n in range(1, 40):
            await activation.reconfigure(document(n))
        stop.set()
        for thread in threads:
            await asyncio.to_thread(thread.join)
    expected = {f"{number}-{n}" for number in range(each) for n in range(counts[number])}
    assert len(expected) > 100
    heard = [name for names in ears.heard.values() for name in names]
    assert len(heard) == len(expected)
    assert set(heard) == expected
    paths = [tmp_path / f"d{n}" / "events.jsonl" for n in range(3)]
    lines = [json.loads(line) for path in paths for line in path.read_bytes().splitlines()]
    assert len(lines) == len(expected)
    assert {line["name"] for line in lines} == expected


async def until(condition: Any) -> None:
    """Wait for something that another thread does; the test's time limit ends it."""
    while not condition():  # noqa: ASYNC110 - a thread of the runtime's own has no event to set
        await asyncio.sleep(0.01)


@pytest.mark.allow_blocking
async def test_a_file_that_changes_is_taken_up(tmp_path: Path, offer: Offer) -> None:
    ears = Ears(offer)
    path, secret = tmp_path / "plugins.toml", tmp_path / "name.txt"
    secret.write_text("one")

    def write(text: str) -> None:
        draft = path.with_suffix(".draft")
        draft.write_text(text)
        os.replace(draft, path)

    write('[[components]]\nkind = "ears"\nconfig = { name = "a" }\n')
    async with plugin.activate({}, path) as activation:
        activation.watch(0.02)
        write('[[components]]\nkind = "ears"\nconfig = { name = "${file:name.txt}" }\n')
        await until(lambda: "end a" in ears.life)
        secret.write_text("two!")
        await until(lambda: "end one" in ears.life)
        write("this is no TOML")
        await until(lambda: activation.report["config"].get("runtime_diagnostics"))
        (found,) = activation.report["config"]["runtime_diagnostics"]
        assert (found["code"], found["count"]) == ("plugin.reload_failed", 1)
        assert "TOML parse error" in found["message"]
        scope.event("still")
        await subscribers.flush_async(50)
        assert ears.heard["two!"] == ["still"]
    assert ears.life == ["start a", "start one", "end a", "start two!", "end one", "end two!"]
    assert not [thread for thread in threading.enumerate() if thread.name == "nemo-relay-watch"]


async def test_an_observer_that_keeps_failing_is_left_alone_for_a_while(
    offer: Offer, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    now = [1_000.0]
    monkeypatch.setattr(breaker, "monotonic", lambda: now[0])
    called: list[str] = []
    broken = [True]

    def subscriber(event: Any) -> None:
        called.append(event.name)
        if broken[0]:
            raise OSError("down")

    offer("k", lambda config, context: context.register_subscriber("s", subscriber))

    async def emit(count: int) -> int:
        called.clear()
        for _ in range(count):
            scope.event("e")
        assert await subscribers.flush_async(50)
        return len(called)

    async with plugin.activate(one("k")) as activation:
        assert await emit(15) == breaker.FAILURES
        (found,) = activation.report["config"]["runtime_diagnostics"]
        assert (found["code"], found["component"], found["count"]) == ("plugin.observer_suspended", "k", 5)
        now[0] += breaker.PAUSE_SECONDS + 1
        assert await emit(3) == 1, "one trial, which fails"
        now[0] += breaker.PAUSE_SECONDS + 1
        assert await emit(3) == 0, "and the pause is longer then"
        now[0] += breaker.PAUSE_SECONDS
        broken[0] = False
        assert await emit(3) == 3
    assert "OSError: down" in capsys.readouterr().err


async def test_an_async_observer_is_watched_too(offer: Offer, capsys: pytest.CaptureFixture[str]) -> None:
    called: list[str] = []

    async def subscriber(event: Any) -> None:
        called.append(event.name)
        raise OSError("down")

    offer("k", lambda config, context: context.register_subscriber("s", subscriber))
    async with plugin.activate(one("k")):
        for _ in range(15):
            scope.event("e")
        assert await subscribers.flush_async(50)
    assert len(called) == breaker.FAILURES


async def test_a_failing_observer_is_nobody_elses_trouble(offer: Offer, capsys: pytest.CaptureFixture[str]) -> None:
    ears = Ears(offer)

    def fails(config: Any, context: Any) -> None:
        context.register_subscriber("a", lambda event: 1 / 0)

    offer("fails", fails)
    async with plugin.activate({"components": [{"kind": "fails"}, *one("ears", name="x")["components"]]}):
        for _ in range(3):
            with scope.scope("work", ScopeType.Function):
                pass
    assert len(ears.heard["x"]) == 6
    assert faults.counts
