# SPDX-License-Identifier: Apache-2.0
"""Every key of the screens, once: what it does, and where. The help shows this table and a test looks for doubles."""

from __future__ import annotations

from typing import NamedTuple

from textual.binding import Binding, BindingType


class Key(NamedTuple):
    """A key (textual's names, several with commas), its action, and what the help says."""

    keys: str
    action: str
    text: str
    shown: str = ""


LEVEL = "z"  # the screen reads it, and the key after it
MOVING = (
    Key("j,down", "move(1)", "down", "j ↓"),
    Key("k,up", "move(-1)", "up", "k ↑"),
    Key("ctrl+d", "page(0.5)", "half a page down", "^d"),
    Key("ctrl+u", "page(-0.5)", "half a page up", "^u"),
    Key("pagedown", "page(1)", "a page down", "PgDn"),
    Key("pageup", "page(-1)", "a page up", "PgUp"),
    Key("g,home", "edge(0)", "to the top", "g"),
    Key("G", "edge(1)", "to the end", "G"),
)
RUN = (
    Key("l,right", "unfold", "open; on an open row its first child", "l →"),
    Key("h,left", "fold", "close; on a closed row to its parent", "h ←"),
    Key("space", "turn", "open or close, in the details this block", "space"),
    Key(LEVEL, "", "z1…z9 to a level, zR all open, zM all closed", "z"),
    Key("enter", "into", "into the details", "enter"),
    Key("escape,q", "out", "back; out of a file", "esc q"),
    Key("tab", "other_pane", "the other pane", "tab"),
    Key("1", "tab('talk')", "details: the conversation, arguments and results", "1"),
    Key("2", "tab('request')", "details: the request", "2"),
    Key("3", "tab('response')", "details: the response", "3"),
    Key("4,d", "tab('diff')", "details: what changed since the previous request", "4 d"),
    Key("5", "tab('marks')", "details: the marks below", "5"),
    Key("6,r", "tab('raw')", "details: the events as they are in the file", "6 r"),
    Key("slash", "search", "search; enter looks through all text", "/"),
    Key("n", "found(1)", "next found", "n"),
    Key("N", "found(-1)", "previous found", "N"),
    Key("f", "filter", "filter: error kind:tool name:x* model:x >1s $>0.01 tok>5k text:x -word", "f"),
    Key("F", "filter_off", "filter off and on", "F"),
    Key("e", "error(1)", "next error", "e"),
    Key("E", "error(-1)", "previous error", "E"),
    Key("w", "why", "to what the verdict is about", "w"),
    Key("s", "slowest", "the next of the ten slowest", "s"),
    Key("right_square_bracket", "sibling(1)", "next model call of this agent, next call of this tool", "]"),
    Key("left_square_bracket", "sibling(-1)", "the previous one", "["),
    Key("c", "talk", "the whole run of this agent as a conversation", "c"),
    Key("dollar_sign", "cost", "tokens and cost by agent, model and tool", "$"),
    Key("full_stop", "everything", "framework steps shown and hidden", "."),
    Key("end,ctrl+e", "follow", "to the end of the file, and stay there", "End"),
    Key("y", "copy('text')", "copy the details", "y"),
    Key("Y", "copy('json')", "copy the events", "Y"),
    Key("u", "copy('uuid')", "copy the uuid", "u"),
    Key("less_than_sign", "divide(-5)", "the divider to the left", "<"),
    Key("greater_than_sign", "divide(5)", "the divider to the right", ">"),
    Key("L", "runs", "the list of runs", "L"),
    Key("question_mark", "help", "this help", "?"),
)
RUNS = (
    Key("enter,l,right", "open", "open the run", "enter"),
    Key("slash", "search", "show only runs with this text", "/"),
    Key("o", "order", "newest, longest, dearest first", "o"),
    Key("escape,q", "out", "out", "esc q"),
    Key("question_mark", "help", "this help", "?"),
)


def bindings(*tables: tuple[Key, ...]) -> list[BindingType]:
    """The tables as textual wants them."""
    return [Binding(key.keys, key.action, key.text, show=False) for table in tables for key in table if key.action]


def doubles(*tables: tuple[Key, ...]) -> list[str]:
    """Keys that stand twice."""
    names = [name for table in tables for key in table for name in key.keys.split(",")]
    return sorted({name for name in names if names.count(name) > 1})
