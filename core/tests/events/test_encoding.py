# SPDX-License-Identifier: Apache-2.0
"""The encoder of payloads: it takes whatever an application passes around, and never answers with an exception."""

from __future__ import annotations

import asyncio
import copy
import dataclasses
import datetime
import decimal
import enum
import fractions
import json
import os
import pathlib
import signal
import threading
import uuid
from collections import OrderedDict, UserDict, UserList, defaultdict, deque
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, ClassVar, NamedTuple
from unittest.mock import MagicMock, Mock

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nemo_relay import (
    LLMRequest,
    LLMRequestInterceptOutcome,
    ScopeType,
    ToolExecutionInterceptOutcome,
    event_metadata,
    guardrails,
    intercepts,
    llm,
    scope,
    tools,
)
from nemo_relay.testing import capture_events, isolated
from nemo_relay_records import encoding
from nemo_relay_records.encoding import encode


class Point(NamedTuple):
    x: Any
    y: Any


class Colour(enum.Enum):
    RED = "red"
    ODD = object()


@dataclasses.dataclass
class Record:
    name: Any
    value: Any


class Plain:
    def __init__(self, value: Any) -> None:
        self.value = value


class BrokenRepr:
    def __repr__(self) -> str:
        raise ValueError("no repr")


class SurrogateRepr:
    def __repr__(self) -> str:
        return "\ud800"


class BrokenMapping(Mapping[str, Any]):
    def __getitem__(self, key: str) -> Any:
        raise KeyError(key)

    def __iter__(self) -> Iterator[str]:
        raise RuntimeError("dictionary changed size during iteration")

    def __len__(self) -> int:
        return 1

    def __repr__(self) -> str:
        return "\udfff"


class BrokenDict(dict[str, Any]):
    def items(self) -> Any:
        raise RuntimeError("not now")


class Endless:
    def __len__(self) -> int:
        return 3

    def __iter__(self) -> Iterator[Any]:
        while True:
            yield self


class Onion:
    """Each layer is a new object: no identity to recognise a cycle by."""

    def __len__(self) -> int:
        return 1

    def __iter__(self) -> Iterator[Any]:
        yield Onion()


class YesToAll:
    def __getattr__(self, name: str) -> Any:
        return lambda *args, **kwargs: self


class LyingString(str):
    def __str__(self) -> str:
        return self

    def encode(self, *args: Any, **kwargs: Any) -> bytes:
        raise UnicodeError("no")


class BrokenStr(Exception):
    def __str__(self) -> str:
        raise ValueError("no str")


class Model:
    def model_dump(self, **kwargs: Any) -> Any:
        raise ValueError("no dump")


class Meta(type):
    def __repr__(cls) -> str:
        raise ValueError("no repr of the class")


class WithMeta(metaclass=Meta):
    pass


def cycle() -> Any:
    made: list[Any] = [1]
    made.append({"again": made})
    return made


def deep() -> Any:
    made: Any = 1
    for _ in range(5_000):
        made = [made]
    return made


def chain_of_records() -> Any:
    made = Record("last", None)
    for _ in range(5_000):
        made = Record("r", made)
    return made


json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(codec="utf-8")),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(st.characters(codec="utf-8")), inner, max_size=4)
    ),
    max_leaves=25,
)

odd_leaves = (
    st.binary(max_size=20)
    | st.integers(-(10**400), 10**400)
    | st.floats()
    | st.complex_numbers()
    | st.decimals()
    | st.fractions()
    | st.datetimes()
    | st.datetimes(timezones=st.just(datetime.UTC))
    | st.dates()
    | st.times()
    | st.timedeltas()
    | st.uuids()
    | st.text(st.characters())
    | st.text(st.characters(categories=["Cs"]))
    | st.sampled_from(list(Colour))
    | st.builds(
        lambda make: make(),
        st.sampled_from(
            [
                BrokenRepr,
                SurrogateRepr,
                BrokenMapping,
                BrokenStr,
                Endless,
                Model,
                MagicMock,
                Mock,
                Onion,
                WithMeta,
                YesToAll,
                chain_of_records,
                cycle,
                deep,
                object,
                threading.Lock,
                lambda: BrokenDict(a=1),
                lambda: 10**6_000,
                lambda: LyingString("lie"),
                lambda: WithMeta,
                lambda: (item for item in "ab"),
                lambda: pathlib.PurePath("a/b"),
                lambda: range(10**12),
                lambda: memoryview(b"abc"),
                lambda: print,
                lambda: NotImplemented,
                lambda: Record,
                lambda: UserDict({"a": 1}),
                lambda: UserList([1, 2]),
                lambda: defaultdict(list, a=[1]),
                lambda: decimal.Decimal("sNaN"),
                lambda: fractions.Fraction(1, 3),
                lambda: uuid.UUID(int=0),
            ]
        ),
    )
)
keys = st.text(st.characters()) | st.integers() | st.floats() | st.none() | st.booleans() | st.binary(max_size=4)
keys |= st.tuples(st.integers()) | st.uuids() | st.dates()


def containers(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return (
        st.lists(inner, max_size=4)
        | st.dictionaries(keys, inner, max_size=4)
        | st.lists(inner, max_size=3).map(tuple)
        | st.lists(inner, max_size=3).map(deque)
        | st.lists(st.integers() | st.text(), max_size=3).map(set)
        | st.lists(st.tuples(st.text(), inner), max_size=3).map(OrderedDict)
        | st.builds(Point, inner, inner)
        | st.builds(Record, inner, inner)
        | st.builds(Plain, inner)
        | st.builds(lambda error: Exception(error), inner)
    )


anything = st.recursive(json_values | odd_leaves, containers, max_leaves=12)


def reject(text: str) -> Any:
    raise AssertionError(f"{text} is not JSON")


def read(line: bytes) -> Any:
    """Strictly: no NaN, no Infinity, valid UTF-8."""
    return json.loads(line.decode("utf-8"), parse_constant=reject)


def check_total(value: Any) -> None:
    read(encode(value))


@settings(max_examples=250, deadline=None)
@given(anything)
def test_every_value_becomes_valid_json(value: Any) -> None:
    check_total(value)


@pytest.mark.fuzz
@pytest.mark.timeout(1_800)
@settings(max_examples=20_000, deadline=None)
@given(anything)
def test_every_value_becomes_valid_json_for_long(value: Any) -> None:
    check_total(value)


@settings(max_examples=250, deadline=None)
@given(json_values)
def test_json_comes_back_as_it_was_in_the_order_it_had(value: Any) -> None:
    assert json.dumps(read(encode(value))) == json.dumps(value)


@settings(max_examples=60, deadline=None)
@given(anything)
def test_a_value_beside_an_odd_one_is_not_lost(value: Any) -> None:
    shown = read(encode({"odd": value, "list": [value, {"sane": 1}], "sane": ["kept"]}))
    assert shown["sane"] == ["kept"]
    assert shown["list"][1] == {"sane": 1}


def scramble(value: Any) -> None:
    """Change every dict and list in ``value``."""
    if isinstance(value, dict):
        for item in list(value.values()):
            scramble(item)
        value.clear()
        value["scrambled"] = True
    elif isinstance(value, list):
        for item in value:
            scramble(item)
        value[:] = ["scrambled"]


@settings(max_examples=60, deadline=None)
@given(json_values)
def test_what_happens_to_a_payload_later_does_not_show(value: Any) -> None:
    before = json.dumps(value)
    payloads = [copy.deepcopy(value) for _ in range(8)]
    given_input, output, data, args, result, content, response, metadata = payloads
    with capture_events() as captured:
        handle = scope.push("s", ScopeType.Function, input=given_input, metadata={"m": metadata})
        scope.event("m", data=data)
        tools.execute_sync("t", args, lambda _: result)
        llm.execute_sync("l", LLMRequest({}, content), lambda _: response)
        scope.pop(handle, output=output)
        for payload in payloads:
            scramble(payload)
        (mark,) = captured.marks()
        shown = [captured.starts("s")[0].data, captured.starts("s")[0].metadata["m"], mark.data]
        shown += [captured.ends("s")[0].data, captured.ends("s")[0].metadata["m"]]
        shown += [captured.starts("t")[0].data, captured.ends("t")[0].data]
        shown += [captured.starts("l")[0].data["content"], captured.ends("l")[0].data]
    assert {json.dumps(item) for item in shown} == {before}


def pass_through_everywhere() -> None:
    intercepts.register_tool_request("pass", 0, False, lambda name, args: args)
    intercepts.register_llm_request("pass", 0, False, lambda name, request, _: LLMRequestInterceptOutcome(request))
    intercepts.register_tool_execution(
        "pass", 0, lambda call, proceed: ToolExecutionInterceptOutcome(proceed(call.args).result)
    )
    intercepts.register_llm_execution("pass", 0, lambda name, request, call, proceed: proceed(request))
    guardrails.register_tool_conditional_execution("pass", 0, lambda name, args: None)
    guardrails.register_llm_conditional_execution("pass", 0, lambda request: None)
    guardrails.register_tool_sanitize_request("pass", 0, lambda name, args: args)
    guardrails.register_tool_sanitize_response("pass", 0, lambda name, result: result)
    guardrails.register_llm_sanitize_request("pass", 0, lambda request, context: request)
    guardrails.register_llm_sanitize_response("pass", 0, lambda response, context: response)
    guardrails.register_mark_sanitize("pass", 0, lambda event, fields: fields)
    guardrails.register_scope_sanitize_start("pass", 0, lambda event, fields: fields)
    guardrails.register_scope_sanitize_end("pass", 0, lambda event, fields: fields)
    event_metadata.register_injector("pass", 0, lambda event: {"seen": True})


@settings(max_examples=60, deadline=None)
@given(anything, st.booleans())
def test_no_payload_makes_a_call_fail(value: Any, middleware: bool) -> None:
    with isolated():
        if middleware:
            pass_through_everywhere()
        check_calls(value, 11 if middleware else 7)


def check_calls(value: Any, count: int) -> None:
    with capture_events() as captured:
        with scope.scope("s", ScopeType.Function, input=value, metadata=value, data=value):
            scope.event("m", data=value, metadata=value)
            assert tools.execute_sync("t", value, lambda args: args, metadata=value, data=value) is value
            request = LLMRequest({"h": value}, value)
            assert llm.execute_sync("l", request, lambda sent: sent.content, metadata=value, data=value) is value
        for event in captured.events:
            read(event.to_json().encode())
        assert len(captured.events) == count


def test_a_mock_is_not_touched() -> None:
    for mock in (MagicMock(), Mock(), MagicMock(spec=dict), Mock(spec=str)):
        encode({"mock": mock})
        assert mock.mock_calls == []
        assert mock.method_calls == []


def test_a_long_foreign_sequence_is_not_read_to_its_end() -> None:
    class Table:
        read = 0

        def __len__(self) -> int:
            return 10**9

        def __iter__(self) -> Iterator[int]:
            for number in range(10**9):
                Table.read += 1
                yield number

    assert b"Table" in encode(Table())
    assert Table.read == 0


class Hydra(UserList[Any]):
    """Every look at it shows two more."""

    looks = 0

    @property
    def data(self) -> list[Any]:
        Hydra.looks += 1
        return [Hydra(), Hydra()]

    @data.setter
    def data(self, _value: list[Any]) -> None:
        pass


def test_a_container_without_end_is_left_after_a_while() -> None:
    shown = encode({"hydra": Hydra(), 3: [Hydra()], "sane": "kept"})
    assert b"$truncated" in shown
    assert 0 < Hydra.looks <= 8 * encoding.MAX_NODES
    assert encode({"sane": Hydra()}).startswith(b'{"sane":[')


class Query:
    """What a query set of a database library is like: whatever is asked of it runs the query."""

    ran: ClassVar[list[str]] = []

    def _run(self, *_: Any) -> Any:
        Query.ran.append("run")
        return iter(())

    __iter__ = __getitem__ = keys = items = values = _run

    def __len__(self) -> int:
        Query.ran.append("len")
        return 0

    def __bool__(self) -> bool:
        Query.ran.append("bool")
        return False

    def __repr__(self) -> str:
        Query.ran.append("repr")
        return "<QuerySet []>"

    __str__ = __repr__


class LazySequence(Query, Sequence[Any]):  # type: ignore[misc]
    pass


class LazyMapping(Query, Mapping[str, Any]):  # type: ignore[misc]
    pass


class Cursor:
    """A cursor: an iterator over rows that are still at the server."""

    def __iter__(self) -> Cursor:
        return self

    def __next__(self) -> Any:
        Query.ran.append("fetch")
        raise StopIteration

    def __repr__(self) -> str:
        Query.ran.append("repr")
        return ""


class LazyObject:
    """A lazy proxy: even its class is found out by making the object."""

    @property
    def __class__(self) -> Any:  # type: ignore[override]
        Query.ran.append("class")
        raise SystemExit("made")

    def __iter__(self) -> Any:
        Query.ran.append("iter")
        return iter(())


@pytest.mark.parametrize("lazy", [Query, LazySequence, LazyMapping, Cursor, LazyObject])
@pytest.mark.parametrize("place", [lambda it: it, lambda it: {"a": [it]}, lambda it: {1: it}, lambda it: (it, {2: it})])
def test_r29_observing_a_lazy_collection_runs_nothing(lazy: type, place: Any) -> None:
    Query.ran.clear()
    value = place(lazy())
    with capture_events() as captured:
        result = tools.execute_sync("t", value, lambda args: args, data=value, metadata={"m": value})
        scope.event("m", data=value)
    assert result is value
    assert lazy.__qualname__ in captured.ends()[0].to_json()
    assert Query.ran == []


class Rude:
    """Raises what ends programs, whatever is asked of it."""

    def __init__(self, error: BaseException) -> None:
        self.error = error

    def __repr__(self) -> str:
        raise self.error

    __str__ = __hash__ = __repr__  # type: ignore[assignment]


class RudeModel(Rude):
    def model_dump(self, **_: Any) -> Any:
        raise self.error


class RudeClass:
    def __init__(self, error: BaseException) -> None:
        object.__setattr__(self, "error", error)

    def __getattribute__(self, name: str) -> Any:
        raise object.__getattribute__(self, "error")


class RudeError(Exception):
    def __init__(self, error: BaseException) -> None:
        self.error = error

    def __str__(self) -> str:
        raise self.error


@pytest.mark.parametrize(
    "error", [SystemExit(3), KeyboardInterrupt(), GeneratorExit(), asyncio.CancelledError(), ValueError()]
)
@pytest.mark.parametrize("kind", [Rude, RudeModel, RudeClass, RudeError])
@pytest.mark.parametrize("middleware", [False, True])
async def test_r29_a_result_is_not_lost_for_what_its_parts_raise(
    kind: Any, error: BaseException, middleware: bool
) -> None:
    value, holder = kind(error), {"deep": [kind(error)], 3: kind(error)}
    if middleware:
        guardrails.register_tool_conditional_execution("yes", 1, lambda _name, _args: None)
        guardrails.register_tool_sanitize_response("same", 1, lambda _name, result: result)
        intercepts.register_tool_request("same", 1, False, lambda _name, args: args)
    with capture_events():
        for one in (value, holder):
            with scope.scope("s", ScopeType.Function, input=one, data=one, metadata=one):
                assert tools.execute_sync("t", one, lambda args: args, metadata={"m": one}) is one
                assert await tools.execute("t", one, lambda args: args, data=one) is one
                assert llm.execute_sync("m", LLMRequest({}, one), lambda request: request.content) is one
                scope.event("m", data=one, metadata=one)
        with pytest.raises(RudeError):
            tools.execute_sync("t", 1, raising(RudeError(error)))


def raising(error: BaseException) -> Any:
    def tool(_args: Any) -> Any:
        raise error

    return tool


def test_r29_a_real_interrupt_passes() -> None:
    class Slow:
        def __repr__(self) -> str:
            os.kill(os.getpid(), signal.SIGINT)
            for _ in range(1_000):
                pass
            return "slow"

    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with pytest.raises(KeyboardInterrupt):
            encode(Slow())
    finally:
        signal.signal(signal.SIGINT, before)


def shared(depth: int, leaf: Any) -> Any:
    """2 ** depth leaves in depth lists."""
    made = [leaf]
    for _ in range(depth):
        made = [made, made]
    return made


@pytest.mark.parametrize("leaf", [{(1, 2): "an odd key"}, "\ud800"])
def test_what_is_shared_many_times_is_not_written_out_without_end(leaf: Any) -> None:
    assert b"$truncated" in encode({"first": leaf, "rest": shared(50, leaf)})


def test_records_keep_their_fields_around_one_that_has_no_form() -> None:
    value = Record("outer", {1: Record("inner", object())})
    shown = read(encode(value))
    assert shown["value"]["1"]["name"] == "inner"
    assert shown["value"]["1"]["value"]["$type"] == "object"


def test_a_long_repr_is_not_made() -> None:
    class Broken(dict[str, Any]):
        def items(self) -> Any:
            raise RuntimeError("not now")

        def __repr__(self) -> str:
            raise AssertionError("asked for a repr of all items")

    assert read(encode({"a": "\ud800", "b": Broken(a=1)}))["b"] == {
        "$type": "test_a_long_repr_is_not_made.<locals>.Broken",
        "repr": "<test_a_long_repr_is_not_made.<locals>.Broken>",
    }


def test_secrets_keep_their_mask() -> None:
    class Secret:
        def get_secret_value(self) -> str:
            return "hunter2"

    assert b"hunter2" not in encode({"a": Secret(), "b": [Secret()], 3: Secret(), "c": 10**30})
