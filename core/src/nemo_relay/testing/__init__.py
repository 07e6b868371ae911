# SPDX-License-Identifier: Apache-2.0
"""Tools for tests: an empty runtime, captured events, fixed ids and times, trees to compare, lifecycles to check.

Two pytest fixtures, `relay_events` and `relay_isolated`, come with the package. The parts are loaded when they are
first used, because pytest imports this package in every session of an environment that has it.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from nemo_relay.testing.capture import CapturedEvents, MemorySink, capture_events
    from nemo_relay.testing.determinism import deterministic
    from nemo_relay.testing.isolation import isolated
    from nemo_relay_projections.expectations.lifecycles import check_lifecycles
    from nemo_relay_projections.expectations.spec import SpecError
    from nemo_relay_projections.expectations.trees import expect_tree

_HOMES = {
    "CapturedEvents": "nemo_relay.testing.capture",
    "MemorySink": "nemo_relay.testing.capture",
    "SpecError": "nemo_relay_projections.expectations.spec",
    "capture_events": "nemo_relay.testing.capture",
    "check_lifecycles": "nemo_relay_projections.expectations.lifecycles",
    "deterministic": "nemo_relay.testing.determinism",
    "expect_tree": "nemo_relay_projections.expectations.trees",
    "isolated": "nemo_relay.testing.isolation",
}

__all__ = [
    "CapturedEvents",
    "MemorySink",
    "SpecError",
    "capture_events",
    "check_lifecycles",
    "deterministic",
    "expect_tree",
    "isolated",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(_HOMES[name]), name)
    if not value.__module__.startswith(__name__):
        value.__module__ = __name__  # where users find it
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
