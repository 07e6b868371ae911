# SPDX-License-Identifier: Apache-2.0
"""The events themselves: their keys, their properties, and that a payload is what it was when it was emitted."""

from __future__ import annotations

import json
import math
import re
import uuid
from collections import OrderedDict, UserDict, deque, namedtuple
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import Enum, IntEnum
from types import MappingProxyType
from typing import Any

import pytest

from nemo_relay import LLMRequest, ScopeType, ToolExecutionResult, llm, scope, subscribers, tools

from ..conftest import Driver, Ear

SCOPE_KEYS = set(
    "atof_version attributes category category_profile data data_schema kind metadata name parent_uuid"
    " scope_category timestamp uuid propagation_root_uuid".split()
)


def heard() -> list[Any]:
    """The event objects that a subscriber gets."""
    found: list[Any] = []
    subscribers.register("found", found.append)
    return found


def test_every_key_is_there(ear: Ear) -> None:
    with scope.scope("s", ScopeType.Function):
        scope.event("m")
    tools.call_end(tools.call("t", {}), ToolExecutionResult(1))
    llm.call_end(llm.call("l", LLMRequest({}, {})), None)
    for event in ear.events():
        assert set(event) == (SCOPE_KEYS if event["kind"] == "scope" else SCOPE_KEYS - {"attributes", "scope_category"})
        assert event["atof_version"] == "0.1"
    assert ear.start("s")["category_profile"] is None
    assert ear.start("t")["category_profile"] == ear.end("l")["category_profile"] == {}


@pytest.mark.parametrize("kind", list(ScopeType), ids=str)
def test_the_category_is_the_type(kind: ScopeType, ear: Ear) -> None:
    scope.pop(scope.push("s", kind))
    assert ear.start("s")["category"] == ear.end("s")["category"] == kind.name.lower()


def test_start_and_end_share_an_identifier_and_all_others_grow(ear: Ear) -> None:
    for _ in range(200):
        with scope.scope("s", ScopeType.Function):
            scope.event("m")
    starts = [e for e in ear.events() if e.get("scope_category") == "start"]
    ends = [e for e in ear.events() if e.get("scope_category") == "end"]
    assert [e["uuid"] for e in starts] == [e["uuid"] for e in ends]
    identifiers = [e["uuid"] for e in ear.events() if e.get("scope_category") != "end"]
    assert identifiers == sorted(set(identifiers))
    for text in identifiers:
        assert uuid.UUID(text).version == 7
        assert str(uuid.UUID(text)) == text


def test_times_are_utc_with_the_fewest_digits_that_are_exact(ear: Ear) -> None:
    scope.event("now")
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.(\d{3}|\d{6}|\d{9}))?\+00:00", ear.one("now")["timestamp"])
    for micros, shown in ((0, ""), (5_000, ".005"), (5, ".000005"), (123_456, ".123456")):
        scope.event(f"m{micros}", timestamp=datetime(2026, 1, 2, 3, 4, 5, micros, tzinfo=UTC))
        assert ear.one(f"m{micros}")["timestamp"] == f"2026-01-02T03:04:05{shown}+00:00"


def test_an_event_reads_the_same_as_object_dict_and_json() -> None:
    found = heard()
    with scope.scope("s", ScopeType.Agent, input={"b": 1, "a": [1.0, None]}, metadata={"m": 1}):
        scope.event("m", data=1)
    subscribers.flush()
    for event in found:
        text = event.to_json()
        assert json.loads(text) == event.to_dict()
        assert text == json.dumps(json.loads(text), separators=(",", ":")), "compact"
        keys = [name for name in event.to_dict() if name != "propagation_root_uuid"]
        for key in keys:
            assert getattr(event, key) == event.to_dict()[key]
        assert list(event.to_dict()) == sorted(event.to_dict())
    assert [event.kind for event in found] == ["scope", "mark", "scope"]
    start, mark, _ = found
    assert (start.annotated_request, start.annotated_response, mark.severity) == (None, None, None)
    assert not hasattr(mark, "scope_category")
    assert not hasattr(mark, "attributes")
    assert not hasattr(start, "severity")
    assert not hasattr(start, "scope_type")
    with pytest.raises(AttributeError):
        start.name = "other"


def test_a_subscriber_that_changes_its_event_changes_nothing_for_the_next() -> None:
    found: list[Any] = []

    def vandal(event: Any) -> None:
        event.data["a"].append(2)
        event.to_dict()["data"]["a"].append(3)

    subscribers.register("a vandal", vandal)
    subscribers.register("b next", lambda event: found.append(event.data))
    scope.event("m", data={"a": [1]})
    subscribers.flush()
    assert found == [{"a": [1]}]


def test_a_payload_is_what_it_was_when_it_was_emitted(ear: Ear, run: Driver) -> None:
    payload = {"list": [1]}

    def mutate(args: Any) -> Any:
        args["list"].append(2)
        return args

    run.tool("t", payload, mutate)
    payload["list"].append(3)
    assert ear.start("t")["data"] == {"list": [1]}
    assert ear.end("t")["data"] == {"list": [1, 2]}


def test_keys_keep_the_order_of_the_application(ear: Ear) -> None:
    scope.event("m", data={"z": 1, "a": {"y": 1, "b": 2}})
    assert list(ear.one("m")["data"]) == ["z", "a"]
    assert list(ear.one("m")["data"]["a"]) == ["y", "b"]


@dataclass
class Point:
    x: int
    y: int | None = None


class Color(str, Enum):  # noqa: UP042 - as programs have written it for years
    RED = "red"


class Level(IntEnum):
    HIGH = 3


Pair = namedtuple("Pair", "a b")  # noqa: PYI024 - an old-fashioned one, on purpose

JSON_FORMS = [
    (None, None),
    (True, True),
    (2**64 - 1, 2**64 - 1),
    (-(2**63), -(2**63)),
    (1.5, 1.5),
    (1.0, 1.0),
    (math.nan, None),
    (math.inf, None),
    ((1, 2), [1, 2]),
    (Pair(1, 2), [1, 2]),
    ({3}, [3]),
    (frozenset({3}), [3]),
    (range(3), [0, 1, 2]),
    (deque([1]), [1]),
    (OrderedDict(b=1, a=2), {"b": 1, "a": 2}),
    (UserDict(a=1), {"a": 1}),
    (MappingProxyType({"a": 1}), {"a": 1}),
    (Point(1), {"x": 1, "y": None}),
    (Color.RED, "red"),
    (Level.HIGH, 3),
]


@pytest.mark.parametrize(("value", "shown"), JSON_FORMS, ids=lambda value: repr(value)[:40])
def test_python_values_have_the_published_json_form(value: Any, shown: Any, ear: Ear) -> None:
    scope.event("m", data=value)
    found = ear.one("m")["data"]
    assert found == shown
    assert type(found) is type(shown)


class Broken:
    def __repr__(self) -> str:
        raise RuntimeError("cannot be shown")


def cycle() -> Any:
    made: list[Any] = []
    made.append(made)
    return made


@pytest.mark.parametrize(
    "value",
    [
        b"bytes",
        object(),
        Broken(),
        cycle(),
        {1: 2},
        2**70,
        "\ud800",
        datetime(2026, 1, 1),
        lambda: 1,
        Point,
        ValueError("v"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_what_json_cannot_express_is_described_and_never_fails_the_call(value: Any, ear: Ear, run: Driver) -> None:
    assert run.tool("t", value, lambda args: args) is value
    request = LLMRequest({}, value)
    assert run.llm("l", request, lambda request: request.content) is value
    with scope.scope("s", ScopeType.Function, input=value, metadata={"m": value}):
        scope.event("m", data=value)
    for event in ear.events():
        json.dumps(event)
    assert ear.start("t")["data"] is not None


def test_a_repr_shows_what_the_event_is() -> None:
    found = heard()
    scope.event("m")
    subscribers.flush()
    assert "MarkEvent" in repr(found[0])
    assert "'m'" in repr(found[0])
