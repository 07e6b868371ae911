# SPDX-License-Identifier: Apache-2.0
"""`isolated`: inside it nothing of what there was, after it nothing of what was inside."""

from __future__ import annotations

import asyncio
import threading
from pathlib import Path
from typing import Any

import pytest

import nemo_relay
from nemo_relay import ScopeType, guardrails, intercepts, llm, plugin, runtime_registrations, scope, subscribers, tools
from nemo_relay._plugins import kinds
from nemo_relay._runtime.delivery.dispatcher import dispatcher
from nemo_relay._runtime.log import faults
from nemo_relay._runtime.registry import registry
from nemo_relay._runtime.tree import propagation
from nemo_relay.testing import capture_events, isolated
from nemo_relay_configuration.sources import files, layers

from ..plugins.conftest import Recorder, one


def registered() -> list[str]:
    return [record.local_name for record in runtime_registrations.list_runtime_registrations()]


def test_no_registration_inside_and_all_of_them_after() -> None:
    heard: list[str] = []
    subscribers.register("mine", lambda event: heard.append(event.name))
    guardrails.register_tool_conditional_execution("no", 1, lambda name, args: "refused")
    intercepts.register_tool_request("edit", 1, False, lambda name, args: {**args, "edited": True})
    before = registered()
    with isolated():
        assert registered() == []
        assert not registry.activity.shapes_tools and not registry.activity.observed
        assert tools.execute_sync("add", {"a": 1}, lambda args: args) == {"a": 1}
        subscribers.register("mine", lambda event: None)  # the name is free
    assert registered() == before
    with pytest.raises(nemo_relay.errors.GuardrailRejected):
        tools.execute_sync("add", {"a": 1}, lambda args: args)
    assert subscribers.flush(50) and heard == ["no", "no", "add"]  # the refusal alone


def test_events_of_the_block_reach_the_subscribers_of_the_block() -> None:
    heard: list[str] = []
    with isolated():
        subscribers.register("inside", lambda event: heard.append(event.name))
        scope.event("told")
    assert heard == ["told"]


def test_no_gate_inside() -> None:
    subscribers.register("ear", lambda event: None)
    kind = runtime_registrations.RuntimeRegistrationKind.SUBSCRIBER
    runtime_registrations.register_conditional_middleware_guardrail("off", {kind}, "ear", lambda kinds, name: "off")
    assert registry.gate_filter is not None
    with isolated():
        assert registry.gate_filter is None
    assert registry.gate_filter is not None


def test_no_scope_inside_and_back_to_the_same_one() -> None:
    with scope.scope("outer", ScopeType.Agent) as outer, capture_events():
        with isolated():
            assert not nemo_relay.scope_stack_active()
            with capture_events() as captured, scope.scope("inner", ScopeType.Agent):
                pass
            left_open = scope.push("forgotten", ScopeType.Agent)
        assert scope.get_handle() is outer
        scope.event("after")
    assert captured.starts("inner")[0].parent_uuid != outer.uuid
    assert left_open.uuid != outer.uuid


def test_an_explicit_stack_of_the_thread_is_set_aside() -> None:
    seen: list[bool] = []

    def work() -> None:
        nemo_relay.set_thread_scope_stack(nemo_relay.create_scope_stack())
        mine = nemo_relay.get_scope_stack()
        with isolated():
            seen.append(nemo_relay.scope_stack_active())
            seen.append(nemo_relay.get_scope_stack() is mine)
        seen.append(nemo_relay.get_scope_stack() is mine)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert seen == [False, False, True]


def test_no_plugin_inside_and_the_same_one_after() -> None:
    def watching() -> Recorder:
        def register(config: Any, context: Any) -> None:
            context.register_subscriber("ear", lambda event: None)

        return Recorder(register)

    plugin.register("outer.kind", watching())
    outer = asyncio.run(plugin.initialize(one("outer.kind")))
    names = registered()
    with isolated():
        assert kinds.find("outer.kind") is None and registered() == []
        plugin.register("outer.kind", watching())
        asyncio.run(plugin.initialize(one("outer.kind")))
        assert registered() == names
    assert registered() == names
    asyncio.run(outer.close())
    assert registered() == []


def test_plugin_files_are_not_looked_for_and_a_named_one_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "nemo-relay"
    folder.mkdir()
    (folder / "plugins.toml").write_text("version = 1\n")
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    monkeypatch.setattr(files, "discovering", True)
    assert str(folder / "plugins.toml") in layers.layered({}, None).paths
    with isolated():
        assert layers.layered({}, None).paths == []
        assert layers.layered({}, folder / "plugins.toml").paths == [str(folder / "plugins.toml")]


def test_settings_are_the_defaults_inside() -> None:
    subscribers.configure(capacity=7, wait_seconds=0.5)
    llm.configure(send_traceparent=False)
    faults.report("test_isolated", ValueError("once"))
    with isolated():
        assert (dispatcher.capacity, dispatcher.wait_seconds, propagation.send_header) == (100_000, 0.0, True)
        assert not faults.counts
    assert (dispatcher.capacity, dispatcher.wait_seconds, propagation.send_header) == (7, 0.5, False)
    assert faults.counts["test_isolated"] == 1


def test_an_exception_passes_and_all_is_back() -> None:
    subscribers.register("mine", lambda event: None)
    with pytest.raises(ZeroDivisionError), isolated():
        subscribers.register("other", lambda event: None)
        raise ZeroDivisionError
    assert registered() == ["mine"]


def test_blocks_nest() -> None:
    subscribers.register("one", lambda event: None)
    with isolated():
        subscribers.register("two", lambda event: None)
        with isolated():
            subscribers.register("three", lambda event: None)
        assert registered() == ["two"]
    assert registered() == ["one"]


async def test_in_a_running_loop() -> None:
    subscribers.register("outer", lambda event: None)
    heard: list[str] = []
    with isolated():
        subscribers.register("inner", lambda event: heard.append(event.name))
        with scope.scope("work", ScopeType.Function):
            await asyncio.gather(*(tools.execute("t", {}, lambda args: args) for _ in range(3)))
        assert await subscribers.flush_async(50)
        assert len(heard) == 8
    assert registered() == ["outer"]
