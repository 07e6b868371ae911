# SPDX-License-Identifier: Apache-2.0
"""Gates switch a global registration off for one operation; and the list of what is registered."""

from __future__ import annotations

from dataclasses import FrozenInstanceError, asdict
from typing import Any

import pytest

from nemo_relay import _native, event_metadata, guardrails, intercepts, scope, scope_local, subscribers, tools
from nemo_relay import runtime_registrations as registrations
from nemo_relay._runtime.registry import registry
from nemo_relay._runtime.registry.registration import Entry
from nemo_relay.runtime_registrations import RuntimeRegistrationKind as Kind

from ..conftest import Driver, Ear

GUARDRAIL = Kind.TOOL_CONDITIONAL_EXECUTION_GUARDRAIL
INTERCEPT = Kind.TOOL_REQUEST_INTERCEPT


def refuse(name: str, args: Any) -> str:
    return "refused"


def test_a_gate_switches_a_registration_off_and_on(run: Driver) -> None:
    off: list[str | None] = ["maintenance"]
    asked: list[Any] = []

    def gate(kinds: set[Kind], name: str) -> str | None:
        asked.append((kinds, name))
        return off[0]

    registrations.register_conditional_middleware_guardrail("gate", {GUARDRAIL, INTERCEPT}, "g", gate)
    guardrails.register_tool_conditional_execution("g", 0, refuse)
    assert run.tool("t", {}, lambda args: "ran") == "ran"
    assert asked == [({GUARDRAIL, INTERCEPT}, "g")]
    off[0] = None
    with pytest.raises(RuntimeError, match="refused"):
        run.tool("t", {}, lambda args: "ran")
    off[0] = ""
    assert run.tool("t", {}, lambda args: "ran") == "ran", "any string switches off, the empty one too"
    assert registrations.deregister_conditional_middleware_guardrail("gate") is True
    assert registrations.deregister_conditional_middleware_guardrail("gate") is False
    with pytest.raises(RuntimeError, match="refused"):
        run.tool("t", {}, lambda args: "ran")


def test_a_gate_is_for_the_kinds_and_the_name_it_was_registered_for() -> None:
    guardrails.register_tool_conditional_execution("g", 0, refuse)
    for kinds, name in (({INTERCEPT}, "g"), ({GUARDRAIL}, "other")):
        registrations.register_conditional_middleware_guardrail("gate", kinds, name, lambda kinds, name: "off")
        with pytest.raises(RuntimeError, match="refused"):
            tools.execute_sync("t", {}, lambda args: 1)
        registrations.deregister_conditional_middleware_guardrail("gate")


def test_gates_are_asked_in_the_order_of_their_names_until_one_says_off() -> None:
    asked: list[str] = []

    def gate(label: str, answer: str | None) -> Any:
        return lambda kinds, name: asked.append(label) or answer

    for label, answer in (("c", "off"), ("a", None), ("b", "off")):
        registrations.register_conditional_middleware_guardrail(label, [GUARDRAIL], "g", gate(label, answer))
    guardrails.register_tool_conditional_execution("g", 0, refuse)
    tools.execute_sync("t", {}, lambda args: 1)
    assert asked == ["a", "b"]


def test_a_gate_that_fails_switches_nothing_off(capsys: pytest.CaptureFixture[str]) -> None:
    def broken(kinds: set[Kind], name: str) -> str:
        raise LookupError("no such flag")

    registrations.register_conditional_middleware_guardrail("broken", {GUARDRAIL}, "g", broken)
    guardrails.register_tool_conditional_execution("g", 0, refuse)
    for _ in range(2):
        with pytest.raises(RuntimeError, match="refused"):
            tools.execute_sync("t", {}, lambda args: 1)
    shown = capsys.readouterr().err
    assert "Traceback" in shown
    assert shown.count("LookupError: no such flag") == 1, "said once, not at every call"


def test_a_gate_that_is_no_plain_function_switches_nothing_off(capsys: pytest.CaptureFixture[str]) -> None:
    async def later(kinds: set[Kind], name: str) -> str:
        return "off"

    registrations.register_conditional_middleware_guardrail("later", {GUARDRAIL}, "g", later)  # type: ignore[arg-type]
    guardrails.register_tool_conditional_execution("g", 0, refuse)
    with pytest.raises(RuntimeError, match="refused"):
        tools.execute_sync("t", {}, lambda args: 1)
    assert "gate 'later' must return a string or None, not 'coroutine'" in capsys.readouterr().err


def test_a_subscriber_can_be_gated_and_its_gate_may_emit(ear: Ear) -> None:
    def gate(kinds: set[Kind], name: str) -> str | None:
        scope.event("from the gate")
        return "off"

    heard: list[str] = []
    subscribers.register("quiet", lambda event: heard.append(event.name))
    registrations.register_conditional_middleware_guardrail("gate", {Kind.SUBSCRIBER}, "quiet", gate)
    scope.event("m")
    assert sorted(ear.names()) == ["mark from the gate", "mark m"]
    assert heard == ["from the gate"], "what a gate does itself is not gated"


def test_what_a_scope_owns_has_no_gate() -> None:
    registrations.register_conditional_middleware_guardrail("gate", {GUARDRAIL}, "g", lambda kinds, name: "off")
    root = scope.get_handle()
    scope_local.register_tool_conditional_execution(root, "g", 0, refuse)
    with pytest.raises(RuntimeError, match="refused"):
        tools.execute_sync("t", {}, lambda args: 1)
    scope_local.deregister_tool_conditional_execution(root, "g")


def test_a_call_with_a_gate_and_nothing_else_is_quiet_again_afterwards() -> None:
    registrations.register_conditional_middleware_guardrail("gate", {GUARDRAIL}, "g", lambda kinds, name: "off")
    assert tools.execute_sync("t", {}, lambda args: 1) == 1
    registrations.deregister_conditional_middleware_guardrail("gate")
    assert registry.gate_filter is None
    assert not registry.activity.shapes_tools


def test_bad_gates_are_refused() -> None:
    register = registrations.register_conditional_middleware_guardrail
    with pytest.raises(RuntimeError, match="^invalid argument: conditional middleware guardrail kinds must not be e"):
        register("gate", set(), "g", lambda kinds, name: None)
    with pytest.raises(AttributeError, match="'str' object has no attribute 'value'"):
        register("gate", {"subscriber"}, "g", lambda kinds, name: None)  # type: ignore[arg-type]
    register("gate", {GUARDRAIL}, "g", lambda kinds, name: None)
    with pytest.raises(RuntimeError, match="^already exists: gate conditional middleware guardrail already exists$"):
        register("gate", {GUARDRAIL}, "g", lambda kinds, name: None)


def test_registrations_are_listed_by_kind_and_then_by_name() -> None:
    assert registrations.list_runtime_registrations() == []
    intercepts.register_tool_request("b", 0, False, lambda name, args: args)
    intercepts.register_tool_request("a", 9, False, lambda name, args: args)
    subscribers.register("z", print)
    event_metadata.register_injector("i", 0, lambda event: {})
    registrations.register_conditional_middleware_guardrail("gate", {GUARDRAIL}, "g", lambda kinds, name: None)
    found = registrations.list_runtime_registrations()
    assert [(one.kind, one.effective_name) for one in found] == [
        (Kind.SUBSCRIBER, "z"),
        (Kind.EVENT_METADATA_INJECTOR, "i"),
        (INTERCEPT, "a"),
        (INTERCEPT, "b"),
    ]
    assert asdict(found[0]) == {
        "kind": "subscriber",
        "local_name": "z",
        "effective_name": "z",
        "owner": {"kind": "global_api", "plugin_kind": None, "component_ordinal": None},
    }
    assert _native.list_runtime_registrations() == [asdict(one) for one in found]
    assert registrations.list_runtime_registrations({INTERCEPT}) == found[2:]
    assert _native.list_runtime_registrations(set()) == []
    with pytest.raises(FrozenInstanceError):
        found[0].local_name = "other"  # type: ignore[misc]
    with pytest.raises(ValueError, match="^unknown runtime registration kind: zz$"):
        _native.list_runtime_registrations({"zz"})


def test_a_plugins_registration_names_its_owner() -> None:
    entry = Entry("nemo-relay-plugin.v1.my%20kind:2:local", 0, refuse)
    entry.owner = ("my kind", 2)
    registry.tool_guardrails.add(entry)
    (found,) = registrations.list_runtime_registrations({GUARDRAIL})
    assert (found.local_name, found.effective_name) == ("local", entry.name)
    assert found.owner == registrations.RuntimeRegistrationOwner(
        registrations.RuntimeRegistrationOwnerKind.PLUGIN, "my kind", 2
    )


def test_the_kinds_are_the_published_ones() -> None:
    assert [kind.value for kind in Kind] == [family.kind for family in registry.FAMILIES]
    assert [kind.name for kind in Kind] == [kind.value.upper() for kind in Kind]
    assert [kind.value for kind in registrations.RuntimeRegistrationOwnerKind] == ["core", "global_api", "plugin"]
