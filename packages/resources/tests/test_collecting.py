# SPDX-License-Identifier: Apache-2.0
"""Snapshots of this very process, of its tree and of the machine."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from nemo_relay import plugin
from nemo_relay import resource_metrics as rm
from nemo_relay.errors import MissingExtra
from nemo_relay_resources import component, processes
from nemo_relay_resources.processes import ProcessSample
from nemo_relay_resources.system import rate

from .conftest import document

needs_fork = pytest.mark.skipif(not hasattr(os, "fork"), reason="the platform has no fork")
linux = pytest.mark.skipif(sys.platform != "linux", reason="what a system tells differs")


async def collect(**config: Any) -> list[rm.ResourceMetricsSnapshot]:
    async with plugin.activate(document(**config)):
        return [await rm.collect(), await rm.collect()]


async def test_it_needs_the_component() -> None:
    text = r"^invalid argument: resource_metrics.collect\(\) requires an active resource_metrics component$"
    with pytest.raises(RuntimeError, match=text):
        await rm.collect()
    async with plugin.activate(document()):
        await rm.collect()
    with pytest.raises(RuntimeError, match=text):
        await rm.collect()


async def test_this_process() -> None:
    first, second = await collect(measurement_scope="application_process")
    assert first.measurement_scope == "application_process"
    assert first.timestamp.utcoffset() is not None
    cpu, memory, process, disk = first.cpu, first.memory, first.process, first.disk
    assert cpu is not None and memory is not None and process is not None and disk is not None
    assert cpu.user_time is not None and cpu.user_time.value > 0
    assert cpu.user_time.unit is rm.DurationUnit.MILLISECONDS
    assert cpu.consumption_rate is None, "there is nothing to compare with yet"
    assert memory.resident is not None and memory.system_total is not None
    assert 0 < memory.resident.value < memory.system_total.value
    assert memory.peak_resident is not None and memory.peak_resident.value >= memory.resident.value / 2
    assert process.active_count == rm.ResourceMeasurement(1, rm.CountUnit.PROCESSES)
    assert process.thread_count is not None and process.thread_count.value >= 1
    assert disk.read_throughput is None
    assert second.cpu is not None and second.cpu.consumption_rate is not None
    assert second.disk is not None
    assert first.gpu == rm.GpuMetrics(None, None), "not measured is not the same as none there"


@pytest.fixture
def child() -> Iterator[subprocess.Popen[str]]:
    """A process that waits until its input ends, and holds a hundred megabytes meanwhile."""
    code = "held = bytearray(b'x' * 100_000_000); print('ready', flush=True); input()"
    with subprocess.Popen([sys.executable, "-c", code], stdin=-1, stdout=-1, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        yield process
        process.kill()


def test_the_tree_has_the_children(child: subprocess.Popen[str]) -> None:
    alone, _ = asyncio.run(collect(measurement_scope="application_process"))
    tree, _ = asyncio.run(collect())
    assert tree.measurement_scope == "process_tree"
    assert tree.process is not None and tree.process.descendant_count is not None
    assert tree.process.descendant_count.value >= 1
    assert tree.memory is not None and tree.memory.resident is not None
    assert alone.memory is not None and alone.memory.resident is not None
    assert tree.memory.resident.value > alone.memory.resident.value + 90_000
    assert tree.memory.peak_resident is None
    assert tree.process_sampling is not None and tree.process_sampling.visible_processes >= 2
    assert child.poll() is None


@linux
async def test_the_machine() -> None:
    first, _ = await collect(measurement_scope="global")
    assert first.process_sampling is not None and first.process_sampling.visible_processes > 1
    assert first.process is not None and first.process.descendant_count is None
    assert first.memory is not None and first.memory.resident is None
    assert not any(name.startswith("memory.") for name in first.process_sampling.field_sampled_processes)


async def test_groups_that_are_off_are_none() -> None:
    groups = ("cpu", "memory", "process", "disk", "gpu", "network")
    first, _ = await collect(**{group: {"enabled": False} for group in groups})
    assert [getattr(first, group) for group in groups] == [None] * 6
    assert first.process_sampling is None


async def test_file_systems_and_interfaces(tmp_path: Path) -> None:
    gone = str(tmp_path / "gone")
    first, second = await collect(
        disk={"process_io": False, "filesystem_paths": [str(tmp_path), gone]}, network={"interfaces": ["no-such-one"]}
    )
    assert first.disk is not None and first.network is not None and second.network is not None
    there, missing = first.disk.filesystems
    assert there.total_capacity is not None and there.free_capacity is not None and there.available_capacity is not None
    assert there.total_capacity.value >= there.free_capacity.value >= there.available_capacity.value
    assert missing == rm.FilesystemCapacityMetrics(gone, None, None, None)
    assert (first.disk.read_data, first.disk.read_operations) == (None, None)
    assert first.network.interfaces == []
    assert first.network.system.receive_throughput is None
    assert second.network.system.receive_throughput is not None


def test_growth_is_counted_process_by_process() -> None:
    before = ProcessSample(by_process={(1, 0.0): {"x": 100}, (2, 0.0): {"x": 50}})
    now = ProcessSample(by_process={(1, 0.0): {"x": 130}, (3, 9.0): {"x": 7}, (4, 9.0): {}})
    assert now.since(before, "x") == 37, "process 2 has gone, process 3 counts from zero"
    assert now.total("x") == 137
    assert now.since(before, "y") is None
    assert now.total("y") is None
    reused = ProcessSample(by_process={(1, 5.0): {"x": 3}})
    assert reused.since(before, "x") == 3, "the same number, another process"
    assert ProcessSample(by_process={(1, 0.0): {"x": 99}}).since(before, "x") is None, "a counter ran backwards"
    assert (rate(10, 4, 2.0), rate(4, 10, 2.0), rate(4, None, 2.0), rate(4, 1, 0.0)) == (3.0, None, None, None)


class Gone:
    """A process that ends while it is asked."""

    pid = 4

    def oneshot(self) -> Any:
        raise psutil.NoSuchProcess(4)


def test_a_process_that_ends_meanwhile_is_seen_and_not_sampled(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(processes, "_in_scope", lambda *_: iter([psutil.Process(), Gone()]))
    sample = processes.sample(psutil, "process_tree", memory=True, disk=True)
    assert (sample.visible, len(sample.by_process)) == (2, 1)


async def test_without_the_distribution_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    loaded = [name for name in sys.modules if name.partition(".")[0] == "nemo_relay_resources"]
    for name in loaded:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "nemo_relay_resources", None)
    text = r'needs nemo-relay-resources: pip install --find-links dist "nemo-relay\[resources\]>=0.12"'
    with pytest.raises(ImportError, match=f"^the resource_metrics component {text}") as missing:
        await plugin.initialize(document())
    assert isinstance(missing.value, MissingExtra)
    assert (missing.value.extra, missing.value.name) == ("resources", "nemo-relay-resources")
    (told,) = plugin.validate_exact(document())["config"]["diagnostics"]
    assert (told["level"], told["code"], told["message"]) == ("warning", "plugin.missing_extra", str(missing.value))
    monkeypatch.delitem(vars(rm), "DataUnit", raising=False)
    with pytest.raises(MissingExtra, match=f"^nemo_relay.resource_metrics.DataUnit {text}"):
        rm.DataUnit  # noqa: B018


@needs_fork
@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_a_forked_child_collects_for_itself() -> None:
    async def main() -> Any:
        activation = await plugin.initialize(document(measurement_scope="application_process"))
        await rm.collect()
        return activation

    activation = asyncio.run(main())
    child = os.fork()
    if child == 0:
        code = 1
        try:
            found = component.collect()
            fresh = found["cpu"]["consumption_rate"] is None
            code = 0 if fresh and component.collect()["cpu"]["consumption_rate"] is not None else 2
        finally:
            os._exit(code)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert component.collect()["cpu"]["consumption_rate"] is not None
    asyncio.run(activation.close())


def test_importing_the_runtime_loads_none_of_it() -> None:
    code = (
        "import sys, nemo_relay\n"
        "print([name for name in sys.modules if 'psutil' in name or 'resource' in name or '_plugins' in name])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
