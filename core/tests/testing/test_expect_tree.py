# SPDX-License-Identifier: Apache-2.0
"""The tree matcher: what it accepts, what it refuses, and what it says."""

from __future__ import annotations

import textwrap

import pytest

from nemo_relay.testing import SpecError, expect_tree

from .stream import Stream, weather

WEATHER = """
    agent:weather {ok}
      function:model
        llm:openai {ok, usage, model=m-1, streaming}
      ~ tool:get_time {ok}
      ~ tool:get_weather {error, tool_call_id=call-1}
"""


def fan_out(names: str) -> Stream:
    stream = Stream()
    stream.start("a", "agent", "agent")
    for number, name in enumerate(names):
        stream.whole(f"c{number}", name, "tool", "a")
    stream.end("a", "agent", "agent")
    return stream


def refusal(stream: Stream, spec: str) -> str:
    with pytest.raises(AssertionError) as caught:
        expect_tree(stream.events, spec)
    return str(caught.value)


def test_the_whole_tree() -> None:
    expect_tree(weather().events, WEATHER)
    expect_tree(weather().lines(), WEATHER)


@pytest.mark.parametrize(
    "wrong",
    [
        WEATHER.replace("agent:weather", "agent:other"),
        WEATHER.replace("agent:weather {ok}", "agent:weather {error}"),
        WEATHER.replace("llm:openai", "tool:openai"),
        WEATHER.replace("model=m-1", "model=m-2"),
        WEATHER.replace("streaming", "remote"),
        WEATHER.replace("{ok, usage", "{ok, error"),
        WEATHER.replace("      ~ tool:get_time {ok}\n", ""),
        WEATHER + "      tool:another",
        WEATHER + "          llm:below",
        WEATHER + "    agent:second",
        WEATHER.replace("~ ", ""),  # in this order they did not start
        WEATHER.replace("{ok, usage", "{status=cancelled, usage"),
    ],
)
def test_each_difference_is_found(wrong: str) -> None:
    assert "the events make another tree" in refusal(weather(), wrong)


def test_ordered_siblings_come_in_order() -> None:
    spec = "agent:agent\n  tool:a\n  tool:b\n  tool:c"
    expect_tree(fan_out("abc").events, spec)
    refusal(fan_out("acb"), spec)


def test_unordered_siblings_stay_between_their_neighbours() -> None:
    spec = "agent:agent\n  tool:first\n  ~ tool:x\n  ~ tool:y\n  tool:last"
    names = {"f": "first", "l": "last"}
    for order, fits in [("fxyl", True), ("fyxl", True), ("xfyl", False), ("fxly", False), ("fxl", False)]:
        stream = fan_out(order)
        for event in stream.events:
            event["name"] = names.get(event["name"], event["name"])
        if fits:
            expect_tree(stream.events, spec)
        else:
            refusal(stream, spec)


def test_unordered_siblings_are_assigned_and_not_grabbed() -> None:
    # `tool:*` must leave the only `a` to the line that can take nothing else.
    expect_tree(fan_out("ab").events, "agent:agent\n  ~ tool:*\n  ~ tool:a")
    refusal(fan_out("bb"), "agent:agent\n  ~ tool:*\n  ~ tool:a")


def test_repetition() -> None:
    expect_tree(fan_out("aaab").events, "agent:agent\n  ~ tool:a {ok} x3\n  ~ tool:b")
    refusal(fan_out("aab"), "agent:agent\n  ~ tool:a {ok} x3\n  ~ tool:b")
    refusal(fan_out("aaaab"), "agent:agent\n  ~ tool:a {ok} x3\n  ~ tool:b")


def test_further_siblings_only_where_allowed() -> None:
    expect_tree(fan_out("abcd").events, "agent:agent\n  tool:b\n  ...\n  tool:d")
    expect_tree(fan_out("abcd").events, "agent:agent\n  ...\n  ~ tool:d\n  ~ tool:b")
    expect_tree(fan_out("abcd").events, "agent:agent\n  ...")
    refusal(fan_out("abcd"), "agent:agent\n  ...\n  tool:d\n  tool:b")
    refusal(fan_out("abcd"), "agent:agent")


def test_a_line_without_children_means_none() -> None:
    refusal(weather(), "agent:weather\n  ...\n  function:model")
    expect_tree(weather().events, "agent:weather\n  ...\n  function:model\n    ...")


def test_marks_count_where_they_are_named() -> None:
    spec = "agent:weather\n  ...\n  function:model\n    llm:openai\n      <llm.first_token> {ttft_ms=1.5}"
    expect_tree(weather().events, spec)
    refusal(weather(), spec.replace("1.5", "2.5"))
    refusal(weather(), spec.replace("first_token", "last_token"))
    refusal(weather(), spec + "\n      <llm.first_token>")
    expect_tree(weather().events, WEATHER)  # names none, so that none matters


def test_the_place_of_a_mark_among_its_siblings() -> None:
    stream = fan_out("ab")
    stream.mark("done", "a")
    expect_tree(stream.events, "agent:agent\n  tool:a\n  tool:b\n  <done>")
    refusal(stream, "agent:agent\n  tool:a\n  <done>\n  tool:b")


def test_names_are_taken_literally_but_for_the_star() -> None:
    stream = Stream()
    stream.whole("a", "ChannelWrite<x, [y]>", "function")
    expect_tree(stream.events, "function:ChannelWrite<x, [y]>")
    expect_tree(stream.events, "*:ChannelWrite*")
    refusal(stream, "function:ChannelWrite<x, .*>")


def test_facts_of_the_metadata() -> None:
    stream = Stream()
    stream.whole("a", "n", "function", metadata={"relay.kind": "node", "step": 2, "deep": {"x": 1}, "off": False})
    expect_tree(stream.events, 'function:n {kind=node, step=2, deep={"x": 1}}'.replace('{"x": 1}', "*"))
    refusal(stream, "function:n {off}")
    refusal(stream, "function:n {missing=*}")


def test_an_empty_stream_has_no_tree() -> None:
    assert "- agent:weather {ok}" in refusal(Stream(), WEATHER)
    expect_tree([], "...")


def test_the_message_shows_both_trees() -> None:
    spec = """
        agent:weather {ok}
          function:model
            llm:openai {error}
          ~ tool:get_weather {error}
          ~ tool:get_news {ok}
    """
    expected = """\
        the events make another tree (- expected, + found):
          agent:weather {ok}
            function:model
        -     llm:openai {error}
        +     llm:openai {ok}
            tool:get_weather {error}
        +   tool:get_time {ok}
        -   tool:get_news {ok}
    """
    got = [line.rstrip() for line in refusal(weather(), spec).splitlines()]
    want = textwrap.dedent(expected).rstrip().splitlines()
    assert sorted(got) == sorted(want)
    assert got[:6] == want[:6]


def test_the_message_shows_a_wrong_order() -> None:
    got = refusal(fan_out("ba"), "agent:agent\n  tool:a\n  tool:b")
    assert sum(line.startswith("-") for line in got.splitlines()) == 1
    assert sum(line.startswith("+") for line in got.splitlines()) == 1


def test_the_message_names_the_error() -> None:
    assert "+   tool:get_weather {error}  TimeoutError: no answer" in refusal(
        weather(), "agent:weather\n  ...\n  tool:get_weather {ok}"
    )


@pytest.mark.parametrize(
    ("spec", "problem"),
    [
        ("", "no line"),
        ("agent", "category:name"),
        ("agent:", "category:name"),
        ("agent:a\n      tool:b\n   tool:c", "indented less"),
    ],
)
def test_a_text_that_cannot_be_understood(spec: str, problem: str) -> None:
    with pytest.raises(SpecError, match=problem):
        expect_tree(weather().events, spec)


def test_comments_and_blank_lines() -> None:
    expect_tree(fan_out("a").events, "\n# one tool\nagent:agent\n\n  # this one\n  tool:a\n")
