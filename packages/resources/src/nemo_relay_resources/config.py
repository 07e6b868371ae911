# SPDX-License-Identifier: Apache-2.0
"""The configuration of the ``resource_metrics`` component: its shape, its defaults, and what is wrong with one."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from nemo_relay_codecs.json_shapes import shown, unexpected, unknown_field, unknown_variant, whole_number
from nemo_relay_resources.units import BandwidthUnit, CapacityUnit, CpuUnit, DataUnit, DurationUnit, UtilizationUnit

Check = Callable[[Any], str | None]
JsonObject = dict[str, Any]


class InvalidResourceConfig(Exception):
    """What is wrong with a configuration."""


@dataclass(frozen=True)
class Settings:
    """A configuration with every default filled in. ``units`` holds, by group and field, the unit's name."""

    measurement_scope: str
    polling: bool
    interval_seconds: float
    groups: frozenset[str]
    process_io: bool
    filesystem_paths: tuple[str, ...]
    interfaces: tuple[str, ...]
    units: dict[str, dict[str, str]]


def _boolean(value: Any) -> str | None:
    return None if isinstance(value, bool) else unexpected(value, "a boolean")


def _interval(value: Any) -> str | None:
    return whole_number(value, "u64")


def _choice(names: list[str]) -> Check:
    def check(value: Any) -> str | None:
        if not isinstance(value, str):
            return unexpected(value, "string or map")
        return None if value in names else unknown_variant(value, names)

    return check


def _list(noun: str) -> Check:
    def check(value: Any) -> str | None:
        if not isinstance(value, list):
            return unexpected(value, "a sequence")
        wrong = [item for item in value if not isinstance(item, str)]
        return unexpected(wrong[0], noun) if wrong else None

    return check


def _table(name: str, known: dict[str, Check]) -> Check:
    def check(value: Any) -> str | None:
        if not isinstance(value, dict):
            return f"invalid type: {shown(value)}, expected struct ResourceMetrics{name}Config"
        for key, item in value.items():
            if key not in known:
                return unknown_field(key, known)
            found = known[key](item)
            if found:
                return found
        return None

    return check


_duration = _choice([unit.value for unit in DurationUnit])
_capacity = _choice([unit.value for unit in CapacityUnit])
_data = _choice([unit.value for unit in DataUnit])
_bandwidth = _choice([unit.value for unit in BandwidthUnit])
_processors = _choice([unit.value for unit in CpuUnit])
_utilization = _choice([unit.value for unit in UtilizationUnit])

_CPU_TIMES = (
    "user_time",
    "system_time",
    "total_time",
    "throttled_time",
    "some_pressure_stall_time",
    "full_pressure_stall_time",
)
_MEMORY_SIZES = (
    "system_used",
    "system_total",
    "system_available",
    "resident",
    "private",
    "physical_footprint",
    "virtual_memory",
    "peak_resident",
    "limit",
    "environment_accounted",
)
_STALLS = ("some_pressure_stall_time", "full_pressure_stall_time")
_FILESYSTEM = ("filesystem_total_capacity", "filesystem_available_capacity", "filesystem_free_capacity")
_TRAFFIC: dict[str, Check] = {
    "received_data": _data,
    "transmitted_data": _data,
    "receive_throughput": _bandwidth,
    "transmit_throughput": _bandwidth,
}
_UNITS: dict[str, dict[str, Check]] = {
    "cpu": {
        **dict.fromkeys(_CPU_TIMES, _duration),
        "consumption_rate": _processors,
        "effective_limit": _processors,
    },
    "memory": {**dict.fromkeys(_MEMORY_SIZES, _capacity), **dict.fromkeys(_STALLS, _duration)},
    "disk": {
        "read_data": _data,
        "write_data": _data,
        **dict.fromkeys(_FILESYSTEM, _capacity),
        "read_throughput": _bandwidth,
        "write_throughput": _bandwidth,
    },
    "gpu": {
        "device_memory_used": _capacity,
        "process_memory_used": _capacity,
        "device_compute_utilization": _utilization,
        "process_compute_utilization": _utilization,
    },
}
_SCOPES = ["runtime_default", "global", "application_process", "process_tree"]
_GROUPS = ("cpu", "memory", "process", "disk", "gpu", "network")
_SIMPLE: dict[str, Check] = {"enabled": _boolean}

_DOCUMENT = _table(
    "",
    {
        "measurement_scope": _choice(_SCOPES),
        "polling": _table("Polling", {"enabled": _boolean, "interval_millis": _interval}),
        "cpu": _table("Cpu", _SIMPLE),
        "memory": _table("Memory", _SIMPLE),
        "process": _table("Process", _SIMPLE),
        "disk": _table("Disk", {**_SIMPLE, "process_io": _boolean, "filesystem_paths": _list("path string")}),
        "gpu": _table(
            "Gpu",
            {**_SIMPLE, "devices": _list("a string"), "device_metrics": _boolean, "process_metrics": _boolean},
        ),
        "network": _table("Network", {**_SIMPLE, "interfaces": _list("a string")}),
        "units": _table(
            "Units",
            {
                **{group: _table(f"{group.title()}Units", known) for group, known in _UNITS.items()},
                "network": _table(
                    "NetworkUnits",
                    {one: _table("NetworkTrafficUnits", _TRAFFIC) for one in ("system", "interface")},
                ),
            },
        ),
    },
)

_DEFAULT_UNITS: dict[Check, str] = {
    _duration: "milliseconds",
    _capacity: "kibibytes",
    _data: "bytes",
    _bandwidth: "bytes_per_second",
    _processors: "logical_processors",
    _utilization: "percentage",
}


def parse(config: JsonObject) -> Settings:
    """The settings that ``config`` makes.

    Raises:
        InvalidResourceConfig: it breaks a rule; the text says which.
    """
    found = _DOCUMENT(config) or _value_problem(config)
    if found:
        raise InvalidResourceConfig(found)
    scope = config.get("measurement_scope", "runtime_default")
    polling, disk, network = (config.get(name, {}) for name in ("polling", "disk", "network"))
    return Settings(
        measurement_scope="process_tree" if scope == "runtime_default" else scope,
        polling=polling.get("enabled", False),
        interval_seconds=polling.get("interval_millis", 5_000) / 1_000,
        groups=frozenset(group for group in _GROUPS if config.get(group, {}).get("enabled", True)),
        process_io=disk.get("process_io", True),
        filesystem_paths=tuple(disk.get("filesystem_paths", ())),
        interfaces=tuple(network.get("interfaces", ())),
        units=_units(config.get("units", {})),
    )


def _value_problem(config: JsonObject) -> str | None:
    if config.get("polling", {}).get("interval_millis", 1) == 0:
        return _invalid("polling.interval_millis must be greater than zero")
    for index, path in enumerate(config.get("disk", {}).get("filesystem_paths", ())):
        if not path:
            return _invalid(f"disk.filesystem_paths[{index}] must not be empty")
        if not os.path.isabs(path):
            return _invalid(f"disk.filesystem_paths[{index}] must be absolute")
    if any(not name.strip() for name in config.get("gpu", {}).get("devices", ())):
        return _invalid("gpu.devices must not contain empty identifiers")
    if any(not name.strip() for name in config.get("network", {}).get("interfaces", ())):
        return _invalid("network.interfaces must not contain blank names")
    return None


def _invalid(detail: str) -> str:
    return f"invalid argument: resource_metrics.{detail}"


def _units(given: JsonObject) -> dict[str, dict[str, str]]:
    chosen = {group: _chosen(known, given.get(group, {})) for group, known in _UNITS.items()}
    # A file system is measured in bytes unless asked otherwise: its size is rarely a matter of kibibytes.
    chosen["disk"].update({name: given.get("disk", {}).get(name, "bytes") for name in _FILESYSTEM})
    for one in ("system", "interface"):
        chosen[f"network.{one}"] = _chosen(_TRAFFIC, given.get("network", {}).get(one, {}))
    return chosen


def _chosen(known: dict[str, Check], given: JsonObject) -> dict[str, str]:
    return {name: given.get(name, _DEFAULT_UNITS[check]) for name, check in known.items()}
