# SPDX-License-Identifier: Apache-2.0
"""Polling: one mark for each agent that is open, from a thread of its own."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from queue import Queue
from typing import Any

import pytest

from nemo_relay import MarkEvent, MetricKind, MetricMeasurement, MetricValueType, ScopeType, plugin, scope, subscribers
from nemo_relay._runtime.emission.metrics import checked_measurements
from nemo_relay._runtime.log import faults
from nemo_relay._runtime.managed import scope as scoping
from nemo_relay_resources import collector
from nemo_relay_resources.points import MARK, PREFIX, Points

from .conftest import document


class Marks:
    """The marks that polling emits, as they come."""

    def __init__(self) -> None:
        self.queue: Queue[MarkEvent] = Queue()

    def __call__(self, event: Any) -> None:
        if event.name == MARK:
            self.queue.put(event)

    async def next(self) -> MarkEvent:
        """The next one."""
        return await asyncio.to_thread(self.queue.get, True, 10)

    async def parents(self, wanted: set[str]) -> None:
        """Wait until a poll has marked exactly ``wanted``: the marks of one poll carry the same data."""
        while True:
            rounds: dict[str, set[str]] = {}
            for _ in range(len(wanted) * 3):
                mark = await self.next()
                rounds.setdefault(repr(mark.data), set()).add(str(mark.parent_uuid))
            if wanted in rounds.values():
                return


@pytest.fixture
def marks() -> Iterator[Marks]:
    made = Marks()
    subscribers.register("test", made)
    return made


def polling(**config: Any) -> dict[str, Any]:
    return document(polling={"enabled": True, "interval_millis": 10}, measurement_scope="application_process", **config)


async def test_without_an_agent_the_root_is_marked(marks: Marks) -> None:
    async with plugin.activate(polling()):
        first, second = await marks.next(), await marks.next()
    assert first.parent_uuid == second.parent_uuid is not None
    record = first.to_dict()
    assert (record["category"], record["metadata"]) == (None, None)
    assert record["data_schema"] == {"name": "nemo.relay.metric_measurements", "version": "1"}
    names = [one["name"] for one in record["data"]["measurements"]]
    assert names[:2] == [f"{PREFIX}sample_count", f"{PREFIX}cpu.user_time"]
    assert f"{PREFIX}cpu.consumption_rate" not in names
    assert f"{PREFIX}cpu.consumption_rate" in [one["name"] for one in second.to_dict()["data"]["measurements"]]


async def test_every_open_agent_is_marked(marks: Marks) -> None:
    with scope.scope("early", ScopeType.Agent) as early:
        async with plugin.activate(polling()):
            await marks.parents({early.uuid})
            with scope.scope("f", ScopeType.Function), scope.scope("inner", ScopeType.Agent) as inner:
                detached = scope.start("detached", ScopeType.Agent)
                await marks.parents({early.uuid, inner.uuid, detached.uuid})
                scope.end(detached)
                await marks.parents({early.uuid, inner.uuid})
            await marks.parents({early.uuid})
    assert scoping.opened is None


async def test_closing_ends_the_thread(marks: Marks) -> None:
    async with plugin.activate(polling()):
        await marks.next()
        assert "nemo-relay-resources" in [thread.name for thread in threading.enumerate()]
    assert "nemo-relay-resources" not in [thread.name for thread in threading.enumerate()]


async def test_while_nobody_listens_nothing_is_sampled(monkeypatch: pytest.MonkeyPatch) -> None:
    sampled = threading.Event()
    monkeypatch.setattr(collector.Collector, "collect", lambda self: sampled.set())
    async with plugin.activate(polling()):
        assert not await asyncio.to_thread(sampled.wait, 0.1)


async def test_a_sample_that_fails_is_reported_and_polling_goes_on(
    marks: Marks, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    faults.counts.clear()
    fails = iter([True, True, False])
    collect = collector.Collector.collect

    def broken(self: collector.Collector) -> Any:
        if next(fails, False):
            raise OSError("no such thing")
        return collect(self)

    monkeypatch.setattr(collector.Collector, "collect", broken)
    async with plugin.activate(polling()):
        await marks.next()
    assert faults.counts["resource_metrics_poll_failed"] == 2
    assert capsys.readouterr().err.count("event=resource_metrics_poll_failed") == 1


def traffic(data: int) -> dict[str, Any]:
    value = {"value": data, "unit": "bytes"}
    counts = ("received_packets", "transmitted_packets", "receive_errors", "transmit_errors")
    nothing = {key: {"value": 0, "unit": "packets"} for key in counts}
    rates = {"receive_throughput": None, "transmit_throughput": {"value": 0.0, "unit": "bytes_per_second"}}
    return {"received_data": value, "transmitted_data": value, **nothing, **rates}


def full_payload() -> dict[str, Any]:
    event = {"resource": "memory", "event": "high", "count": {"value": 2, "unit": "events"}}
    capacity = {"value": 10, "unit": "bytes"}
    return {
        "measurement_scope": "process_tree",
        "operating_system": "linux",
        "process_sampling": {
            "visible_processes": 2,
            "sampled_processes": 1,
            "field_sampled_processes": {"cpu.user_time": 1},
        },
        "cpu": None,
        "process": None,
        "memory": {
            **dict.fromkeys(("system_used", "system_total", "system_available", "resident", "private", "limit")),
            **dict.fromkeys(("physical_footprint", "virtual_memory", "peak_resident", "environment_accounted")),
            **dict.fromkeys(("some_pressure_stall_time", "full_pressure_stall_time", "out_of_memory_event_count")),
            "limit_events": [event],
        },
        "disk": {
            **dict.fromkeys(("read_data", "write_data", "read_throughput", "write_throughput")),
            **dict.fromkeys(("read_operations", "write_operations")),
            "filesystems": [
                {"path": "/", "total_capacity": capacity, "available_capacity": None, "free_capacity": capacity}
            ],
        },
        "network": {
            "measurement_scope": "global",
            "system": traffic(5),
            "interfaces": [{"name": "lo", "traffic": traffic(5)}, {"name": "idle", "traffic": traffic(0)}],
        },
    }


def points(*, all_interfaces: bool) -> list[tuple[str, dict[str, Any]]]:
    base = {f"nemo_relay.resource.{name}" for name in ("measurement_scope", "operating_system")}
    return [
        (one["name"].removeprefix(PREFIX), {key: value for key, value in one["attributes"].items() if key not in base})
        for one in Points(all_interfaces=all_interfaces).of(full_payload())
    ]


def test_what_was_not_measured_makes_no_point_and_the_rest_says_what_it_is_of() -> None:
    found = points(all_interfaces=False)
    assert [(name, attributes) for name, attributes in found if not name.startswith("network.")] == [
        ("sample_count", {}),
        (
            "limit.event_count",
            {"nemo_relay.resource.limit.resource": "memory", "nemo_relay.resource.limit.event": "high"},
        ),
        ("disk.filesystem.total_capacity", {"nemo_relay.resource.disk.filesystem_path": "/"}),
        ("disk.filesystem.free_capacity", {"nemo_relay.resource.disk.filesystem_path": "/"}),
        ("process_sampling.visible_count", {}),
        ("process_sampling.sampled_count", {}),
        ("process_sampling.field_sampled_count", {"nemo_relay.resource.field": "cpu.user_time"}),
    ]
    interfaces = {
        attributes["nemo_relay.resource.network.interface_name"] for name, attributes in found if "interface" in name
    }
    assert interfaces == {"lo"}, "an interface that nothing went over is left out"


def test_interfaces_that_were_asked_for_are_always_there() -> None:
    found = points(all_interfaces=True)
    assert sum(attributes.get("nemo_relay.resource.network.interface_name") == "idle" for _, attributes in found) == 7


def test_every_point_is_a_valid_measurement() -> None:
    made = Points(all_interfaces=True).of(full_payload())
    kinds = {"u64": MetricValueType.U64, "f64": MetricValueType.F64}
    again = [
        MetricMeasurement(
            one["name"],
            MetricKind.Gauge,
            kinds[one["value_type"]],
            one["value"],
            one["unit"],
            one["description"],
            one["attributes"],
        )
        for one in made
    ]
    assert checked_measurements(again) == made
