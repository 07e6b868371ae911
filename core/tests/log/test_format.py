# SPDX-License-Identifier: Apache-2.0
"""The human form can be read back, whatever was logged; so nothing in it can be forged."""

from __future__ import annotations

import json
import re
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from nemo_relay._runtime.log.format import human, jsonl
from nemo_relay._runtime.log.record import INFO, Record

ROOT = "01a2032d-0000-7000-8000-000000000001"
NS = 1_732_277_665_727_999_999


def record(message: str = "", *, event: str = "", target: str = "t", **fields: Any) -> Record:
    return Record(NS, INFO, target, event, fields, message, ROOT)


def test_the_parts_come_in_order() -> None:
    line = human(record("hello", event="custom", target="nemo_relay.python.t", b="x y", a=1, n=None))
    assert line == (
        '2024-11-22T12:14:25.727Z INFO root=01a2032d target=nemo_relay.python.t event=custom a=1 b="x y" n=null hello'
    )


def test_line_breaks_do_not_begin_a_record() -> None:
    forged = "done\n2026-11-22T12:14:25.727Z ERROR root=01a2032d target=nemo_relay.runtime it broke"
    for text in (human(record(forged)), human(record("m", value=forged)), human(record("m", target=forged))):
        assert len(text.splitlines()) == 1
    assert human(record("a\u2028b\x1b[31mc")).endswith(r" a\u2028b\u001b[31mc")


def test_a_message_is_not_taken_for_a_field() -> None:
    assert human(record("user=root logged in")).endswith(' target=t "user=root logged in"')
    assert human(record("logged in: user=root")).endswith(" target=t logged in: user=root")


def test_jsonl_has_its_keys_sorted_and_keeps_types() -> None:
    line = jsonl(record("hello\nworld", event="e", n=None, l=[1, {"a": 2}], f=1.5))
    assert list(json.loads(line)) == ["event", "fields", "level", "message", "root_relay_id", "target", "timestamp"]
    assert json.loads(line) == {
        "event": "e",
        "fields": {"n": None, "l": [1, {"a": 2}], "f": 1.5},
        "level": "info",
        "message": "hello\nworld",
        "root_relay_id": ROOT,
        "target": "t",
        "timestamp": "2024-11-22T12:14:25.727Z",
    }
    assert "\n" not in line


def read(line: str) -> tuple[dict[str, Any], str]:
    """The fields (target and event among them) and the rest of a line of the human form."""
    rest = line.split(" ", 3)[3]
    fields: dict[str, Any] = {}
    while rest:
        name, after = word(rest, "=")
        if name is None or not after.startswith("="):
            return fields, rest
        value, rest = word(after[1:], " ")
        fields[str(name)] = value
        rest = rest.removeprefix(" ")
    return fields, ""


def refuse(name: str) -> None:
    raise ValueError(f"{name} is Python's, not JSON's")


STRICT = json.JSONDecoder(parse_constant=refuse)


def word(text: str, end: str) -> tuple[Any, str]:
    """A JSON value or a bare text at the beginning of ``text``, and what follows."""
    try:
        value, at = STRICT.raw_decode(text)
        if at == len(text) or text[at] == end:
            return value, text[at:]
    except ValueError:
        pass
    bare = re.match(r"[^\s=\"]+", text)
    return (bare[0], text[bare.end() :]) if bare else (None, text)


scalars = st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(max_size=12)
values = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=4), inner, max_size=2)
)
names = st.text(max_size=6).filter(lambda name: name not in ("target", "event"))


@given(st.dictionaries(names, values, max_size=3), st.text(max_size=10), st.text(max_size=10))
def test_fields_can_be_read_back(fields: dict[str, Any], target: str, event: str) -> None:
    line = human(Record(NS, INFO, target, event, fields, "the end", ROOT))
    assert len(line.splitlines()) == 1
    found, message = read(line)
    named = {"event": event} if event else {}
    # A number that stands for itself as a name is read as a number; its text is what was written.
    assert found == {"target": target, **named, **fields}
    assert message == "the end"
