# SPDX-License-Identifier: Apache-2.0
"""The filter language, `error kind:tool name:get_* >1s $>0.01 tok>5k text:"lisbon" -name:x`; search in all text."""

from __future__ import annotations

import json
import mmap
import re
import shlex
from bisect import bisect_right
from collections.abc import Callable, Iterator
from fnmatch import fnmatchcase
from math import isnan

from .table import MARK, Index

_UNITS = {"ms": 1e6, "s": 1e9, "m": 60e9}
_COMPARE = re.compile(r"(\$|tok|)([<>])([\d.]+)(ms|s|m|k|M|)")
_BLOCK = 16 << 20
_STATUSES = ("ok", "error", "cancelled", "open")
Test = Callable[[int], bool]


class FilterError(ValueError):
    """A filter that means nothing; the message says which word, and what is possible."""


def parse(text: str, index: Index) -> Test | None:
    """Make a filter of what somebody typed.

    Args:
        text: words that must all hold; ``-`` in front of one turns it round.
        index: of the file.

    Returns:
        A function that says of a row whether it is wanted; None for an empty text.

    Raises:
        FilterError: a word is not understood.
    """
    try:
        words = shlex.split(text)
    except ValueError as error:
        raise FilterError(f"{text!r}: {error}") from None
    tests = [_turned(word, index) for word in words]
    return (lambda row: all(test(row) for test in tests)) if tests else None


def _turned(word: str, index: Index) -> Test:
    if word.startswith("-") and len(word) > 1:
        inner = _test(word[1:], index)
        return lambda row: not inner(row)
    return _test(word, index)


def _test(word: str, index: Index) -> Test:
    if word in _STATUSES:
        return lambda row: index.status(row) == word and not index.flags[row] & MARK
    if match := _COMPARE.fullmatch(word):
        return _comparison(index, *match.groups())
    key, colon, value = word.partition(":")
    if not colon:
        return _glob(index, index.name, f"*{word}*")
    columns = {"kind": index.category, "name": index.name, "model": index.model, "outcome": index.outcome}
    if key in columns:
        return _glob(index, columns[key], value)
    if key == "status":
        return lambda row: index.status(row) == value
    if key == "agent":
        return lambda row: any(
            index.text(index.category[above]) == "agent" and fnmatchcase(index.text(index.name[above]), value)
            for above in index.ancestors(row)
        )
    if key == "text":
        found = set(search(index, value))
        return lambda row: row in found
    raise FilterError(
        f"{word!r}: there is kind: name: model: outcome: status: agent: text: >1s $>0.01 tok>5k {_STATUSES}"
    )


def _glob(index: Index, column: object, pattern: str) -> Test:
    wanted = pattern.lower()
    numbers = {number for number, word in enumerate(index.words) if fnmatchcase(word.lower(), wanted)}
    return lambda row: column[row] in numbers  # type: ignore[index]


def _comparison(index: Index, what: str, sign: str, number: str, unit: str) -> Test:
    try:
        limit = float(number)
    except ValueError:
        raise FilterError(f"{number!r} is no number") from None
    if what == "$":
        value: Callable[[int], float] = lambda row: 0.0 if isnan(index.cost[row]) else index.cost[row]  # noqa: E731
    elif what == "tok":
        limit *= {"k": 1e3, "M": 1e6}.get(unit, 1)
        value = lambda row: index.tokens_in[row] + index.tokens_out[row]  # noqa: E731
    else:
        limit *= _UNITS.get(unit or "s", 1e9)
        value = lambda row: index.duration(row) or 0  # noqa: E731
    return (lambda row: value(row) > limit) if sign == ">" else (lambda row: value(row) < limit)


def search(index: Index, needle: str, progress: Callable[[float], bool] | None = None) -> list[int]:
    """Find a text, whatever its case, anywhere in the events of a file; nothing is decoded.

    Args:
        index: of the file.
        needle: what to find, as it reads; it is also looked for as JSON writes it.
        progress: called with the part that was looked through; the search stops when it returns False.

    Returns:
        The rows, each once, in their order.
    """
    if not needle or not index.read_to:
        return []
    pattern, owners = _pattern(needle), sorted(_owners(index))
    places = [at for at, _ in owners]
    found: set[int] = set()
    with open(index.path, "rb") as file, mmap.mmap(file.fileno(), index.read_to, access=mmap.ACCESS_READ) as data:
        at = 0
        while at < index.read_to:
            end = data.find(b"\n", min(at + _BLOCK, index.read_to - 1))
            end = index.read_to if end < 0 else end + 1
            for match in pattern.finditer(data[at:end]):
                position = bisect_right(places, at + match.start()) - 1
                if position >= 0:
                    found.add(owners[position][1])
            at = end
            if progress is not None and not progress(at / index.read_to):
                break
    return sorted(found)


def _owners(index: Index) -> Iterator[tuple[int, int]]:
    for row in range(len(index)):
        if index.start_length[row]:
            yield index.start_at[row], row
        if index.end_length[row]:
            yield index.end_at[row], row


def _pattern(needle: str) -> re.Pattern[bytes]:
    written = {needle, json.dumps(needle)[1:-1], json.dumps(needle, ensure_ascii=False)[1:-1]}
    choices = b"|".join(re.escape(text.encode("utf-8", "surrogatepass")) for text in sorted(written))
    return re.compile(choices, re.IGNORECASE)
