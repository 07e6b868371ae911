# SPDX-License-Identifier: Apache-2.0
"""Everything that waits is bounded in events and in bytes, counted, and told (R8, R21)."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from nemo_relay import AtofExporter, AtofExporterConfig, ScopeType, guardrails, scope, subscribers
from nemo_relay._runtime.delivery.dispatcher import dispatcher


@pytest.fixture
def gate() -> Iterator[threading.Event]:
    """Open at the end of the test, so that nothing waits for ever."""
    opened = threading.Event()
    yield opened
    opened.set()
    dispatcher.flush(50)


def atof(folder: Path) -> AtofExporter:
    config = AtofExporterConfig()
    config.output_directory, config.filename = folder, "e.jsonl"
    return AtofExporter(config)


def test_r8_what_waits_behind_an_async_sanitizer_is_bounded_counted_and_told(
    tmp_path: Path, gate: threading.Event, capsys: pytest.CaptureFixture[str]
) -> None:
    async def sanitize(event: Any, fields: Any) -> Any:
        if event.name == "stuck":
            await asyncio.to_thread(gate.wait, 20)
        return fields

    subscribers.configure(capacity=100)
    guardrails.register_mark_sanitize("s", 0, sanitize)
    exporter = atof(tmp_path)
    exporter.register("x")
    before = subscribers.statistics()
    scope.event("stuck")
    for _ in range(1_000):
        scope.event("e", data={"pad": "x" * 100})
    now = subscribers.statistics()
    assert now.offered == now.delivered + now.dropped + now.queued
    assert now.offered - before.offered == 1_001
    assert now.queued <= 101
    dropped = now.dropped - before.dropped
    assert exporter.dropped == dropped
    gate.set()
    assert dispatcher.flush(50)
    assert exporter.written + exporter.dropped == 1_001
    assert f"{dropped} events found no room" in capsys.readouterr().err
    exporter.shutdown(20)


@pytest.mark.parametrize("read", [True, False], ids=["lines", "parts"])
def test_r21_the_queue_of_subscribers_is_bounded_in_bytes(tmp_path: Path, gate: threading.Event, read: bool) -> None:
    entered = threading.Event()

    def stuck(event: Any) -> None:
        entered.set()
        gate.wait(20)

    subscribers.configure(max_bytes=1 << 20)
    subscribers.register("stuck", stuck)
    exporter = atof(tmp_path)
    if read:
        exporter.register("x")
    before = subscribers.statistics()
    scope.event("first")
    assert entered.wait(20)
    for _ in range(50):
        scope.event("e", data={"pad": "x" * 100_000})
    for _ in range(50):
        with scope.scope("s", ScopeType.Function, metadata={"pad": "x" * 100_000}):
            pass
    now = subscribers.statistics()
    assert (now.offered - before.offered, now.queued) == (151, 11)
    assert dispatcher._queue.waiting_bytes <= 1 << 20
    exporter.shutdown()


def test_r21_one_event_larger_than_the_bound_still_passes() -> None:
    heard: list[int] = []
    subscribers.configure(max_bytes=1_000)
    subscribers.register("s", lambda event: heard.append(len(event.data)))
    scope.event("e", data="x" * 100_000)
    assert subscribers.flush(50)
    assert heard == [100_000]


def test_r21_a_buffering_file_is_bounded_and_counts(tmp_path: Path) -> None:
    config = AtofExporterConfig()
    config.output_directory, config.filename, config.durability = tmp_path, "e.jsonl", "buffered"
    exporter = AtofExporter(config)
    exporter._sink._queue.max_bytes = 10_000  # type: ignore[attr-defined]
    exporter.register("x")
    for _ in range(500):
        scope.event("e", data={"pad": "x" * 1_000})
    assert exporter.force_flush(50)
    now = exporter.counters()
    assert now.offered == 500 == now.written + now.dropped
    exporter.shutdown(20)
