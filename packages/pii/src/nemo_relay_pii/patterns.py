# SPDX-License-Identifier: Apache-2.0
"""Patterns that users write, matched in linear time by RE2: neither a pattern nor a text can make it take forever."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from functools import lru_cache
from typing import Any

_GROUP = re.compile(r"\$(?:\$|(\d+|[A-Za-z_]\w*)|\{(\w+)\})")


# Instructions of patterns that are matched together. A set that runs out of memory says that nothing matches; with so
# many it has room for hundreds of states, and it needs some twenty.
_MOST_TOGETHER = 20_000


class InvalidPattern(ValueError):
    """A pattern that RE2 does not take: malformed, or with look-around or back-references."""


class Pattern:
    """A compiled pattern.

    Args:
        pattern: in RE2's syntax.

    Raises:
        InvalidPattern: RE2 does not take it, or is not installed (a ValueError).
    """

    __slots__ = ("_bytes", "_text", "pattern")

    def __init__(self, pattern: str) -> None:
        self.pattern = pattern
        # RE2 works on bytes: of ASCII they are the characters, and nothing has to be counted again.
        self._bytes, self._text = _compiled(pattern, pattern.encode()), _compiled(pattern, pattern)

    @property
    def size(self) -> int:
        """How large its program is."""
        return int(self._bytes.programsize)

    def finditer(self, text: str) -> Iterator[Any]:
        """The matches in ``text``, in order and apart; their groups may be bytes."""
        if text.isascii():
            found: Iterator[Any] = self._bytes.finditer(text.encode())
            return found
        return self._text.finditer(_whole(text))  # type: ignore[no-any-return]

    def matches(self, text: str) -> bool:
        """Whether it matches somewhere in ``text``."""
        return self._bytes.search(_whole(text).encode()) is not None


@lru_cache(maxsize=1_024)
def compiled(pattern: str) -> Pattern:
    """``pattern``, compiled by RE2.

    Args:
        pattern: in RE2's syntax.

    Returns:
        The pattern, which matches in linear time.

    Raises:
        InvalidPattern: RE2 does not take it, or is not installed (a ValueError).
    """
    return Pattern(pattern)


def matching(patterns: list[str]) -> Callable[[str], list[int]]:
    """Which of many patterns match somewhere in a text, in one go.

    Args:
        patterns: in RE2's syntax.

    Returns:
        A function from a text to the positions, in ``patterns``, of those that match.

    Raises:
        InvalidPattern: RE2 does not take one of them, or is not installed (a ValueError).
    """
    each = [compiled(pattern) for pattern in patterns]
    if len(each) < 2 or sum(one.size for one in each) > _MOST_TOGETHER:
        return lambda text: [number for number, one in enumerate(each) if one.matches(text)]
    import re2

    options = re2.Options()
    options.log_errors = False
    options.max_mem = 1 << 26
    together = re2.Set.SearchSet(options)
    for pattern in patterns:
        together.Add(pattern)
    together.Compile()
    return lambda text: together.Match(_whole(text)) or []


def _compiled(pattern: str, form: str | bytes) -> Any:
    try:
        import re2
    except ImportError:
        text = f"pattern {pattern!r} needs google-re2, which is not installed: pip install google-re2"
        raise InvalidPattern(text) from None
    options = re2.Options()
    options.log_errors = False
    try:
        return re2.compile(form, options)
    except re2.error as error:
        raise InvalidPattern(f"invalid regex {pattern!r}: {_shown(error)}") from None


def _whole(text: str) -> str:
    """``text`` with a question mark for each half of a character: RE2 reads UTF-8."""
    try:
        text.encode()
        return text
    except UnicodeEncodeError:
        return text.encode("utf-8", "replace").decode()


def expanded(template: str, found: Any) -> str:
    """``template`` with ``$1``, ``${1}`` and ``${name}`` replaced by what the groups of ``found`` matched.

    Args:
        template: the text; ``$$`` in it is a dollar sign.
        found: a match, or a mapping of numbers and names of groups.

    Returns:
        The text; a group that there is not stands for nothing.
    """

    def referred(reference: re.Match[str]) -> str:
        name = reference[1] or reference[2]
        if name is None:
            return "$"
        try:
            group = found[int(name) if name.isdigit() else name] or ""
        except (IndexError, KeyError):
            return ""
        return group.decode() if isinstance(group, bytes) else str(group)

    return _GROUP.sub(referred, template) if "$" in template else template


def _shown(error: Exception) -> str:
    first = error.args[0] if error.args else error
    return first.decode("utf-8", "replace") if isinstance(first, bytes) else str(first)
