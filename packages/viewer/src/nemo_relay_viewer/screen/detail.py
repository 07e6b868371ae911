# SPDX-License-Identifier: Apache-2.0
"""What is told about one row, tab by tab."""

from __future__ import annotations

from collections.abc import Callable
from itertools import islice

from nemo_relay_projections import facts

from .. import wording
from ..index import Index
from ..index.table import CACHED, MARK
from ..index.totals import total
from ..index.verdict import failure_text
from ..talk import Message, Step, asked, difference, offered, predecessor, said, steps
from ..talk.messages import pretty, readable
from ..talk.newness import agent_of, calls_of
from .blocks import Block
from .rowtext import NO_PRICE, money

TABS = {
    "talk": "1 Talk",
    "request": "2 Request",
    "response": "3 Response",
    "diff": "4 Diff",
    "marks": "5 Marks",
    "raw": "6 Raw",
}
_ROLES = {"system": "magenta", "user": "green", "assistant": "cyan", "tool": "yellow"}
_CALLS = 500  # of a conversation


def details(index: Index, row: int, tab: str) -> list[Block]:
    """The blocks of a tab."""
    makers: dict[str, Callable[[Index, int], list[Block]]] = {
        "talk": _talk,
        "request": _request,
        "response": _response,
        "diff": _diff,
        "marks": _marks,
        "raw": _raw,
        "conversation": conversation,
    }
    return [_summary(index, row, tab), *makers[tab](index, row)]


def _summary(index: Index, row: int, tab: str) -> Block:
    parts = [wording.duration(index.duration(row)), index.text(index.outcome[row])]
    if index.first_token[row] >= 0:
        parts.insert(1, f"first token {wording.duration(index.first_token[row])}")
    if index.text(index.category[row]) == "llm":
        parts.append(_tokens(index, row))
    elif index.children.get(row) and len(index) < 200_000:
        sums = total(index, islice(index.below(row), 200_000))
        if sums.llm:
            cost = money(sums.cost) if sums.priced else NO_PRICE
            parts.append(f"{sums.llm} llm, {sums.tokens_in:,} in, {sums.out:,} out, {cost}")
    tabs = "  ".join(f"[{text}]" if name == tab else text for name, text in TABS.items())
    name = index.text(index.name[row])
    model = index.text(index.model[row])
    head = f"{index.text(index.category[row]) or 'mark'} {name}" + (f" · {model}" if model and model != name else "")
    return Block(head, " · ".join(part for part in parts if part) + "\n" + tabs, "bold", state="open")


def _tokens(index: Index, row: int) -> str:
    held = f" ({index.cached[row]:,} cached)" if index.cached[row] else ""
    written = f" ({index.written[row]:,} written to the cache)" if index.written[row] else ""
    cost = money(index.cost[row]) or ("cached by us" if index.flags[row] & CACHED else f"{NO_PRICE} no price")
    return f"{index.tokens_in[row]:,} in{held}{written}, {index.tokens_out[row]:,} out · {cost}"


def _talk(index: Index, row: int) -> list[Block]:
    category = index.text(index.category[row])
    if category == "llm":
        return [*_new(predecessor(index, row)), *_answer(index, row), *_error(index, row)]
    if category == "agent":
        return [*_input(index, row), *_output(index, row), *_error(index, row)]
    return [*_input(index, row), *_error(index, row), *_output(index, row)]


def _new(step: Step) -> list[Block]:
    blocks: list[Block] = []
    if step.kept:
        earlier = step.request.messages[: step.kept]
        said_by = (
            f"; {step.request.reconstructed} of them stand in earlier events only" if step.request.reconstructed else ""
        )
        head = f"= {step.kept} earlier messages, seen in the previous request{said_by}  (space opens)"
        blocks.append(Block(head, "\n".join(_line(message) for message in earlier), "bright_black", "┊ ", "closed"))
    if step.rewritten:
        blocks.append(
            Block(
                f"! history rewritten: {step.rewritten} messages of the previous request are gone", style="bold yellow"
            )
        )
    for names, word in ((step.tools_added, "added"), (step.tools_removed, "removed")):
        if names and step.before is not None:
            blocks.append(Block(f"! tools {word} or changed: {', '.join(names)}", style="bold yellow"))
    for message in step.new:
        blocks += _message(message, "new" if step.before is not None else "")
    return blocks


def _line(message: Message) -> str:
    texts = " ".join(f"{part.name}({part.text})" if part.kind == "call" else part.text for part in message.parts)
    return f"{message.role}: {' '.join(texts.split())}"


def _message(message: Message, note: str = "") -> list[Block]:
    style = _ROLES.get(message.role, "blue")
    blocks = []
    for number, part in enumerate(message.parts):
        head = message.role if number == 0 and part.kind in ("text", "image", "other") else ""
        if part.kind == "call":
            head = f"assistant calls {part.name}"
        elif part.kind == "result":
            head = f"tool {part.name or part.id}" + (" failed" if part.failed else "")
        elif part.kind == "reasoning":
            head = f"reasoning, {len(part.text):,} characters"
        note_here = f"  {note}" if note and number == 0 else ""
        state = "closed" if part.kind == "reasoning" else "short"
        blocks.append(Block(head + note_here, readable(part.text), "red" if part.failed else style, "▌ ", state))
    return blocks or [Block(f"{message.role} (empty)  {note}".rstrip(), style=style, rail="▌ ")]


def _answer(index: Index, row: int) -> list[Block]:
    return [block for message in said(index.end_event(row)) for block in _message(message)]


def _input(index: Index, row: int) -> list[Block]:
    data = index.payloads.of(row)
    if data is None:
        return []
    messages = asked({"data": data}) if index.text(index.category[row]) == "agent" else []
    return [block for message in messages for block in _message(message)] or [_value("input", data)]


def _output(index: Index, row: int) -> list[Block]:
    data = index.payloads.of_end(row)
    return [] if data is None or index.flags[row] & MARK else [_value("output", data)]


def _value(head: str, data: object) -> Block:
    return Block(head, readable(data), "blue", "▌ ")


def _error(index: Index, row: int) -> list[Block]:
    error = failure_text(index, row)
    if not error:
        return []
    meta = facts.mapping(index.end_event(row).get("metadata"))
    trace = meta.get("exception.stacktrace")
    body = f"{error}\n{trace}" if isinstance(trace, str) else error
    return [Block("error", body, "bold red", "▌ ", "open")]


def _request(index: Index, row: int) -> list[Block]:
    event = index.payloads.event(row)
    if index.text(index.category[row]) != "llm":
        return [_value("input", event.get("data"))]
    tools = offered(event)
    blocks = [
        Block(
            f"{len(tools)} tools: {', '.join(name for name, _ in tools)}",
            "\n".join(text for _, text in tools),
            "blue",
            "▌ ",
            "closed",
        )
    ]
    step = predecessor(index, row)
    if step.request.reconstructed:
        held = len(step.request.messages) - step.request.reconstructed
        note = f"the event holds {held} of {len(step.request.messages)} messages, the others stand in earlier ones"
        blocks.append(Block(note, style="bold yellow", rail="┊ "))
    blocks = blocks if tools else blocks[1:]
    return blocks + [block for message in step.request.messages for block in _message(message)] or [
        _value("input", event.get("data"))
    ]


def _response(index: Index, row: int) -> list[Block]:
    event = index.end_event(row)
    answer = _answer(index, row) if index.text(index.category[row]) == "llm" else []
    usage = facts.usage(event)
    blocks = (
        [*answer, *_error(index, row)] or _output(index, row) or [Block("no end event in the file", style="yellow")]
    )
    return blocks + ([_value("usage", dict(usage))] if usage else [])


def _diff(index: Index, row: int) -> list[Block]:
    if index.text(index.category[row]) != "llm":
        return [Block("a difference is shown for model calls", style="bright_black")]
    step = predecessor(index, row)
    if step.before is None:
        return [Block("the first request of this agent", style="bright_black")]
    lines = difference(step)
    return (
        [Block(rail=" ", body="\n".join(lines), state="open")]
        if lines
        else [Block("no difference", style="bright_black")]
    )


def _marks(index: Index, row: int) -> list[Block]:
    blocks = []
    for child in index.children.get(row, ()):
        if index.flags[child] & MARK:
            data = index.start_event(child).get("data")
            after = wording.duration(max(0, index.start[child] - index.time(row)))
            blocks.append(
                Block(f"{after:>9}  {index.text(index.name[child])}", "" if data is None else pretty(data), "blue")
            )
    return blocks or [Block("no marks", style="bright_black")]


def _raw(index: Index, row: int) -> list[Block]:
    events = (("start", index.start_event(row)), ("end", index.end_event(row)))
    return [Block(head, pretty(event), "blue", state="open") for head, event in events if event]


def conversation(index: Index, row: int) -> list[Block]:
    """The whole run of an agent as a conversation: each message once, the answers where they came."""
    agent = row if index.text(index.category[row]) == "agent" else agent_of(index, row)
    blocks: list[Block] = []
    calls = calls_of(index, agent)
    for step in steps(index, calls[:_CALLS]):
        fresh = [message for message in step.new if message.role != "assistant"] if step.before else step.new
        blocks += [block for message in fresh for block in _message(message)]
        blocks += [*_answer(index, step.request.row), *_error(index, step.request.row)]
    if len(calls) > _CALLS:
        blocks.append(Block(f"{len(calls) - _CALLS:,} calls more", style="yellow"))
    return blocks or [Block("no model calls in this agent", style="bright_black")]
