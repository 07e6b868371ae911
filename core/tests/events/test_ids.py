# SPDX-License-Identifier: Apache-2.0
"""Identifiers: version 7, of their moment, strictly increasing, however many there are."""

from __future__ import annotations

import itertools
import time
from collections.abc import Iterator
from uuid import UUID

import pytest

from nemo_relay._runtime import ids


@pytest.fixture(autouse=True)
def fresh() -> Iterator[None]:
    ids.reseed()
    yield
    ids.reseed()


def test_version_variant_and_time() -> None:
    now = time.time_ns()
    made = UUID(ids.uuid7(now))
    assert (made.version, made.variant) == (7, "specified in RFC 4122")
    assert made.int >> 80 == now // 1_000_000
    assert str(made) == ids.uuid7(now)[:-6] + str(made)[-6:]


def test_they_increase_within_a_millisecond_and_when_the_clock_steps_back() -> None:
    now = time.time_ns()
    made = [ids.uuid7(now + offset) for offset in (0, 10, 999_999, 2_000_000, -5_000_000_000, 3_000_000)]
    assert made == sorted(set(made))


def test_they_increase_when_the_counter_is_used_up() -> None:
    now = time.time_ns()
    start, head, _count = ids._current
    ids._current = (start, head, itertools.count(ids._END - 2).__next__)
    made = [ids.uuid7(now) for _ in range(5)]
    assert made == sorted(set(made))
    assert len({one[14:30] for one in made}) == 2  # the random bits have grown by one


def test_the_low_half_differs_between_any_two() -> None:
    now = time.time_ns()
    made = [ids.uuid7(now + number * 700_000) for number in range(2_000)]
    assert len({one[19:] for one in made}) == len(made)


def test_a_new_seed_begins_elsewhere() -> None:
    now = time.time_ns()
    before = ids.uuid7(now)
    ids.reseed()
    assert ids.uuid7(now)[14:30] != before[14:30]
