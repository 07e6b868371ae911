# SPDX-License-Identifier: Apache-2.0
"""Ids and times that are the same in every run."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest

from nemo_relay import ScopeType, scope
from nemo_relay.testing import capture_events, check_lifecycles, deterministic


def record() -> list[str]:
    with deterministic(), capture_events() as captured, scope.scope("planner", ScopeType.Agent):
        scope.event("thought")
    check_lifecycles(captured.events)
    return [event.to_json() for event in captured.events]


def test_two_runs_are_byte_identical() -> None:
    first, second = record(), record()
    assert first == second
    assert '"timestamp":"2026-01-01T00:00:00' in first[0]


def test_a_scope_that_is_open_around_stays_the_parent() -> None:
    with scope.scope("around", ScopeType.Agent) as around:
        with deterministic(), capture_events() as captured:
            scope.event("inside")
        assert captured.events[0].parent_uuid == around.uuid
        assert scope.get_handle() is around


def test_afterwards_the_root_is_the_one_from_before() -> None:
    before = scope.get_handle()
    record()
    assert scope.get_handle() is before


def test_ids_are_valid_and_grow() -> None:
    with deterministic():
        handles = [scope.start("x", ScopeType.Function) for _ in range(3)]
        ids = [handle.uuid for handle in handles]
        for handle in handles:
            scope.end(handle)
    assert ids == sorted(set(ids))
    assert all(len(i) == 36 and i[14] == "7" and i[19] == "8" for i in ids)


def test_the_start_and_the_step_can_be_chosen() -> None:
    start = datetime(2027, 5, 1, 12, tzinfo=timezone(timedelta(hours=2)))
    with deterministic(start=start, step_ns=1), capture_events() as captured:
        scope.event("a")
        scope.event("b")
    first, second = (event.timestamp for event in captured.events)
    assert first.startswith("2027-05-01T10:00:00")
    assert first < second < "2027-05-01T10:00:00.000001"


def test_afterwards_the_real_clock_is_back() -> None:
    with deterministic():
        pass
    with capture_events() as captured:
        scope.event("now")
    (event,) = captured.events
    assert abs(datetime.fromisoformat(event.timestamp[:26] + "+00:00") - datetime.now(UTC)) < timedelta(days=1)
    assert not event.uuid.startswith("00000000")


def test_a_naive_start_is_refused() -> None:
    with pytest.raises(ValueError, match="timezone-aware"), deterministic(start=datetime(2026, 1, 1)):
        pass
