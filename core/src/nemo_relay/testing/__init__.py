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
    from nemo_relay.testing.expect import expect_tree
    from nemo_relay.testing.isolation import isolated
    from nemo_relay.testing.lifecycles import check_lifecycles
    from nemo_relay.testing.spec import SpecError

_HOMES = {
    "CapturedEvents": "capture",
    "MemorySink": "capture",
    "SpecError": "spec",
    "capture_events": "capture",
    "check_lifecycles": "lifecycles",
    "deterministic": "determinism",
    "expect_tree": "expect",
    "isolated": "isolation",
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
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return sorted(__all__)
