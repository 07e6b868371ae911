# SPDX-License-Identifier: Apache-2.0
"""The conformance kit: it passes what is right, and says what is wrong."""

from __future__ import annotations

import pytest

from nemo_relay import ScopeType, scope, tools
from nemo_relay.testing import CapturedEvents, capture_events
from nemo_relay.testing.conformance import SCENARIOS, Scenario, check, scenario


def play(second: str = "b") -> CapturedEvents:
    with capture_events() as captured, scope.scope("G", ScopeType.Agent):
        for name in ("a", second):
            with scope.scope(name, ScopeType.Function):
                pass
    return captured


def test_what_is_right_passes() -> None:
    check(scenario(33), play())
    check(scenario(33), play("second"), {"b": "second"})


def test_another_tree_fails() -> None:
    with pytest.raises(AssertionError, match="another tree"):
        check(scenario(33), play("c"))


def test_one_physical_call_with_two_events_fails() -> None:
    twice = Scenario(99, "t", "p", ("sync",), "tool:t\n    tool:t")
    with capture_events() as captured:
        tools.execute_sync(
            "t", 1, lambda x: tools.execute_sync("t", x, lambda y: y, tool_call_id="k"), tool_call_id="k"
        )
    with pytest.raises(AssertionError, match="more than one event"):
        check(twice, captured)


def test_a_start_without_an_end_fails() -> None:
    with capture_events() as captured:
        scope.start("G", ScopeType.Agent)
    with pytest.raises(AssertionError, match="lifecycle"):
        check(scenario(33), captured)


def test_each_scenario_says_what_to_play() -> None:
    assert all(found.number == number and found.play and found.modes for number, found in SCENARIOS.items())
    with pytest.raises(LookupError, match="not in the kit"):
        scenario(4711)
