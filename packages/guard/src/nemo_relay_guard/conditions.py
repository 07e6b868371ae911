# SPDX-License-Identifier: Apache-2.0
"""Conditions as functions: does it hold of this value?"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Iterator
from fnmatch import translate
from functools import lru_cache
from typing import Any
from urllib.parse import urlsplit

import msgspec

from nemo_relay_guard.models import Condition
from nemo_relay_pii import compiled, matching, segments

Test = Callable[[Any], bool]
_MAX_DEPTH = 100


def condition(given: Condition, patterns: Patterns | None = None) -> Test:
    """Whether ``given`` holds of a call's arguments, request or answer: of any part that its path names.

    Args:
        given: the condition.
        patterns: those of a whole configuration, which are matched together.
    """
    parts = tuple(segments(given.path))
    if given.regex is not None and patterns is not None:
        found = patterns.add(parts, given.regex)
        return (lambda value: not found(value)) if given.negated else found
    test = _TESTS[given.test](given)
    if given.test == "exists":
        wanted = given.exists is not given.negated
        return lambda value: any(True for _ in select(value, parts)) is wanted
    if len(parts) == 1 and parts[0] not in ("*", "**"):
        holds = _of_member(parts[0], test)
    elif not parts:
        holds = test
    else:
        holds = lambda value: any(map(test, select(value, parts)))  # noqa: E731
    return (lambda value: not holds(value)) if given.negated else holds


class Patterns:
    """The regular expressions that look at one part of a value, matched in one go for as many rules as there are."""

    def __init__(self) -> None:
        self._by_place: dict[tuple[str, ...], PatternSet] = {}

    def add(self, parts: tuple[str, ...], pattern: str) -> Test:
        """The test whether ``pattern`` is found in the part that ``parts`` name."""
        return self._by_place.setdefault(parts, PatternSet(parts)).add(pattern)

    def freeze(self) -> None:
        """No more are added."""
        for one in self._by_place.values():
            one.freeze()


class PatternTest:
    """Whether one pattern of a set is found."""

    __slots__ = ("number", "of")

    def __init__(self, of: PatternSet, number: int) -> None:
        self.of = of
        self.number = number

    def __call__(self, value: Any) -> bool:
        return self.number in self.of.found(value)


class PatternSet:
    """Patterns for the same part."""

    def __init__(self, parts: tuple[str, ...]) -> None:
        self._parts = parts
        self._patterns: list[str] = []
        self._match: Callable[[str], Iterable[int]] = lambda text: ()

    def add(self, pattern: str) -> Test:
        """The test whether ``pattern`` is found."""
        if pattern not in self._patterns:
            self._patterns.append(pattern)
        return PatternTest(self, self._patterns.index(pattern))

    def freeze(self) -> None:
        """Compile them."""
        self._match = matching(self._patterns)

    def found(self, value: Any) -> frozenset[int]:
        """The numbers of those that match."""
        texts = (text_of(one) for one in select(value, self._parts))
        return frozenset(hit for text in texts if text is not None for hit in self._match(text))


def _of_member(key: str, test: Test) -> Test:
    def holds(value: Any) -> bool:
        if isinstance(value, dict):
            return key in value and test(value[key])
        return any(map(test, select(value, (key,))))

    return holds


def select(value: Any, parts: tuple[str, ...], depth: int = 0) -> Iterator[Any]:
    """The parts of ``value`` that a pointer names; ``*`` is any key or index, ``**`` any depth. JSON texts are read."""
    if not parts:
        yield value
        return
    if isinstance(value, str):
        value = _json(value)
    if depth > _MAX_DEPTH or not isinstance(value, (dict, list)):
        if parts == ("**",):
            yield value
        return
    first, rest = parts[0], parts[1:]
    if first == "**":
        yield from select(value, rest, depth + 1)
        for item in _items(value):
            if isinstance(item, (dict, list, str)) or not rest:
                yield from select(item, parts if _is_nested(item) else rest, depth + 1)
    elif first == "*":
        for item in _items(value):
            yield from select(item, rest, depth + 1)
    elif isinstance(value, dict):
        if first in value:
            yield from select(value[first], rest, depth + 1)
    elif first.isdigit() and int(first) < len(value):
        yield from select(value[int(first)], rest, depth + 1)


def _items(value: Any) -> list[Any]:
    return list(value.values()) if isinstance(value, dict) else value


def _is_nested(value: Any) -> bool:
    return isinstance(value, (dict, list)) or (isinstance(value, str) and _json(value) is not None)


def _json(text: str) -> Any:
    if len(text) < 2 or text[0] not in "{[":
        return None
    try:
        return msgspec.json.decode(text)
    except (ValueError, RecursionError):
        return None


def text_of(value: Any) -> str | None:
    """What a test of texts looks at: a text, a command line that is given as a list, a number as it is written."""
    if isinstance(value, str):
        return value
    if isinstance(value, list) and all(isinstance(one, str) for one in value):
        return " ".join(value)
    return str(value) if isinstance(value, (int, float)) and not isinstance(value, bool) else None


def globs(patterns: list[str]) -> Callable[[str], object]:
    """Whether a name matches one of ``patterns``. Case counts."""
    return re.compile("|".join(map(translate, patterns))).match


def _equals(given: Condition) -> Test:
    wanted = given.equals
    return lambda value: value == wanted and isinstance(value, bool) is isinstance(wanted, bool)


def _one_of(given: Condition) -> Test:
    wanted = given.one_of or []
    return lambda value: any(value == one and isinstance(value, bool) is isinstance(one, bool) for one in wanted)


def _glob(given: Condition) -> Test:
    matches = globs([given.glob or ""])
    return lambda value: (text := text_of(value)) is not None and matches(text) is not None


def _regex(given: Condition) -> Test:
    matches = compiled(given.regex or "").matches
    return lambda value: (text := text_of(value)) is not None and matches(text)


def _contains(given: Condition) -> Test:
    wanted = given.contains

    def holds(value: Any) -> bool:
        if isinstance(value, str):
            return isinstance(wanted, str) and wanted in value
        if isinstance(value, list) and isinstance(wanted, str):
            return wanted in value or wanted in (text_of(value) or "")
        return isinstance(value, (list, dict)) and wanted in value

    return holds


def _longer_than(given: Condition) -> Test:
    limit = given.longer_than or 0
    return lambda value: (text := text_of(value)) is not None and len(text) > limit


def _host_in(given: Condition) -> Test:
    exact = {one.lower().rstrip(".") for one in given.host_in or () if not one.startswith("*.")}
    below = tuple(one[1:].lower().rstrip(".") for one in given.host_in or () if one.startswith("*."))

    def holds(value: Any) -> bool:
        host = host_of(value) if isinstance(value, str) else None
        return host is not None and (host in exact or host.endswith(below))

    return holds if below else lambda value: isinstance(value, str) and host_of(value) in exact


@lru_cache(maxsize=1_024)
def host_of(url: str) -> str | None:
    """The host that a client would connect to, in lower case; None where ``url`` names none."""
    # Browsers read a backslash as a slash, and leave out line ends: https://evil.example\@good.example goes to evil.
    cleaned = re.sub(r"[\t\r\n]", "", url.strip()).replace("\\", "/")
    if "://" not in cleaned:
        cleaned = "//" + cleaned.lstrip("/")
    try:
        host = urlsplit(cleaned).hostname
    except ValueError:
        return None
    return host.rstrip(".").lower() if host else None


def _path_within(given: Condition) -> Test:
    folders = given.path_within or []
    return lambda value: isinstance(value, str) and _is_within(value, folders)


def _path_outside(given: Condition) -> Test:
    folders = given.path_outside or []
    return lambda value: isinstance(value, str) and not _is_within(value, folders)


def _is_within(path: str, folders: list[str]) -> bool:
    try:
        real = _real(path)
        return any(os.path.commonpath((real, _folder(folder))) == _folder(folder) for folder in folders)
    except ValueError:  # a null byte, or paths of two drives
        return False


def _real(path: str) -> str:
    return os.path.realpath(os.path.expanduser(path.removeprefix("file://")))


@lru_cache(maxsize=1_024)
def _folder(path: str) -> str:
    return _real(path)


_TESTS: dict[str, Callable[[Condition], Test]] = {
    "equals": _equals,
    "one_of": _one_of,
    "glob": _glob,
    "regex": _regex,
    "contains": _contains,
    "longer_than": _longer_than,
    "host_in": _host_in,
    "path_within": _path_within,
    "path_outside": _path_outside,
    "exists": lambda given: lambda value: True,
}
