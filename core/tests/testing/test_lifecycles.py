# SPDX-License-Identifier: Apache-2.0
"""The invariants of every stream."""

from __future__ import annotations

import pytest

from nemo_relay.testing import check_lifecycles

from .stream import Stream, weather


def breaches(stream: Stream) -> str:
    with pytest.raises(AssertionError) as caught:
        check_lifecycles(stream.events)
    return str(caught.value)


def test_a_sound_stream() -> None:
    check_lifecycles(weather().events)
    check_lifecycles(weather().lines())


def test_a_start_without_end_and_an_end_without_start() -> None:
    stream = weather()
    stream.start("t9", "stuck", "tool", "agent-1")
    stream.end("t8", "ghost", "tool", "agent-1")
    text = breaches(stream)
    assert "tool:stuck (t9) has 1 start and no ends" in text
    assert "tool:ghost (t8) has no starts and 1 end" in text


def test_a_second_end() -> None:
    stream = weather()
    stream.end("t2", "get_time", "tool", "agent-1")
    assert "tool:get_time (t2) has 1 start and 2 ends" in breaches(stream)


def test_a_dangling_parent_of_a_scope_or_mark() -> None:
    stream = weather()
    stream.whole("t9", "lost", "tool", "nobody")
    stream.mark("lost", "nobody-else")
    text = breaches(stream)
    assert "tool:lost (t9) hangs on nobody, which never started" in text
    assert "mark:lost" in text
    assert "hangs on nobody-else" in text
    with pytest.raises(AssertionError):
        check_lifecycles(stream.events, outside=["nobody"])
    check_lifecycles(stream.events, outside=["nobody", "nobody-else"])


def test_the_implicit_root_needs_no_start() -> None:
    stream = Stream()
    stream.whole("f", "top", "function", "implicit", propagation_root_uuid="implicit")
    for event in stream.events:
        event["propagation_root_uuid"] = "implicit"
    check_lifecycles(stream.events)


def test_an_end_before_its_start() -> None:
    stream = weather()
    stream.events[-1]["timestamp"] = "2025-12-31T23:59:59.999999999+00:00"
    assert "agent:weather (agent-1) ends 1 ns before it starts" in breaches(stream)


def test_a_timestamp_that_is_none() -> None:
    stream = weather()
    stream.events[3]["timestamp"] = "noon"
    assert "has no timestamp: 'noon'" in breaches(stream)


def test_a_torn_line() -> None:
    with pytest.raises(AssertionError, match="event 12 is no event"):
        check_lifecycles([*weather().lines(), '{"kind": "sc'])
