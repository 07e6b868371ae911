# SPDX-License-Identifier: Apache-2.0
"""Values a document takes from elsewhere, and keeping them, and every other credential in it, out of what is shown.

``${env:NAME}`` is an environment variable, ``${file:PATH}`` the content of a file (relative to the document, without
the newline at its end), ``$${`` a plain ``${``. They stand in any string of a component's ``config``, alone or within
a text. Reports keep the reference; only the plugin gets the value.
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import urlsplit, urlunsplit

from nemo_relay_records.redaction.redactor import REPLACEMENT as REDACTED
from nemo_relay_records.redaction.redactor import default

MAX_FILE_BYTES = 65_536
MIN_MASKED = 4  # shorter values are too common to be looked for in texts

_REFERENCE = re.compile(r"\$\$\{|\$\{(env|file):([^}]*)\}")
_FILE_REFERENCE = re.compile(r"(?<!\$)\$\{file:([^}]*)\}")
# Besides what speaks of a secret everywhere: any header may be one, and a key of nothing in particular.
_HIDES = re.compile(r"(^|[-_.])headers?$|^key$", re.IGNORECASE)
_URL = re.compile(r"^[A-Za-z][A-Za-z0-9+.-]*://")


class Unresolved(Exception):
    """A reference that leads nowhere."""


class Secrets:
    """The values that must not be shown."""

    def __init__(self) -> None:
        self.files: set[str] = set()  # where values came from
        self._values: set[str] = set()
        self._pattern: re.Pattern[str] | None = None

    def add(self, value: str) -> None:
        """Keep ``value`` out of every text from now on."""
        for one in {value, value.strip()}:
            if len(one) >= MIN_MASKED and one not in self._values:
                self._values.add(one)
                self._pattern = None

    def mask(self, text: str) -> str:
        """``text`` without them."""
        if not self._values:
            return text
        if self._pattern is None:
            longest_first = sorted(self._values, key=len, reverse=True)
            self._pattern = re.compile("|".join(map(re.escape, longest_first)))
        return self._pattern.sub(REDACTED, text)


def anchored(value: Any, folder: str) -> Any:
    """``value`` with every relative ``${file:...}`` in it made absolute: it stays right in the merged document."""

    def absolute(found: re.Match[str]) -> str:
        return f"${{file:{os.path.abspath(os.path.join(folder, os.path.expanduser(found[1])))}}}"

    return _strings(value, lambda text, _: _FILE_REFERENCE.sub(absolute, text))


def expanded(config: Any, secrets: Secrets, problems: list[tuple[str, str]]) -> Any:
    """``config`` with its references replaced; those that lead nowhere are added to ``problems`` as (path, text)."""

    def expand(text: str, path: str) -> str:
        if "${" not in text:
            return text
        try:
            return _REFERENCE.sub(lambda found: _value(found, secrets), text)
        except Unresolved as error:
            problems.append((path, str(error)))
            return text

    return _strings(config, expand)


def redacted(config: Any, secrets: Secrets | None = None) -> Any:
    """``config`` as it may be shown. What is hidden is added to ``secrets``."""
    return _shown(config, secrets or Secrets(), hidden=False)


def _value(found: re.Match[str], secrets: Secrets) -> str:
    source, name = found[1], found[2]
    if source is None:
        return "${"
    if source == "file":
        name = os.path.abspath(os.path.expanduser(name))
        secrets.files.add(name)
    value = _from_environment(name) if source == "env" else _from_file(name)
    secrets.add(value)
    return value


def _from_environment(name: str) -> str:
    value = os.environ.get(name)
    if value is None:
        raise Unresolved(f"the environment variable {name!r} is not set")
    return value


def _from_file(path: str) -> str:
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | getattr(os, "O_NONBLOCK", 0))  # a FIFO must not hold us up
        with os.fdopen(fd, "rb") as file:
            if not stat.S_ISREG(os.fstat(fd).st_mode):
                raise Unresolved(f"{path!r} is not a regular file")
            content = file.read(MAX_FILE_BYTES + 1)
    except OSError as error:
        raise Unresolved(f"cannot read {path!r}: {error.strerror}") from None
    if len(content) > MAX_FILE_BYTES:
        raise Unresolved(f"{path!r} is larger than {MAX_FILE_BYTES} bytes")
    try:
        return content.decode().removesuffix("\n").removesuffix("\r")
    except UnicodeDecodeError:
        raise Unresolved(f"{path!r} is not UTF-8 text") from None


def _strings(value: Any, change: Callable[[str, str], str], path: str = "") -> Any:
    if isinstance(value, str):
        return change(value, path)
    if isinstance(value, dict):
        return {key: _strings(item, change, f"{path}.{key}" if path else key) for key, item in value.items()}
    if isinstance(value, list):
        return [_strings(item, change, f"{path}[{index}]") for index, item in enumerate(value)]
    return value


def _shown(value: Any, secrets: Secrets, hidden: bool) -> Any:
    if isinstance(value, dict):
        return {key: _shown(item, secrets, hidden or _is_secret(key)) for key, item in value.items()}
    if isinstance(value, list):
        return [_shown(item, secrets, hidden) for item in value]
    if isinstance(value, str):
        return _shown_text(value, secrets, hidden)
    return REDACTED if hidden and isinstance(value, (int, float)) and not isinstance(value, bool) else value


def _shown_text(text: str, secrets: Secrets, hidden: bool) -> str:
    if not text or (_REFERENCE.sub("", text) == "" and "$${" not in text):
        return text
    shown = _shown_url(text, secrets) if _URL.match(text) and not hidden else text
    if not hidden and default.text(shown) == shown:
        return shown
    for part in (text, *text.split()):  # "Bearer x": a message may show the second word alone
        secrets.add(part)
    return REDACTED


def _is_secret(name: str) -> bool:
    return default.is_secret(name) or _HIDES.search(name) is not None


def _shown_url(text: str, secrets: Secrets) -> str:
    try:
        parts = urlsplit(text)
        userinfo, at, host = parts.netloc.rpartition("@")
        if not at and not parts.query:
            return text
        for secret in _credentials(userinfo, parts.query):
            secrets.add(secret)
        return urlunsplit((parts.scheme, f"{REDACTED}@{host}" if at else host, parts.path, "", parts.fragment))
    except ValueError:  # no URL after all
        secrets.add(text)
        return REDACTED


def _credentials(userinfo: str, query: str) -> Iterator[str]:
    from urllib.parse import parse_qsl

    yield userinfo
    yield userinfo.partition(":")[2]
    yield query
    yield from (value for _, value in parse_qsl(query))
