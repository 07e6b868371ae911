# SPDX-License-Identifier: Apache-2.0
"""Metadata injectors: callbacks that add keys to an event's metadata, and never change what is there."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Generator
from typing import Any

from nemo_relay._runtime import guard
from nemo_relay._runtime.delivery.dispatcher import EventType
from nemo_relay._runtime.log import faults
from nemo_relay._runtime.registry.registration import Entry
from nemo_relay_records import encoding

_KEY = r"[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*"
Step = tuple[Callable[..., Any], tuple[Any, ...]]


def inject(make: EventType, record: dict[str, Any], injectors: tuple[Entry, ...]) -> Generator[Step, Any, None]:
    """Merge what ``injectors`` return into ``record["metadata"]``; existing keys and earlier injectors win."""
    for entry in injectors:
        metadata = record["metadata"]
        if metadata is not None and not isinstance(metadata, dict):
            error = TypeError(f"event metadata is no object but {type(metadata).__name__!r}")
            faults.report("event_metadata_injector_non_object_metadata", error, injector=entry.name)
            return
        try:
            extra = yield entry.fn, (make(encoding.encode(record) + b"\n"),)
            encoding.strict(extra)
            if not isinstance(extra, dict):
                raise TypeError(f"a metadata injector returns a dict, not {type(extra).__name__!r}")
        except BaseException as error:
            guard.pass_on(error)
            faults.write(f"nemo_relay: Python event metadata injector failed: {faults.describe(error)}")
            faults.report("event_metadata_injector_failed", error, injector=entry.name)
            continue
        problem = _problem(extra)
        if problem:
            faults.report("event_metadata_injector_invalid_output", ValueError(problem), injector=entry.name)
        elif extra:
            known = metadata or {}
            record["metadata"] = known | {key: value for key, value in extra.items() if key not in known}


def _problem(extra: dict[Any, Any]) -> str | None:
    for key, value in extra.items():
        if not isinstance(key, str) or not re.fullmatch(_KEY, key):
            return (
                f"attribute key `{key}` must contain letter, number, underscore, or hyphen segments"
                " separated by single dots"
            )
        if not _is_attribute(value):
            return f"attribute `{key}` must be a primitive or homogeneous primitive list"
    return None


def _is_attribute(value: Any) -> bool:
    if isinstance(value, list):
        kinds = {_kind(item) for item in value}
        return None not in kinds and len(kinds) <= 1
    return _kind(value) is not None


def _kind(value: Any) -> str | None:
    if isinstance(value, str):
        return "string"
    if isinstance(value, bool):
        return "boolean"
    if isinstance(value, int):
        return "number" if -(2**63) <= value < 2**63 else None
    if isinstance(value, float):
        return "number" if math.isfinite(value) else None
    return None
