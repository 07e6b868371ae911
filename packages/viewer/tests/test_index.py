# SPDX-License-Identifier: Apache-2.0
"""The index of a file: what it keeps, what is seen of it, what filters and search find, what is new in a request."""

from __future__ import annotations

import json
import tracemalloc
from pathlib import Path
from typing import Any

import pytest

from nemo_relay.tree import build
from nemo_relay_viewer.index import Index, open_index, update
from nemo_relay_viewer.index.filters import FilterError, parse, search
from nemo_relay_viewer.index.outline import Outline
from nemo_relay_viewer.index.totals import grouped, total
from nemo_relay_viewer.index.verdict import verdict
from nemo_relay_viewer.screen import keys
from nemo_relay_viewer.screen.blocks import Block, laid_out
from nemo_relay_viewer.talk import asked, predecessor, said, steps

from .streams import Event, conversation, mark, scope, span, usage, weather


def index_of(tmp_path: Path, events: list[Any], name: str = "events.jsonl") -> Index:
    path = tmp_path / name
    lines = (event if isinstance(event, str) else json.dumps(event) for event in events)
    path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    return open_index(path)


def names(index: Index, rows: Any) -> list[str]:
    return [index.text(index.name[row]) for row in rows]


def test_the_index_says_what_the_tree_says(tmp_path: Path) -> None:
    events = weather()
    index, forest = index_of(tmp_path, events), build(events)
    for uuid, node in forest.nodes.items():
        row = index.rows[uuid]
        parent = index.uuids[index.parent[row]] if index.parent[row] >= 0 else None
        assert (parent, index.status(row)) == (node.parent_uuid, node.status)
        assert (index.start[row], index.end[row]) == (node.start_ns, node.end_ns)
        assert (index.text(index.model[row]) or None) == node.model
        if node.tokens:
            assert (index.tokens_in[row], index.tokens_out[row]) == (node.tokens.input, node.tokens.output)
        assert index.start_event(row).get("data") == node.input
    assert index.first_token[index.rows["l1"]] == 50_000_000


def test_orphans_circles_and_doubles(tmp_path: Path) -> None:
    events = [
        *span(1, 2, "c", "child", "tool", "p"),
        scope("start", 0, "p", "parent", "agent"),
        scope("start", 3, "x", "x", "tool", "y"),
        scope("start", 3, "y", "y", "tool", "x"),
        scope("start", 9, "p", "again", "agent"),
        scope("end", 5, "e", "only its end", "tool", "nobody"),
    ]
    index = index_of(tmp_path, events)
    assert names(index, index.below(index.rows["p"])) == ["parent", "child"]
    seen = [row for root in index.roots for row in index.below(root)]
    assert sorted(seen) == list(range(len(index)))
    assert index.start[index.rows["p"]] == index.start[index.rows["p"]]


@pytest.mark.parametrize(
    "odd",
    [
        {"metadata": "text"},
        {"metadata": ["list"]},
        {"category_profile": 7},
        {"category_profile": {"annotated_response": "text"}},
        {"name": None},
        {"name": {"a": 1}},
        {"timestamp": 12},
        {"category": ["llm"]},
        {"parent_uuid": 5},
        {"scope_category": "end", "data": "text"},
    ],
)
def test_members_of_other_types(tmp_path: Path, odd: Event) -> None:
    event = {**scope("start", 0, "a", "n", "llm"), **odd}
    index = index_of(tmp_path, [event])
    assert (len(index), index.unreadable_count) == (1, 0)


def test_lines_that_are_no_events(tmp_path: Path) -> None:
    lines = ["", "hello", "[]", "{}", '{"kind": "scope"}', '{"kind": "other", "uuid": "1"}', "\ufffd", "[" * 5000]
    index = index_of(tmp_path, [*lines, json.dumps(scope("start", 0, "a", "n", "agent"))])
    assert (len(index), index.unreadable_count, index.unreadable) == (1, 7, [2, 3, 4, 5, 6])


def test_a_file_that_grows_is_read_from_where_it_was(tmp_path: Path) -> None:
    index = index_of(tmp_path, weather())
    rows = len(index)
    with index.path.open("a") as file:
        file.write(json.dumps(scope("start", 5, "n", "new", "tool", "a"))[:-3])
    assert (update(index), index.torn) == (0, True)
    with index.path.open("a") as file:
        file.write(json.dumps(scope("start", 5, "n", "new", "tool", "a"))[-3:] + "\n")
    assert (update(index), len(index), index.torn) == (1, rows + 1, False)
    index.path.write_text("")
    assert update(index) == -1


def test_payloads_stay_on_the_disk(tmp_path: Path) -> None:
    big = [scope("start", n, f"u{n}", "t", "tool", data="x" * 50_000) for n in range(200)]
    path = index_of(tmp_path, big).path
    tracemalloc.start()
    open_index(path)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert path.stat().st_size > 10_000_000
    assert peak < 3_000_000


def test_a_deep_file(tmp_path: Path) -> None:
    depth = 20_000
    events = [scope("start", n, f"u{n}", "t", "tool", f"u{n - 1}" if n else None) for n in range(depth)]
    index = index_of(tmp_path, events)
    outline = Outline(index)
    assert len(outline.entries) == depth
    outline.to_level(1)
    assert len(outline.entries) == 1
    assert outline.reveal(depth - 1) == depth - 1


def test_the_outline_folds_filters_and_hides(tmp_path: Path) -> None:
    index = index_of(tmp_path, weather())
    outline = Outline(index)
    assert "model:route" not in names(index, (row for row, _ in outline.entries))
    assert outline.hidden
    before = list(outline.entries)
    assert outline.toggle(0)
    assert len(outline.entries) == 1
    assert outline.toggle(0)
    assert outline.entries == before
    assert outline.keep(parse("kind:llm", index)) == 1
    assert names(index, (row for row, _ in outline.entries)) == ["weather", "model", "openai"]
    outline.keep(None)
    assert outline.entries == before
    outline.everything = True
    outline.refresh()
    assert "model:route" in names(index, (row for row, _ in outline.entries))


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("error", ["get_weather"]),
        ("kind:tool -error", ["get_time"]),
        ("name:GET_*", ["get_weather", "get_time"]),
        ("weather", ["weather", "get_weather"]),
        ("model:gpt-*", ["openai"]),
        (">350ms kind:tool", ["get_weather"]),
        ("<0.2s kind:tool", ["get_time"]),
        ("tok>1k", ["openai"]),
        ("$>0", []),
        ("agent:wea* kind:llm", ["openai"]),
        ('text:"did not ANSWER"', ["get_weather"]),
    ],
)
def test_filters(tmp_path: Path, text: str, found: list[str]) -> None:
    index = index_of(tmp_path, weather())
    wanted = parse(text, index)
    assert wanted
    assert names(index, filter(wanted, range(len(index)))) == found


@pytest.mark.parametrize("text", ["colour:red", 'text:"open', "-colour:red", ">1.2.3s"])
def test_filters_that_mean_nothing(tmp_path: Path, text: str) -> None:
    with pytest.raises(FilterError, match=r"colour|open|1\.2\.3"):
        parse(text, index_of(tmp_path, weather()))


@pytest.mark.parametrize("ascii_only", [True, False])
def test_search_finds_text_as_it_reads(tmp_path: Path, ascii_only: bool) -> None:
    events = [
        scope("start", n, f"u{n}", "t", "tool", data={"q": text})
        for n, text in enumerate(["Zürich", 'say "hi"', "a\nb"])
    ]
    path = tmp_path / "events.jsonl"
    path.write_text("".join(json.dumps(e, ensure_ascii=ascii_only) + "\n" for e in events), encoding="utf-8")
    index = open_index(path)
    assert search(index, "Zürich") == [0]
    assert search(index, 'say "hi"') == [1]
    assert search(index, "a\nb") == [2]
    assert search(index, "zzz") == []


def test_totals_are_disjoint_and_say_what_is_unknown(tmp_path: Path) -> None:
    priced = usage(0, 4)
    priced["category_profile"]["annotated_response"]["usage"] = {
        "prompt_tokens": 100,
        "uncached_input_tokens": 100,
        "cache_read_tokens": 30,
        "cache_write_tokens": 20,
        "completion_tokens": 4,
        "cost": {"total": 0.5, "currency": "USD"},
    }
    events = [
        scope("start", 0, "a", "outer", "agent"),
        *span(1, 2, "l1", "m", "llm", "a", ending=priced),
        *span(2, 3, "l2", "m", "llm", "a", ending=usage(10, 1)),
        *span(3, 4, "l3", "m", "llm", "a", metadata={"relay.cache_hit": True}, ending=usage(50, 5)),
        scope("start", 5, "t", "task", "tool", "a"),
        scope("start", 5, "b", "inner", "agent", "t"),
        *span(6, 7, "l4", "m", "llm", "b", ending=usage(7, 1)),
        *span(6, 7, "l5", "m", "llm", "b"),
    ]
    index = index_of(tmp_path, events)
    sums = total(index, index.below(0))
    assert (sums.llm, sums.fresh, sums.cached, sums.written, sums.out) == (5, 117, 30, 20, 6)
    assert (sums.cost, sums.priced, sums.unpriced, sums.uncounted) == (0.5, 1, 3, 1)
    groups = grouped(index, index.below(0))
    assert {name: group.llm for name, group in groups.agents.items()} == {"outer": 3, "outer / inner": 2}
    assert groups.tools["task"].fresh == 7


def test_verdicts(tmp_path: Path) -> None:
    failed = {"otel.status_code": "ERROR", "otel.status_description": "TimeoutError: no"}
    first = [
        scope("start", 0, "a", "agent", "agent"),
        *span(1, 2, "t1", "look", "tool", "a", data={"q": 1}, metadata=failed),
    ]
    assert "look failed: TimeoutError: no, not recovered" in str(verdict(index_of(tmp_path, first, "1"), 0))
    again = [*first, *span(3, 4, "t2", "look", "tool", "a", data={"q": 1})]
    assert ", recovered" in str(verdict(index_of(tmp_path, again, "2"), 0))
    other = [*first, *span(3, 4, "t2", "look", "tool", "a", data={"q": 2})]
    assert "not recovered" in str(verdict(index_of(tmp_path, other, "3"), 0))
    ended = [*again, scope("end", 9, "a", "agent", "agent", metadata=failed)]
    assert "not recovered" in str(verdict(index_of(tmp_path, ended, "4"), 0))
    loop = [scope("start", 0, "a", "agent", "agent")]
    for n in range(3):
        loop += span(n, n + 1, f"t{n}", "look", "tool", "a", data={"q": 1})
    assert "3 times in a row" in str(verdict(index_of(tmp_path, loop, "5"), 0))
    assert verdict(index_of(tmp_path, loop[:3], "6"), 0) is None


def test_each_request_shows_exactly_what_is_new(tmp_path: Path) -> None:
    index = index_of(tmp_path, conversation(40))
    calls = [row for row in range(len(index)) if index.text(index.category[row]) == "llm"]
    for turn, step in enumerate(steps(index, calls), 1):
        texts = [message.text for message in step.new]
        assert texts == (["Be brief.", "turn 1"] if turn == 1 else [f"answer {turn - 1}", f"turn {turn}"])
    assert predecessor(index, calls[-1]).kept == 2 * 39


def test_the_predecessor_is_of_the_same_agent(tmp_path: Path) -> None:
    def asks(*texts: str) -> Event:
        return {"content": {"messages": [{"role": "user", "content": text} for text in texts]}}

    events = [
        scope("start", 0, "a", "one", "agent"),
        scope("start", 0, "b", "two", "agent"),
        *span(1, 2, "a1", "m", "llm", "a", data=asks("x")),
        *span(2, 3, "b1", "m", "llm", "b", data=asks("x", "y", "z")),
        *span(3, 4, "title", "m", "llm", "a", data=asks("make a title")),
        *span(5, 6, "a2", "m", "llm", "a", data=asks("x", "y")),
        *span(7, 8, "a3", "m", "llm", "a", data=asks("x", "changed", "q")),
    ]
    index = index_of(tmp_path, events)
    step = predecessor(index, index.rows["a2"])
    assert step.before
    assert (index.uuids[step.before.row], step.kept) == ("a1", 1)
    step = predecessor(index, index.rows["a3"])
    assert (step.kept, step.rewritten) == (1, 1) or step.rewritten == 0


def test_references_to_earlier_payloads_are_followed(tmp_path: Path) -> None:
    messages = [{"role": "user", "content": f"m{n}"} for n in range(4)]
    first = {"content": {"messages": messages[:2], "model": "m"}}
    later = [
        {
            "content": {
                "messages": [messages[n]],
                "$history": {"$from": f"l{n - 1}#/content/messages", "keep": n, "repeated": 0},
            }
        }
        for n in (2, 3)
    ]
    lost = {"content": {"messages": [messages[3]], "$history": {"$from": "gone#/content", "keep": 1, "repeated": 0}}}
    state = {
        "messages": [{"$from": "l1#/content/messages", "keep": 1}, {"role": "user", "content": "own"}],
        "x": {"$from": "l1#/content"},
    }
    events = [
        scope("start", 0, "l1", "m", "llm", data=first),
        *(scope("start", n, f"l{n}", "m", "llm", data=data) for n, data in zip((2, 3), later, strict=True)),
        scope("start", 5, "lost", "m", "llm", data=lost),
        scope("start", 6, "state", "node", "function", data=state),
    ]
    index = index_of(tmp_path, events)
    assert [m.text for m in asked(index.payloads.event(index.rows["l3"]))] == ["m0", "m1", "m2", "m3"]
    assert index.payloads.left_out(index.rows["l3"]) == 3
    assert index.payloads.of(index.rows["lost"]) == lost
    whole = index.payloads.of(index.rows["state"])
    assert whole == {"messages": [messages[0], {"role": "user", "content": "own"}], "x": first["content"]}


def test_a_long_chain_of_references(tmp_path: Path) -> None:
    def request(n: int) -> Event:
        history = {"$from": f"l{n - 1}#/content/messages", "keep": n, "repeated": 0}
        content = {"messages": [{"role": "user", "content": str(n)}]}
        return {"content": {**content, "$history": history} if n else content}

    index = index_of(tmp_path, [scope("start", n, f"l{n}", "m", "llm", data=request(n)) for n in range(3000)])
    assert len(asked(index.payloads.event(2999))) == 3000


SHAPES: list[tuple[Any, list[tuple[str, list[tuple[str, str]]]]]] = [
    (
        {
            "messages": [
                {"role": "assistant", "tool_calls": [{"id": "1", "function": {"name": "f", "arguments": '{"a":1}'}}]}
            ]
        },
        [("assistant", [("call", '{\n  "a": 1\n}')])],
    ),
    (
        {
            "system": "S",
            "messages": [
                {
                    "role": "user",
                    "content": [{"type": "tool_result", "tool_use_id": "1", "content": "r", "is_error": True}],
                },
                {
                    "role": "assistant",
                    "content": [{"type": "thinking", "thinking": "t"}, {"type": "text", "text": "x"}],
                },
            ],
        },
        [("system", [("text", "S")]), ("tool", [("result", "r")]), ("assistant", [("reasoning", "t"), ("text", "x")])],
    ),
    (
        {
            "instructions": "I",
            "input": [
                {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "q"}]},
                {"type": "function_call", "name": "f", "call_id": "c", "arguments": "{}"},
                {"type": "function_call_output", "call_id": "c", "output": "done"},
            ],
        },
        [
            ("system", [("text", "I")]),
            ("user", [("text", "q")]),
            ("assistant", [("call", "{}")]),
            ("tool", [("result", "done")]),
        ],
    ),
    (
        {"contents": [{"role": "model", "parts": [{"text": "a"}, {"functionCall": {"name": "f", "args": {}}}]}]},
        [("assistant", [("text", "a"), ("call", "{}")])],
    ),
    ([["user", "hello"]], [("user", [("text", "hello")])]),
    ("just text", []),
    (None, []),
    ({"messages": 7}, []),
    ({"messages": [7, None, "x", {"role": 5, "content": {"type": "?"}}]}, None),
]


@pytest.mark.parametrize(("request_", "expected"), SHAPES)
def test_messages_of_every_provider(request_: Any, expected: Any) -> None:
    found = asked({"data": {"content": request_}})
    if expected is not None:
        assert [(m.role, [(p.kind, p.text) for p in m.parts]) for m in found] == expected


@pytest.mark.parametrize(
    "data",
    [
        "hello",
        {"content": "hello"},
        {"choices": [{"message": {"role": "assistant", "content": "hello"}}]},
        {"candidates": [{"content": {"parts": [{"text": "hello"}]}}]},
        {"output": [{"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "hello"}]}]},
        {"output": {"message": {"role": "assistant", "content": [{"text": "hello"}]}}},
        {"message": {"role": "assistant", "content": "hello"}},
    ],
)
def test_answers_of_every_provider(data: Any) -> None:
    assert [message.text for message in said({"data": data})] == ["hello"]


def test_blocks_wrap_fold_and_keep_their_indent() -> None:
    block = Block("head", "\n".join(["    one two three four"] * 20), rail="| ")
    shown = [line.plain for line, _ in laid_out([block], 16)]
    assert max(map(len, shown[:-1])) <= 16
    assert shown[1:3] == ["|     one two", "|     three four"]
    assert shown[-1] == "| 8 lines more (space opens)"
    block.turn()
    assert len(laid_out([block], 16)) > 40
    block.turn()
    assert len(laid_out([block], 16)) == 1


def test_no_key_stands_twice() -> None:
    assert keys.doubles(keys.MOVING, keys.RUN) == []
    assert keys.doubles(keys.MOVING, keys.RUNS) == []


def test_marks_are_rows(tmp_path: Path) -> None:
    index = index_of(tmp_path, [scope("start", 0, "a", "n", "agent"), mark(1, "note", "a", {"x": 1})])
    assert names(index, index.below(0)) == ["n", "note"]
    assert index.start_event(1)["data"] == {"x": 1}
