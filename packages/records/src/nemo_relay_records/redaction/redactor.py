# SPDX-License-Identifier: Apache-2.0
"""The redactor: a line of an event, a value or a text, without its secrets.

A line is looked at once, by the payloads that it was made of where the caller has them: metadata repeats, and the end
of a span says again what its start has said. Names of keys repeat, so those that were found harmless are remembered;
texts are asked a few quick questions. Only a line with a candidate is taken apart. Nothing here raises, and nothing
changes an object.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import Any

from nemo_relay_records.encoding import NULL, decode, encode
from nemo_relay_records.redaction.looks import DEFAULT_VALUES, may_hold_secret
from nemo_relay_records.redaction.names import DEFAULT_KEYS, compiled, is_secret_header, speaks_of_secret
from nemo_relay_records.redaction.repeats import SHORT, Repeats

REPLACEMENT = "[REDACTED]"
MAX_NAMES = 4_096  # remembered; keys may be data, and without number
_MAX_DEPTH = 200
# Keys of objects and of JSON inside strings, at any depth of escaping, and the first of two in a list: a pair.
_KEYS = re.compile(rb'"([^"\\]{1,80}+)\\*+" ?:')
_PAIRS = re.compile(rb'\[\\*+"([^"\\]{1,80}+)\\*+",')
_JSON = re.compile(r"^\s*[\[{][\s\S]*[\]}]\s*$")
_LOOSE = re.compile(
    r"""(?P<name>[\w.\-]{2,60})(?P<between>\\*["']?\s*[:=]\s*\\*["']?)(?P<secret>[^\s"'\\,;&}\])]{3,})"""
)
_NO_VALUE = ("bearer", "basic", "none", "null", "true", "false")
_UNLIKE_A_WORD = re.compile(r"[0-9A-Z_\-+/.]")  # "Unexpected token: foo" tells what went wrong
_PARTS = ("category_profile", "data", "metadata", "name")
_NAMED = ("name", "key", "header")  # of an object that spells a pair: {"name": ..., "value": ...}

Callback = Callable[[str, Any], Any]


class Redaction:
    """What is masked, and by what.

    Args:
        keys: regular expressions for names of keys, parameters and headers. They are matched against the words of a
            name in lower case with underscores between them, so ``x_api_key`` stands for ``X-Api-Key`` and ``xApiKey``.
        values: regular expressions matched inside every string; a group named ``secret`` limits what is masked.
        replacement: what stands in place of a secret.
        callback: asked about each secret that was found, with the name it goes by (empty for one found inside a text)
            and its value; what it returns is shown instead. One that raises gets the ``replacement``.

    >>> Redaction().value({"password": "hunter2", "max_tokens": 10})
    {'password': '[REDACTED]', 'max_tokens': 10}
    """

    def __init__(
        self,
        keys: Iterable[str] = DEFAULT_KEYS,
        values: Iterable[str] = DEFAULT_VALUES,
        replacement: str = REPLACEMENT,
        callback: Callback | None = None,
    ) -> None:
        self.keys = tuple(keys)
        self.values = tuple(values)
        self.replacement = replacement
        self.callback = callback
        self._name = compiled(self.keys)
        self._looks = [re.compile(pattern) for pattern in self.values]
        # The quick questions are about the default patterns; others must be asked themselves.
        others = tuple(pattern.encode() for pattern in self.values if pattern not in DEFAULT_VALUES)
        self._others = re.compile(b"|".join(b"(?:%b)" % _unnamed(pattern) for pattern in others)) if others else None
        self._harmless: set[bytes] = set()
        # Patterns of the application's may be about numbers.
        numbers = self.keys != DEFAULT_KEYS or self._others is not None
        self._repeats = Repeats(self._suspects_in, numbers=numbers)
        self._known = self._repeats.known

    def line(self, line: bytes) -> bytes:
        """The line of an event without its secrets; the very object where there are none."""
        try:
            return self._masked(line) if self._suspects(line) else line
        except Exception as error:
            return _unreadable(line, error)

    def made_of(self, line: bytes, payloads: Iterable[bytes]) -> bytes:
        """The same for a line of which it is known what it was made of.

        Args:
            line: the line of an event.
            payloads: JSON texts: all of its parts that the application had a say in. The runtime has made the rest.

        Returns:
            The line without its secrets; the very object where there are none.
        """
        try:
            if self._others is not None:  # they may reach as far as they like
                return self.line(line)
            known = self._known
            for payload in payloads:
                if payload is NULL or (len(payload) < SHORT and hash(payload) in known):
                    continue
                if not self._repeats.are_harmless(payload, 0, len(payload)):
                    return self._masked(line)
            return line
        except Exception as error:
            return _unreadable(line, error)

    def value(self, value: Any) -> Any:
        """A copy of a JSON value without its secrets; the object itself where there are none."""
        return self._walk(value, 0)

    def text(self, text: str) -> str:
        """``text`` without what looks like a secret."""
        for pattern in self._looks:
            if "secret" in pattern.groupindex:
                text = pattern.sub(self._masked_group, text)
            else:
                text = pattern.sub(lambda found: str(self._mask("", found[0])), text)
        return text

    def is_secret(self, name: str) -> bool:
        """Whether what goes by ``name`` is masked."""
        return speaks_of_secret(name, self._name)

    def __repr__(self) -> str:
        return f"Redaction({len(self.keys)} keys, {len(self.values)} values, replacement={self.replacement!r})"

    def _suspects(self, line: bytes) -> bool:
        # What stands before the payloads, and behind them, is made by the runtime.
        start, stop = line.find(b'"category_profile":') + 19, line.rfind(b',"parent_uuid":')
        if self._others is not None:  # they may reach as far as they like
            payload = line[start:stop]
            return self._suspects_in(payload) or self._others.search(payload) is not None
        return not self._repeats.are_harmless(line, start, stop if stop >= 0 else len(line))

    def _masked(self, line: bytes) -> bytes:
        record = decode(line)
        for part in _PARTS:
            if record.get(part) is not None:
                record[part] = self._walk(record[part], 0)
        return encode(record) + b"\n"

    def _suspects_in(self, part: bytes) -> bool:
        names = _KEYS.findall(part)
        if b"[" in part:
            names += _PAIRS.findall(part)
        return (not self._harmless.issuperset(names) and not self._all_harmless(names)) or may_hold_secret(part)

    def _all_harmless(self, names: list[bytes]) -> bool:
        if len(self._harmless) > MAX_NAMES:
            self._harmless.clear()
        for name in set(names) - self._harmless:
            text = name.decode("utf-8", "replace")
            if name == b"value" or self.is_secret(text) or is_secret_header(text):
                return False
            self._harmless.add(name)
        return True

    def _walk(self, value: Any, depth: int) -> Any:
        if isinstance(value, str):
            return self._string(value, depth)
        if depth > _MAX_DEPTH:
            return self.replacement
        if isinstance(value, dict):
            return self._object(value, depth + 1)
        return self._list(value, depth + 1) if isinstance(value, (list, tuple)) else value

    def _object(self, value: dict[Any, Any], depth: int) -> dict[Any, Any]:
        made = {key: self._member(str(key), item, depth) for key, item in value.items()}
        if "value" in made:
            for spelling in _NAMED:
                name = value.get(spelling)
                if isinstance(name, str) and (self.is_secret(name) or self._is_header(name)):
                    made["value"] = self._mask(name, value["value"])
        return made if any(made[key] is not item for key, item in value.items()) else value

    def _member(self, name: str, item: Any, depth: int) -> Any:
        if name == "headers" and isinstance(item, dict):
            made = {key: self._mask(str(key), held) if self._is_header(key) else self._walk(held, depth)
                    for key, held in item.items()}  # fmt: skip
            return made if any(made[key] is not held for key, held in item.items()) else item
        if self.is_secret(name) and _can_be_secret(name, item):
            return self._mask(name, item)
        return self._walk(item, depth)

    def _list(self, value: list[Any] | tuple[Any, ...], depth: int) -> Any:
        if len(value) == 2 and isinstance(value[0], str) and isinstance(value[1], str):
            name = value[0]
            if len(name) <= 80 and not re.search(r"\s", name) and (self.is_secret(name) or self._is_header(name)):
                return [name, self._mask(name, value[1])]
        made = [self._walk(item, depth) for item in value]
        return made if any(new is not old for new, old in zip(made, value, strict=True)) else value

    def _is_header(self, name: Any) -> bool:
        return bool(self.keys) and (is_secret_header(name) if self.keys == DEFAULT_KEYS else self.is_secret(str(name)))

    def _string(self, value: str, depth: int) -> str:
        if _JSON.match(value):
            try:
                inner = decode(value)
            except Exception:
                inner = None
            if isinstance(inner, (dict, list)):
                clean = self._walk(inner, depth + 1)
                return value if clean is inner else encode(clean).decode()
        found = self.text(value)
        if ("=" in found or ":" in found) and self.keys:
            found = _LOOSE.sub(self._masked_loose, found)
        return value if found == value else found  # a look that masked nothing gives an equal text, not the same one

    def _masked_loose(self, found: re.Match[str]) -> str:
        # `password=...` and `'api_key': '...'` in what is text, not JSON.
        name, between, secret = found["name"], found["between"], found["secret"]
        prose = " " in between and not _UNLIKE_A_WORD.search(secret)
        masked = secret == self.replacement.strip("]") or secret.lower() in _NO_VALUE
        if prose or masked or not self.is_secret(name):
            return found[0]
        return f"{name}{between}{self._mask(name, secret)}"

    def _masked_group(self, found: re.Match[str]) -> str:
        start, end = found.span("secret")
        whole, offset = found[0], found.start()
        return f"{whole[: start - offset]}{self._mask('', found['secret'])}{whole[end - offset :]}"

    def _mask(self, name: str, value: Any) -> Any:
        if self.callback is None or value == self.replacement:
            return self.replacement
        try:
            return self.callback(name, value)
        except Exception:
            return self.replacement


def _can_be_secret(name: str, value: Any) -> bool:
    # Numbers of tokens are counts; a flag or nothing tells nothing.
    if value is None or isinstance(value, bool) or value in ("", [], {}):
        return False
    return not isinstance(value, (int, float)) or "token" not in name.lower()


def _unnamed(pattern: bytes) -> bytes:
    return pattern.replace(b"(?P<secret>", b"(?:")


def _unreadable(line: bytes, error: Exception) -> bytes:
    """What cannot be looked through is not shown; where it belongs is."""
    try:
        record = decode(line)
        for part in _PARTS[:-1]:
            record[part] = None
        record["metadata"] = {"nemo_relay.redaction_failed": type(error).__name__}
        return encode(record) + b"\n"
    except Exception:
        return encode({"kind": "mark", "name": "nemo_relay.redaction_failed"}) + b"\n"


default = Redaction()


def mask(text: str) -> str:
    """``text``, e.g. of an exception, without what looks like a secret."""
    try:
        plain = ":" not in text and "=" not in text and not may_hold_secret(text.encode("utf-8", "replace"))
        return text if plain else str(default.value(text))
    except Exception:
        return REPLACEMENT
