# SPDX-License-Identifier: Apache-2.0
"""What becomes of a text: the rewriting that a profile's action, matcher and options make together."""

from __future__ import annotations

import hashlib
import hmac
from collections import Counter
from collections.abc import Callable

from nemo_relay_pii.finding import Find, Match
from nemo_relay_pii.patterns import expanded

Rewrite = Callable[[str, str], str]  # (text, name of its key) -> text; the very text where nothing changes
Show = Callable[[str, Match], str]  # (what was matched, the match) -> what stands in its place
REDACTED = "[REDACTED]"
_DIGITS = "0123456789"
_LETTERS = "abcdefghijklmnopqrstuvwxyz"


def matches(find: Find, show: Show, counts: Counter[str]) -> Rewrite:
    """Replace what ``find`` finds, and count it."""

    def rewrite(text: str, context: str) -> str:
        found = find(text, context)
        if not found:
            return text
        parts: list[str] = []
        done = 0
        for one in found:
            parts += (text[done : one.start], show(text[one.start : one.end], one))
            counts[one.name] += 1
            done = one.end
        return "".join((*parts, text[done:]))

    return rewrite


def whole(show: Show, counts: Counter[str]) -> Rewrite:
    """Replace every text as a whole."""

    def rewrite(text: str, context: str) -> str:
        shown = show(text, Match(0, len(text), "text"))
        if shown != text:
            counts["text"] += 1
        return shown

    return rewrite


def replaced(template: str) -> Show:
    """``template``, with ``{name}`` standing for the detector's name and ``$1`` for a pattern's group."""
    plain = "$" not in template and "{name}" not in template

    def show(text: str, match: Match) -> str:
        if plain:
            return template
        groups = match.groups if match.groups is not None else {0: text}
        return expanded(template.replace("{name}", match.name), groups)

    return show


def masked(char: str, prefix: int, suffix: int) -> Show:
    """All but ``prefix`` and ``suffix`` characters as ``char``; what is no longer than both stays. Without the two,
    each detector masks its kind in its own way.
    """

    def show(text: str, match: Match) -> str:
        if match.mask is not None and not (prefix or suffix):
            return match.mask(text, char)
        hidden = len(text) - prefix - suffix
        return text if hidden <= 0 else text[:prefix] + char * hidden + text[len(text) - suffix :]

    return show


def hashed(key: bytes | None) -> Show:
    """SHA-256 in hex; with a key HMAC-SHA-256, which nobody without it can look up in a dictionary."""

    def show(text: str, match: Match) -> str:
        return hashlib.sha256(_bytes(text)).hexdigest() if key is None else _keyed(key, text).hex()

    return show


def pseudonym(key: bytes, style: str) -> Show:
    """The same name for the same value, in every event and process that has the key. ``token``: ``<email:1f0c9a2b>``;
    ``shape``: letters for letters, digits for digits, separators kept.
    """

    def token(text: str, match: Match) -> str:
        return f"<{match.name}:{_keyed(key, text).hex()[:12]}>"

    def shape(text: str, match: Match) -> str:
        return "".join(map(_like, text, _stream(key, text)))

    return shape if style == "shape" else token


def _keyed(key: bytes, text: str) -> bytes:
    return hmac.digest(key, _bytes(text), "sha256")


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")


def _stream(key: bytes, text: str) -> bytes:
    blocks = [_keyed(key, f"{block}:{text}") for block in range(len(text) // 32 + 1)]
    return b"".join(blocks)


def _like(one: str, random: int) -> str:
    if one.isdigit():
        return _DIGITS[random % 10]
    if not one.isalpha():
        return one
    letter = _LETTERS[random % 26]
    return letter.upper() if one.isupper() else letter
