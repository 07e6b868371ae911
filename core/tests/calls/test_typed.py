# SPDX-License-Identifier: Apache-2.0
"""Typed wrappers: codecs, and calls whose functions see types while middleware sees JSON."""

from __future__ import annotations

import gc
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import pytest

from nemo_relay import (
    LLMRequest,
    ToolExecutionInterceptOutcome,
    ToolExecutionResult,
    intercepts,
    llm,
    typed,
)

from ..conftest import Ear


@dataclass
class Point:
    x: int
    y: Any = None


class Model:
    """What pydantic models look like to a codec."""

    def __init__(self, **fields: Any) -> None:
        self.fields = fields

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Model) and self.fields == other.fields

    __hash__ = object.__hash__

    def model_dump(self, mode: str = "python") -> dict[str, Any]:
        assert mode == "json"
        return dict(self.fields)

    @classmethod
    def model_validate(cls, data: dict[str, Any]) -> Model:
        return cls(**data)


class Undumpable(Model):
    """A model that cannot dump itself."""

    def model_dump(self, mode: str = "python") -> dict[str, Any]:
        raise ValueError("no")


POINT = typed.DataclassCodec(Point)


def test_a_codec_says_what_is_missing_in_it() -> None:
    for call in (typed.Codec[int]().to_json, typed.Codec[int]().from_json):
        with pytest.raises(NotImplementedError):
            call(1)


def test_the_codecs() -> None:
    value = object()
    assert typed.JsonPassthrough().to_json(value) is value is typed.JsonPassthrough().from_json(value)
    assert typed.PydanticCodec(Model).to_json(Model(a=1)) == {"a": 1}
    assert typed.PydanticCodec(Model).from_json({"a": 1}) == Model(a=1)
    assert POINT.to_json(Point(1)) == {"x": 1}, "fields that are None are left out"
    assert POINT.to_json(Point(1, [Point(2)])) == {"x": 1, "y": [{"x": 2}]}
    assert POINT.from_json({"x": 1, "y": {"x": 2}}) == Point(1, {"x": 2}), "what is nested stays JSON"
    with pytest.raises(TypeError):
        POINT.from_json({"z": 1})


def test_pydantic_itself() -> None:
    pydantic = pytest.importorskip("pydantic")
    made = pydantic.create_model("Made", day=(int, ...), when=(Any, None))
    codec = typed.PydanticCodec(made)
    assert codec.from_json(codec.to_json(made(day=1))) == made(day=1)
    with pytest.raises(pydantic.ValidationError):
        codec.from_json({})


def test_serialising_reaches_into_lists_and_dicts() -> None:
    pair = (Point(1),)
    assert typed._serialize_value({"a": [Point(1), Model(b=Point)], "c": pair}) == {
        "a": [{"x": 1}, {"b": Point}],
        "c": pair,
    }
    broken = Undumpable()
    assert typed._serialize_value(broken) is broken
    assert typed._serialize_value(Point) is Point


def test_types_have_tokens_for_as_long_as_they_live() -> None:
    made = type("Made", (), {})
    token = typed._register_runtime_type(made)
    assert token == f"{made.__module__}.{made.__qualname__}:{id(made)}"
    assert typed._resolve_runtime_type(token) is made
    for unknown in (None, 1, "x", token + "0"):
        assert typed._resolve_runtime_type(unknown) is None
    del made
    gc.collect()
    assert typed._resolve_runtime_type(token) is None


BEST = typed.BestEffortAnyCodec()
BACK = [
    (None, None),
    (1.5, 1.5),
    ({"a": [1]}, {"a": [1]}),
    ((1, 2), [1, 2]),
    ({1: 2}, {"1": 2}),
    ({1, 2}, {1, 2}),
    (frozenset({1}), frozenset({1})),
    (b"x", b"x"),
    (Point(1, Point(2)), Point(1, {"x": 2})),
    (Model(a=1), Model(a=1)),
    ({"data": 1}, {"data": 1}),
]


@pytest.mark.parametrize(("value", "back"), BACK, ids=lambda value: repr(value)[:30])
def test_most_values_come_back(value: Any, back: Any) -> None:
    encoded = BEST.to_json(value)
    assert json.loads(json.dumps(encoded)) == encoded
    assert BEST.from_json(encoded) == back
    assert type(BEST.from_json(encoded)) is type(back)


class Unpicklable:
    def __reduce__(self) -> Any:
        raise TypeError("no")

    def __str__(self) -> str:
        return "shown"


class Unprintable(Unpicklable):
    def __str__(self) -> str:
        raise TypeError("not even that")


def test_anything_can_be_encoded() -> None:
    assert BEST.to_json(Unpicklable()) == {"__nv_fallback_str__": f"{__name__}.Unpicklable", "data": "shown"}
    assert BEST.from_json(BEST.to_json(Unpicklable())) == "shown"
    assert BEST.to_json(Unprintable())["__nv_fallback_str__"].endswith("Unprintable")
    tagged = BEST.to_json(Point(1))
    assert (tagged["__nv_dataclass__"].endswith("Point"), tagged["data"]) == (True, {"x": 1})
    assert typed._resolve_runtime_type(tagged["__nv_runtime_type__"]) is Point
    assert "__nv_pydantic__" in BEST.to_json(Model(a=1))
    assert "__nv_pickle__" in BEST.to_json(Undumpable())


def test_nothing_harmful_is_unpickled() -> None:
    class_of_ours = BEST.to_json(Undumpable())
    assert BEST.from_json(class_of_ours) is class_of_ours
    evil = {"__nv_pickle__": "x", "data": "Y29zCnN5c3RlbQooUydlY2hvIHB3bmVkJwp0Ui4="}
    assert BEST.from_json(evil) is evil
    for odd in ({"__nv_pickle__": "x", "data": 5}, {"__nv_pickle__": "x", "data": "@@"}, {"__nv_pickle__": "x"}, [1]):
        assert BEST.from_json(odd) is odd
    stranger = {"__nv_dataclass__": "m.C", "__nv_runtime_type__": "m.C:1", "data": {"x": 1}}
    assert BEST.from_json(stranger) is stranger, "a type of another process"


async def test_a_typed_tool_call_shows_json_to_middleware_and_types_to_functions(ear: Ear) -> None:
    seen: list[Any] = []

    async def look(context: Any, next: Any) -> ToolExecutionInterceptOutcome:
        below = await next({**context.args, "y": "set"})
        seen.extend((context.args, below.result))
        return ToolExecutionInterceptOutcome({**below.result, "x": 9}, annotation=below.annotation)

    intercepts.register_tool_execution("i", 0, look)

    def right(point: Point) -> ToolExecutionResult[Point]:
        assert point.y == "set"
        return ToolExecutionResult(Point(point.x + 1), {"note": 1})

    answer = await typed.tool_execute("t", Point(1), right, POINT, POINT, tool_call_id="tc", metadata={"m": 1})
    assert (answer.result, answer.annotation) == (Point(9), {"note": 1})
    assert seen == [{"x": 1}, {"x": 2}]
    await ear.settle()
    assert (ear.start("t")["data"], ear.end("t")["data"]) == ({"x": 1}, {"x": 9})
    assert ear.end("t")["category_profile"] == {"tool_call_id": "tc", "tool_result_annotation": {"note": 1}}


async def test_a_typed_tool_returns_a_result() -> None:
    with pytest.raises(TypeError, match="^typed tool callback must return ToolExecutionResult$"):
        await typed.tool_execute("t", Point(1), lambda point: point, POINT, POINT)  # type: ignore[arg-type,return-value]


async def test_a_typed_tool_call_may_be_answered_by_an_intercept() -> None:
    intercepts.register_tool_execution("i", 0, lambda context, next: ToolExecutionInterceptOutcome({"x": 5}))
    answer = await typed.tool_execute("t", Point(1), str, POINT, POINT)  # type: ignore[arg-type]
    assert answer.result == Point(5)


async def test_a_typed_llm_call(ear: Ear, form: str) -> None:
    from ..conftest import in_form

    answer = await typed.llm_execute("l", LLMRequest({}, {}), in_form(form, lambda request: Point(7)), POINT)
    assert answer == Point(7)
    await ear.settle()
    assert ear.end("l")["data"] == {"x": 7}


async def points(request: LLMRequest) -> AsyncIterator[Point]:
    for x in (1, 2):
        yield Point(x)


async def test_a_typed_stream_yields_json_and_collects_types(ear: Ear) -> None:
    got: list[Point] = []
    request = LLMRequest({}, {})
    stream = await typed.llm_stream_execute("l", request, points, got.append, lambda: got[-1], POINT, POINT)
    assert [chunk async for chunk in stream] == [{"x": 1}, {"x": 2}]
    assert got == [Point(1), Point(2)]
    await ear.settle()
    assert ear.end("l")["data"] == {"x": 2}


async def test_closing_a_typed_stream_closes_its_producer() -> None:
    closed: list[int] = []

    async def endless(request: LLMRequest) -> AsyncIterator[Point]:
        try:
            while True:
                yield Point(0)
        finally:
            closed.append(1)

    stream = await typed.llm_stream_execute(
        "l", LLMRequest({}, {}), endless, lambda point: None, lambda: Point(0), POINT, POINT
    )
    assert await anext(stream) == {"x": 0}
    await stream.aclose()
    assert closed == [1]


async def test_the_runtime_is_reached_through_the_module(monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[Any] = []

    async def spy(*args: Any, **kwargs: Any) -> Any:
        calls.append((args, kwargs))
        return {"x": 3}

    monkeypatch.setattr(typed.llm, "stream_execute", spy)
    monkeypatch.setattr(typed.llm, "execute", spy)
    assert typed.llm is llm
    request = LLMRequest({}, {})
    await typed.llm_stream_execute("l", request, points, print, lambda: Point(1), POINT, POINT, model_name="m")
    assert await typed.llm_execute("l", request, lambda request: Point(1), POINT, model_name="m") == Point(3)
    assert [len(args) for args, _ in calls] == [5, 3]
    assert all(args[:2] == ("l", request) and kwargs["model_name"] == "m" for args, kwargs in calls)
