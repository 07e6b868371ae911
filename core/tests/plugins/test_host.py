# SPDX-License-Identifier: Apache-2.0
"""Activation: what plugins may register, under which names, and how it ends."""

from __future__ import annotations

import asyncio
import gc
import os
import subprocess
import sys
import threading
from typing import Any

import pytest

from nemo_relay import ScopeType, errors, plugin, scope, subscribers, tools
from nemo_relay._plugins import host
from nemo_relay._runtime.log import faults
from nemo_relay.runtime_registrations import RuntimeRegistrationKind, list_runtime_registrations

from .conftest import Offer, one

CONFLICT = "conflict: plugin configuration is owned by an active dynamic plugin host"


def registered() -> list[tuple[str, str, str | None, int | None]]:
    return [
        (found.effective_name, found.local_name, found.owner.plugin_kind, found.owner.component_ordinal)
        for found in list_runtime_registrations()
    ]


async def test_components_get_copies_and_names_of_their_own(offer: Offer) -> None:
    def register(config: dict[str, Any], context: Any) -> None:
        config["changed"] = True
        context.register_subscriber("x:y z/é", lambda event: None)
        context.register_mark_sanitize_guardrail("g", 1, lambda event, fields: fields)

    made = offer("a:b", register)
    document = {
        "components": [{"kind": "a:b", "config": {"q": None}}, {"kind": "off", "enabled": False}, {"kind": "a:b"}]
    }
    async with plugin.activate(document) as activation:
        assert made.configs == [{"q": None, "changed": True}, {"changed": True}]
        assert document["components"][0] == {"kind": "a:b", "config": {"q": None}}
        prefix = "nemo-relay-plugin.v1.a%3Ab"
        assert registered() == [
            (f"{prefix}:1:x:y z/é", "x:y z/é", "a:b", 1),
            (f"{prefix}:2:x:y z/é", "x:y z/é", "a:b", 2),
            (f"{prefix}:1:g", "g", "a:b", 1),
            (f"{prefix}:2:g", "g", "a:b", 2),
        ]
        assert activation.report["resolved_config"]["components"][0]["config"] == {"q": None}
    assert registered() == []
    assert activation.report["config_paths"] == []


CALLBACKS: list[tuple[str, tuple[Any, ...]]] = [
    ("register_event_metadata_injector", (1,)),
    ("register_mark_sanitize_guardrail", (1,)),
    ("register_scope_sanitize_start_guardrail", (1,)),
    ("register_scope_sanitize_end_guardrail", (1,)),
    ("register_tool_sanitize_request_guardrail", (1,)),
    ("register_tool_sanitize_response_guardrail", (1,)),
    ("register_tool_conditional_execution_guardrail", (1,)),
    ("register_tool_request_intercept", (1, False)),
    ("register_tool_execution_intercept", (1,)),
    ("register_llm_sanitize_request_guardrail", (1,)),
    ("register_llm_sanitize_response_guardrail", (1,)),
    ("register_llm_conditional_execution_guardrail", (1,)),
    ("register_llm_request_intercept", (1, False)),
    ("register_llm_execution_intercept", (1,)),
    ("register_llm_stream_execution_intercept", (1,)),
]


async def test_every_family_can_be_registered_and_goes(offer: Offer) -> None:
    def register(config: Any, context: Any) -> None:
        context.register_subscriber("n", lambda event: None)
        for method, arguments in CALLBACKS:
            getattr(context, method)("n", *arguments, lambda a, b: None)

    offer("all", register)
    async with plugin.activate(one("all")):
        kinds = [found.kind for found in list_runtime_registrations()]
        assert kinds == list(RuntimeRegistrationKind)
    assert list_runtime_registrations() == []


async def test_what_is_registered_takes_part(offer: Offer) -> None:
    heard: list[str] = []

    def register(config: Any, context: Any) -> None:
        context.register_subscriber("s", lambda event: heard.append(event.name))
        context.register_tool_request_intercept("r", 1, False, lambda name, args: {**args, "added": config["value"]})

    offer("k", register)
    async with plugin.activate(one("k", value=7)):
        assert (await tools.execute("t", {"a": 1}, lambda args: args)) == {"a": 1, "added": 7}
    assert heard == ["t", "t"], "queued events are delivered before the subscribers go"
    assert (await tools.execute("t", {"a": 1}, lambda args: args)) == {"a": 1}


async def test_c5_a_gate_is_registered_by_the_published_names(offer: Offer) -> None:
    asked: list[str] = []

    def register(config: Any, context: Any) -> None:
        context.register_tool_conditional_execution_guardrail(name="no", priority=1, callback=lambda name, args: "no")

        def decide(kinds: Any, target: str) -> str:
            asked.append(target)
            return "off"

        context.register_conditional_middleware_guardrail(
            name="gate",
            kinds={RuntimeRegistrationKind.TOOL_CONDITIONAL_EXECUTION_GUARDRAIL},
            registration_name="nemo-relay-plugin.v1.k:1:no",
            guardrail=decide,
        )

    offer("k", register)
    async with plugin.activate(one("k")):
        assert await tools.execute("t", {}, lambda args: "went on") == "went on"
    assert asked


async def test_a_gate_belongs_to_the_activation(offer: Offer) -> None:
    def register(config: Any, context: Any) -> None:
        context.register_tool_conditional_execution_guardrail("no", 1, lambda name, args: "no")
        name = "nemo-relay-plugin.v1.k:1:no"
        kinds = {RuntimeRegistrationKind.TOOL_CONDITIONAL_EXECUTION_GUARDRAIL}
        context.register_conditional_middleware_guardrail("gate", kinds, name, lambda kinds, target: "off")

    offer("k", register)
    async with plugin.activate(one("k")):
        assert await tools.execute("t", {}, lambda args: "ran") == "ran"


async def test_register_may_be_async(offer: Offer) -> None:
    async def register(config: Any, context: Any) -> None:
        await asyncio.sleep(0)
        context.register_subscriber("s", lambda event: None)

    offer("k", register)
    async with plugin.activate(one("k")):
        assert len(registered()) == 1


async def test_a_failure_takes_everything_back(offer: Offer) -> None:
    undone: list[str] = []

    def first(config: Any, context: Any) -> None:
        context.register_subscriber("s", lambda event: None)
        context.on_close(lambda: undone.append("first"))

    def second(config: Any, context: Any) -> None:
        context.register_subscriber("s", lambda event: None)
        context.register_subscriber("s", lambda event: None)

    offer("first", first)
    offer("second", second)
    with pytest.raises(
        RuntimeError, match=r"^registration failed: .*: already exists: nemo-relay-plugin.v1.second:1:s "
    ):
        await plugin.initialize({"components": [{"kind": "first"}, {"kind": "second"}]})
    assert registered() == []
    assert undone == ["first"]
    await plugin.initialize(one("first"))


async def test_the_cause_of_a_failure_is_kept(offer: Offer) -> None:
    error = KeyError("zz")

    def register(config: Any, context: Any) -> None:
        raise error

    offer("k", register)
    with pytest.raises(errors.RegistrationFailed, match="registration failed: KeyError: 'zz'") as failed:
        await plugin.initialize(one("k"))
    assert failed.value.__cause__ is error


async def test_a_cancelled_initialize_takes_everything_back(offer: Offer) -> None:
    started = asyncio.Event()

    async def register(config: Any, context: Any) -> None:
        context.register_subscriber("s", lambda event: None)
        started.set()
        await asyncio.Event().wait()

    offer("k", register)
    task = asyncio.create_task(plugin.initialize(one("k")))
    await started.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert (registered(), host.current()) == ([], None)


async def test_all_errors_are_in_the_refusal() -> None:
    document = {"version": 2, "components": [{"kind": "no"}], "policy": {"unknown_component": "error"}}
    with pytest.raises(ValueError, match=r"^invalid config: .* version 2 is unsupported; .* kind 'no' is unsupported$"):
        await plugin.initialize(document)


async def test_an_unknown_kind_is_only_skipped_on_request() -> None:
    with pytest.raises(FileNotFoundError, match="^not found: plugin component 'no' is not registered"):
        await plugin.initialize(one("no"))
    async with plugin.activate({**one("no"), "policy": {"unknown_component": "ignore"}}) as activation:
        assert activation.is_active
    async with plugin.activate({"components": [{"kind": "no", "enabled": False}]}):
        pass


async def test_one_configuration_at_a_time(offer: Offer) -> None:
    offer("k")
    activation = await plugin.initialize(one("k"))
    with pytest.raises(RuntimeError, match=CONFLICT):
        await plugin.initialize({})
    await activation.close()
    async with plugin.activate({}):
        pass


async def test_two_at_the_same_time_make_one_conflict(offer: Offer) -> None:
    async def register(config: Any, context: Any) -> None:
        await asyncio.sleep(0.01)

    offer("k", register)
    made = await asyncio.gather(*(plugin.initialize(one("k")) for _ in range(2)), return_exceptions=True)
    assert sorted(type(one).__name__ for one in made) == ["PluginConflict", "PluginHostActivation"]


async def test_deregistering_leaves_what_is_active(offer: Offer) -> None:
    offer("k", lambda config, context: context.register_subscriber("s", lambda event: None))
    async with plugin.activate(one("k")) as activation:
        assert plugin.deregister("k")
        assert activation.is_active
        assert len(registered()) == 1


async def test_a_late_context_is_refused(offer: Offer) -> None:
    kept: list[Any] = []
    offer("k", lambda config, context: kept.append(context))
    for when in ("active", "closed"):
        if when == "active":
            activation = await plugin.initialize(one("k"))
        else:
            await activation.close()
        with pytest.raises(errors.PluginContextClosed, match="plugin 'k' used its context after its register"):
            kept[0].register_subscriber("late", lambda event: None)
        with pytest.raises(errors.PluginContextClosed):
            kept[0].register_conditional_middleware_guardrail("g", set(RuntimeRegistrationKind), "x", lambda a, b: None)
        with pytest.raises(errors.PluginContextClosed):
            kept[0].on_close(lambda: None)
    assert registered() == []


class Held:
    """A subscriber that lets nothing through until it may."""

    def __init__(self) -> None:
        self.may = threading.Event()
        self.names: list[str] = []

    def __call__(self, event: Any) -> None:
        assert self.may.wait(50)
        self.names.append(event.name)


def held(offer: Offer) -> Held:
    subscriber = Held()
    offer("held", lambda config, context: context.register_subscriber("s", subscriber))
    return subscriber


async def test_closers_share_one_end_and_cancelling_one_stops_nothing(offer: Offer) -> None:
    subscriber = held(offer)
    activation = await plugin.initialize(one("held"))
    with scope.scope("work", ScopeType.Function):
        pass
    closers = [asyncio.create_task(activation.close()) for _ in range(3)]
    await asyncio.sleep(0)
    assert not activation.is_active
    assert len(registered()) == 1, "the queued events come first"
    closers[0].cancel()
    with pytest.raises(asyncio.CancelledError):
        await closers[0]
    with pytest.raises(RuntimeError, match=CONFLICT):
        await plugin.initialize({})
    subscriber.may.set()
    await asyncio.gather(*closers[1:])
    assert (subscriber.names, registered()) == (["work", "work"], [])
    await activation.close()
    assert activation.report["config"] == {"diagnostics": []}


async def test_a_subscriber_that_is_stuck_does_not_keep_the_process(
    offer: Offer, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(host, "CLOSE_SECONDS", 0.02)
    subscriber = held(offer)
    activation = await plugin.initialize(one("held"))
    scope.event("stuck")
    await activation.close()
    assert (registered(), faults.counts["plugin_cleanup_failed"]) == ([], 1)
    assert "event=plugin_cleanup_failed" in capsys.readouterr().err
    subscriber.may.set()
    assert await subscribers.flush_async(50)


async def test_closing_inside_a_subscriber_does_not_wait_for_itself(offer: Offer) -> None:
    closed = asyncio.Event()
    loop = asyncio.get_running_loop()
    made: list[plugin.PluginHostActivation] = []

    async def subscriber(event: Any) -> None:
        if event.name == "now":
            await made[0].close()
            loop.call_soon_threadsafe(closed.set)

    offer("k", lambda config, context: context.register_subscriber("s", subscriber))
    made.append(await plugin.initialize(one("k")))
    scope.event("now")
    await asyncio.wait_for(closed.wait(), 50)
    assert registered() == []


async def test_closing_calls_back_in_reverse_and_survives_failures(
    offer: Offer, capsys: pytest.CaptureFixture[str]
) -> None:
    ended: list[str] = []

    async def later() -> None:
        await asyncio.sleep(0)
        ended.append("async")

    def broken() -> None:
        raise OSError("no")

    def register(config: Any, context: Any) -> None:
        context.on_close(lambda: ended.append("first"))
        context.on_close(broken)
        context.on_close(later)

    offer("k", register)
    async with plugin.activate(one("k")):
        pass
    assert ended == ["async", "first"]
    assert "event=plugin_cleanup_failed plugin_kind=k OSError: no" in capsys.readouterr().err


async def test_an_activation_thrown_away_stays_active_until_the_next(offer: Offer) -> None:
    offer("k", lambda config, context: context.register_subscriber(config["name"], lambda event: None))
    await plugin.initialize(one("k", name="old"))
    gc.collect()
    assert [name for _, name, _, _ in registered()] == ["old"]
    activation = await plugin.initialize(one("k", name="new"))
    assert [name for _, name, _, _ in registered()] == ["new"]
    assert activation.is_active


def test_the_older_form_across_loops(offer: Offer) -> None:
    """What a program for the published 0.5 to 0.8 does: initialise, forget, clear; each in a loop of its own."""
    offer("k", lambda config, context: context.register_subscriber("s", lambda event: None))
    for _ in range(2):
        asyncio.run(plugin.initialize(one("k")))
        assert len(registered()) == 1
        assert plugin.report() == {"diagnostics": []}
        assert plugin.clear() is None
        assert (registered(), plugin.report()) == ([], None)
    assert plugin.clear() is None


async def test_clear_in_a_loop_can_be_awaited_or_left(offer: Offer) -> None:
    offer("k", lambda config, context: context.register_subscriber("s", lambda event: None))
    activation = await plugin.initialize(one("k"))
    waiting = plugin.clear()
    assert waiting is not None
    assert not activation.is_active
    await waiting
    assert registered() == []
    nothing = plugin.clear()
    assert nothing is not None
    await nothing
    await plugin.initialize(one("k"))
    await plugin.clear_async()
    await plugin.clear_async()
    assert registered() == []


def test_closing_on_another_loop(offer: Offer) -> None:
    offer("k", lambda config, context: context.register_subscriber("s", lambda event: None))
    activation = asyncio.run(plugin.initialize(one("k")))
    asyncio.run(activation.close())
    assert (activation.is_active, registered()) == (False, [])


async def test_clear_leaves_a_configuration_that_is_still_being_made(offer: Offer) -> None:
    started, may = asyncio.Event(), asyncio.Event()

    async def register(config: Any, context: Any) -> None:
        context.register_subscriber("s", lambda event: None)
        started.set()
        await may.wait()

    offer("k", register)
    task = asyncio.create_task(plugin.initialize(one("k")))
    await started.wait()
    await plugin.clear_async()
    assert plugin.report() is None
    may.set()
    activation = await task
    assert activation.is_active
    assert len(registered()) == 1


AT_EXIT = """
import asyncio, os, sys
from nemo_relay import plugin, scope

class P:
    def register(self, config, context):
        context.register_subscriber("s", lambda event: print("heard", event.name, flush=True))
        context.on_close(lambda: print("closed", flush=True))

plugin.register("k", P())
asyncio.run(plugin.initialize({"components": [{"kind": "k"}]}))
if "fork" in sys.argv:
    child = os.fork()
    if child == 0:
        sys.exit(0)
    os.waitpid(child, 0)
scope.event("last")
"""


@pytest.mark.parametrize("argument", ["plain", "fork"])
def test_the_end_of_the_process_ends_the_configuration_once(argument: str) -> None:
    if argument == "fork" and not hasattr(os, "fork"):
        pytest.skip("the platform has no fork")
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", AT_EXIT, argument], capture_output=True, text=True, timeout=30
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "heard last\nclosed\n", "")
