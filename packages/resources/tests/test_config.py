# SPDX-License-Identifier: Apache-2.0
"""The component's configuration: each rule has its text."""

from __future__ import annotations

from typing import Any

import pytest

from nemo_relay import plugin
from nemo_relay_resources.config import parse

from .conftest import document

CAPACITIES = (
    "`bytes`, `kilobytes`, `megabytes`, `gigabytes`, `terabytes`, `kibibytes`, `mebibytes`, `gibibytes`, `tebibytes`"
)
WRONG: list[tuple[dict[str, Any], str]] = [
    (
        {"bogus": 1},
        "unknown field `bogus`, expected one of `measurement_scope`, `polling`, `cpu`, `memory`, `process`, `disk`, "
        "`gpu`, `network`, `units`",
    ),
    ({"polling": {"bogus": 1}}, "unknown field `bogus`, expected `enabled` or `interval_millis`"),
    (
        {"polling": {"interval_millis": 0}},
        "invalid argument: resource_metrics.polling.interval_millis must be greater than zero",
    ),
    ({"polling": {"interval_millis": -1}}, "invalid value: integer `-1`, expected u64"),
    ({"polling": {"interval_millis": True}}, "invalid type: boolean `true`, expected u64"),
    ({"polling": {"interval_millis": 1.5}}, "invalid type: floating point `1.5`, expected u64"),
    ({"polling": {"enabled": 1}}, "invalid type: integer `1`, expected a boolean"),
    (
        {"measurement_scope": "x"},
        "unknown variant `x`, expected one of `runtime_default`, `global`, `application_process`, `process_tree`",
    ),
    ({"measurement_scope": None}, "invalid type: null, expected string or map"),
    (
        {"disk": {"filesystem_paths": ["/", "rel"]}},
        "invalid argument: resource_metrics.disk.filesystem_paths[1] must be absolute",
    ),
    (
        {"disk": {"filesystem_paths": [""]}},
        "invalid argument: resource_metrics.disk.filesystem_paths[0] must not be empty",
    ),
    ({"disk": {"filesystem_paths": [1]}}, "invalid type: integer `1`, expected path string"),
    ({"disk": {"filesystem_paths": "x"}}, 'invalid type: string "x", expected a sequence'),
    ({"gpu": {"devices": [" "]}}, "invalid argument: resource_metrics.gpu.devices must not contain empty identifiers"),
    (
        {"network": {"interfaces": [""]}},
        "invalid argument: resource_metrics.network.interfaces must not contain blank names",
    ),
    ({"cpu": 3}, "invalid type: integer `3`, expected struct ResourceMetricsCpuConfig"),
    ({"cpu": {"zz": 1}}, "unknown field `zz`, expected `enabled`"),
    (
        {"units": {"cpu": {"user_time": "bytes"}}},
        "unknown variant `bytes`, expected one of `microseconds`, `milliseconds`, `seconds`, `minutes`",
    ),
    ({"units": {"memory": {"resident": "x"}}}, f"unknown variant `x`, expected one of {CAPACITIES}"),
    (
        {"units": {"cpu": {"consumption_rate": "x"}}},
        "unknown variant `x`, expected `logical_processors` or `millicores`",
    ),
    ({"units": {"network": {"zz": {}}}}, "unknown field `zz`, expected `system` or `interface`"),
]


@pytest.mark.parametrize(("config", "text"), WRONG, ids=[str(config) for config, _ in WRONG])
def test_a_wrong_configuration_is_named(config: dict[str, Any], text: str) -> None:
    assert plugin.validate_exact(document(**config))["config"]["diagnostics"] == [
        {
            "level": "error",
            "code": "resource_metrics.invalid_config",
            "component": "resource_metrics",
            "message": f"invalid resource metrics config: {text}",
        }
    ]


async def test_a_wrong_configuration_is_not_activated() -> None:
    with pytest.raises(ValueError, match=r"^invalid config: invalid resource metrics config: unknown field `bogus`"):
        await plugin.initialize(document(bogus=1))


def test_the_defaults() -> None:
    settings = parse({})
    assert (settings.measurement_scope, settings.polling, settings.interval_seconds) == ("process_tree", False, 5.0)
    assert settings.groups == {"cpu", "memory", "process", "disk", "gpu", "network"}
    assert settings.units["cpu"]["user_time"] == "milliseconds"
    assert settings.units["memory"]["resident"] == "kibibytes"
    assert settings.units["disk"]["filesystem_free_capacity"] == "bytes"
    assert settings.units["network.interface"]["receive_throughput"] == "bytes_per_second"


def test_groups_and_units_can_be_chosen() -> None:
    settings = parse(
        {
            "gpu": {"enabled": False},
            "network": {"interfaces": ["lo", "lo"]},
            "units": {
                "disk": {"filesystem_free_capacity": "gigabytes"},
                "network": {"system": {"received_data": "megabytes"}},
            },
        }
    )
    assert "gpu" not in settings.groups
    assert settings.interfaces == ("lo", "lo")
    assert settings.units["disk"]["filesystem_free_capacity"] == "gigabytes"
    assert settings.units["network.system"]["received_data"] == "megabytes"
    assert settings.units["network.interface"]["received_data"] == "bytes"
