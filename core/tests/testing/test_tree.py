# SPDX-License-Identifier: Apache-2.0
"""The tree projection, on streams made by hand."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nemo_relay.tree import Tokens, build

from .stream import Stream, weather

EXAMPLES = Path(__file__).resolve().parents[3] / "../shared/data/obs-examples"


def test_a_run_becomes_one_tree() -> None:
    (agent,) = build(weather().events).roots
    assert [node.name for node in agent.walk()] == ["weather", "model", "openai", "get_weather", "get_time"]
    model, tool, clock = agent.children
    (call,) = model.children
    assert (call.model, call.tokens, call.attributes) == ("m-1", Tokens(12, 3), ("streaming",))
    assert (tool.status, tool.error, tool.tool_call_id) == ("error", "TimeoutError: no answer", "call-1")
    assert (clock.status, clock.output, clock.duration_ns) == ("ok", {"time": "12:00"}, 1_000_000)
    assert agent.input == {"question": "Paris?"}
    assert agent.total_tokens().total == 15


def test_lines_bytes_and_dicts_make_the_same_tree() -> None:
    stream = weather()
    assert build(stream.lines()) == build(stream.events)
    assert build(line.encode() for line in stream.lines()) == build(stream.events)


def test_a_torn_last_line_is_told_and_nothing_else_is_lost() -> None:
    lines = weather().lines()
    forest = build([*lines[:-1], lines[-1][:40]])
    assert forest.unreadable == [len(lines)]
    assert (forest.roots[0].status, len(forest.nodes)) == ("open", 5)
    assert forest.roots[0].duration_ns is None


@pytest.mark.parametrize(
    "line",
    ["null", "[]", "7", '"x"', "{}", '{"kind":"scope"}', '{"kind":"other","uuid":"1"}', "\x00", "[" * 9999],
)
def test_what_is_no_event_is_told_by_its_position(line: str) -> None:
    forest = build(["\n", *weather().lines(), line])
    assert forest.unreadable == [len(weather().lines()) + 2]
    assert len(forest.nodes) == 5


def test_invalid_utf8_is_told() -> None:
    assert build([b'{"kind":"mark","uuid":"1","name":"\xff"}']).unreadable == [1]


def test_an_end_without_its_start_keeps_what_it_tells() -> None:
    stream = Stream()
    stream.end("t1", "get_weather", "tool", "gone")
    (node,) = build(stream.events).roots
    assert (node.name, node.category, node.status) == ("get_weather", "tool", "ok")
    assert (node.started, node.start_ns, node.duration_ns) == (False, None, None)
    assert node.time_ns == node.end_ns


def test_an_end_may_come_before_its_start() -> None:
    stream = weather()
    assert build(reversed(stream.events)).roots[0].duration_ns == build(stream.events).roots[0].duration_ns


def test_of_two_starts_or_ends_the_first_counts() -> None:
    stream = Stream()
    stream.start("a", "first", "agent")
    stream.start("a", "second", "agent")
    stream.end("a", "first", "agent")
    stream.fail("a", "third", "agent", "root", "late")
    (node,) = build(stream.events).roots
    assert (node.name, node.status, node.duration_ns) == ("first", "ok", 2_000_000)


def test_siblings_stand_in_the_order_of_their_start() -> None:
    stream = Stream()
    stream.start("a", "agent", "agent")
    for number in range(5):
        stream.whole(f"c{number}", f"child{number}", "function", "a")
    shuffled = [stream.events[i] for i in (0, 9, 5, 6, 1, 2, 7, 8, 3, 4, 10)]
    assert [c.name for c in build(shuffled).roots[0].children] == [f"child{number}" for number in range(5)]


def test_marks_stand_with_their_parent_between_its_children() -> None:
    stream = Stream()
    stream.start("a", "agent", "agent")
    stream.whole("b", "before", "function", "a")
    stream.mark("between", "a", data=1, metadata={"k": "v"}, category="custom")
    stream.whole("c", "after", "function", "a")
    stream.mark("nowhere", "root")
    forest = build(stream.events)
    (agent,) = forest.roots
    assert [item.name for item in agent.items()] == ["before", "between", "after"]
    assert (agent.marks[0].data, agent.marks[0].metadata, agent.marks[0].category) == (
        1,
        {"k": "v"},
        "custom",
    )
    assert [mark.name for mark in forest.marks] == ["nowhere"]


def test_parents_in_a_circle_are_cut_open() -> None:
    stream = Stream()
    stream.whole("a", "a", "function", "c")
    stream.whole("b", "b", "function", "a")
    stream.whole("c", "c", "function", "b")
    stream.whole("d", "d", "function", "d")
    forest = build(stream.events)
    assert sorted(node.name for node in forest.walk()) == ["a", "b", "c", "d"]
    assert [root.name for root in forest.roots] == ["a", "d"]


def test_a_deep_tree_needs_no_deep_stack() -> None:
    stream = Stream()
    for depth in range(3000):
        stream.start(str(depth), "n", "function", str(depth - 1))
    events: list[dict[str, Any]] = [{**event, "timestamp": None} for event in stream.events]
    assert len(list(build(events).roots[0].walk())) == 3000


@pytest.mark.parametrize(
    ("metadata", "outcome", "status"),
    [
        (None, "ok", "ok"),
        ({"otel.status_code": "OK"}, "ok", "ok"),
        ({"otel.status_code": "ERROR"}, "error", "error"),
        ({"otel.status_code": "ERROR", "exception.type": "CancelledError"}, "cancelled", "cancelled"),
        (
            {"otel.status_code": "ERROR", "otel.status_description": "tool execution cancelled"},
            "cancelled",
            "cancelled",
        ),
        ({"relay.outcome": "tool_error"}, "tool_error", "error"),
        ({"relay.outcome": "interrupted"}, "interrupted", "cancelled"),
        ({"relay.outcome": "handoff"}, "handoff", "ok"),
        ({"relay.outcome": "error", "otel.status_code": "OK"}, "error", "error"),
        ("text", "ok", "ok"),
    ],
)
def test_outcomes(metadata: Any, outcome: str, status: str) -> None:
    stream = Stream()
    stream.whole("a", "a", "tool", metadata=metadata)
    (node,) = build(stream.events).roots
    assert (node.outcome, node.status) == (outcome, status)


def test_a_guardrail_that_rejects() -> None:
    stream = Stream()
    stream.whole("g", "no-rm", "guardrail", metadata=None, data={"allowed": False, "rejected": True})
    assert build(stream.events).roots[0].outcome == "rejected"


@pytest.mark.parametrize(
    ("metadata", "data", "text"),
    [
        (
            {"otel.status_description": "internal error: ValueError: x", "exception.type": "ValueError"},
            None,
            "ValueError: x",
        ),
        ({"otel.status_description": "no disk", "exception.type": "OSError"}, None, "OSError: no disk"),
        ({}, {"error": {"type": "ToolError", "message": "bad"}}, "ToolError: bad"),
        ({}, {"error": {"type": "ToolError"}}, "ToolError"),
        ({}, {"error": "ValueError('x')"}, "ValueError('x')"),
        ({"relay.outcome": "tool_error"}, {"content": "not a city", "status": "error"}, "not a city"),
        ({"error.code": "unknown_tool"}, None, "unknown_tool"),
        ({}, 7, None),
    ],
)
def test_error_texts(metadata: dict[str, Any], data: Any, text: str | None) -> None:
    stream = Stream()
    stream.whole("a", "a", "tool", metadata={"otel.status_code": "ERROR", **metadata}, data=data)
    assert build(stream.events).roots[0].error == text


@pytest.mark.parametrize(
    ("usage", "tokens"),
    [
        ({"prompt_tokens": 9, "completion_tokens": 4, "cache_read_tokens": 5}, Tokens(9, 4, 5)),
        (
            {
                "prompt_tokens": 9,
                "completion_tokens": 4,
                "prompt_tokens_details": {"cached_tokens": 5},
                "completion_tokens_details": {"reasoning_tokens": 2},
            },
            Tokens(9, 4, 5, 2),
        ),
        ({"input_tokens": 9, "output_tokens": 4, "cache_read_input_tokens": 5}, Tokens(14, 4, 5)),
        (
            {"input_tokens": 9, "output_tokens": 4, "input_token_details": {"cache_read": 5}},
            Tokens(9, 4, 5),
        ),
        ({"prompt_tokens": "9", "completion_tokens": -4}, Tokens()),
        ({"promptTokenCount": 3, "candidatesTokenCount": 2}, Tokens(3, 2)),
    ],
)
def test_token_counts_in_every_form(usage: dict[str, Any], tokens: Tokens) -> None:
    for end in ({"category_profile": {"annotated_response": {"usage": usage}}}, {"data": {"usage": usage}}):
        stream = Stream()
        stream.whole("l", "openai", "llm", **end)
        assert build(stream.events).roots[0].tokens == tokens


def test_answers_from_a_cache_do_not_count() -> None:
    usage = {"data": {"usage": {"prompt_tokens": 5, "completion_tokens": 5}}}
    stream = Stream()
    stream.start("a", "agent", "agent")
    stream.whole("l1", "openai", "llm", "a", **usage)
    stream.whole("l2", "openai", "llm", "a", metadata={"relay.outcome": "cached"}, **usage)
    stream.whole("l3", "openai", "llm", "a", metadata={"relay.cache_hit": True}, **usage)
    assert build(stream.events).roots[0].total_tokens() == Tokens(5, 5)


@pytest.mark.parametrize(
    ("start", "end", "model"),
    [
        ({"data": {"content": {"model": "asked"}}}, {}, "asked"),
        ({"category_profile": {"model_name": "called"}}, {}, "called"),
        ({"category_profile": {"model_name": "called"}}, {"data": {"model": "answered"}}, "answered"),
        ({}, {"category_profile": {"model_name": "m", "annotated_response": {"model": "a-2"}}}, "a-2"),
    ],
)
def test_the_model_is_the_one_that_answered(start: Any, end: Any, model: str) -> None:
    stream = Stream()
    stream.start("l", "openai", "llm", **start)
    stream.end("l", "openai", "llm", **end)
    assert build(stream.events).roots[0].model == model


@pytest.mark.parametrize(
    ("text", "ns"),
    [
        ("1970-01-01T00:00:01+00:00", 1_000_000_000),
        ("1970-01-01T00:00:00.5Z", 500_000_000),
        ("1970-01-01T02:00:00.000000001+02:00", 1),
        ("1969-12-31T23:59:59.999+00:00", -1_000_000),
        ("1970-13-01T00:00:00Z", None),
        ("yesterday", None),
        (12, None),
    ],
)
def test_timestamps_are_exact(text: Any, ns: int | None) -> None:
    stream = Stream()
    stream.start("a", "a", timestamp=text)
    assert build(stream.events).roots[0].start_ns == ns


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)
KEYS = ["name", "parent_uuid", "category", "timestamp", "data", "metadata", "category_profile", "attributes"]


@settings(deadline=None)
@given(
    st.lists(
        st.fixed_dictionaries(
            {"kind": st.sampled_from(["scope", "mark"]), "uuid": st.sampled_from("abc")},
            optional={key: JSON | st.sampled_from("abc") for key in KEYS}
            | {"scope_category": st.sampled_from(["start", "end"]) | JSON},
        ),
        max_size=8,
    )
)
def test_any_json_in_any_field_is_taken(events: list[dict[str, Any]]) -> None:
    forest = build(events)
    assert {node.uuid for node in forest.walk()} == {e["uuid"] for e in events if e["kind"] == "scope"}
    assert build(json.dumps(event) for event in events) == forest


def test_the_recorded_streams_of_the_published_package() -> None:
    if not EXAMPLES.exists():
        pytest.skip("the published package's example streams are not beside this checkout")
    with (EXAMPLES / "01_openai_nested" / "events.atof.jsonl").open("rb") as lines:
        forest = build(lines)
    (agent,) = forest.roots
    assert forest.unreadable == []
    assert [child.name for child in agent.children if child.category == "agent"] == ["researcher"]
    assert agent.total_tokens() == Tokens(500, 74, 40)
