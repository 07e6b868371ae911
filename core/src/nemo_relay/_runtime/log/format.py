# SPDX-License-Identifier: Apache-2.0
"""The two forms of a log record: one line for people, one JSON object for programs.

Neither can be made to show a record that was not written. In the human form control characters are escaped, and a value
that could be read as something else (blanks, quotes, an equals sign, nothing at all) is written as a JSON string.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from nemo_relay._runtime.clock import rfc3339
from nemo_relay._runtime.log.record import LEVELS, Record
from nemo_relay_records.encoding import encode

Format = Callable[[Record], str]

# Control characters, and the two separators that some readers take for the end of a line.
_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029]")
# A text that could end early, or be taken for a value that is no text.
_AMBIGUOUS = re.compile(r"""[\s"=\\\x00-\x1f\x7f-\x9f]|^$|^[\[{]|^(null|true|false|-?\d+(\.\d+)?([eE][+-]?\d+)?)$""")
# A message follows the fields: it must not begin like one of them, nor like a quoted text.
_LIKE_A_FIELD = re.compile(r'^(\S+=|")')


def human(record: Record) -> str:
    """``<time> INFO root=01a2032d target=... event=... a=1 b="x y" the message``."""
    parts = [
        _time(record.ns),
        LEVELS[record.level].upper(),
        f"root={record.root[:8]}",
        f"target={_shown(record.target)}",
    ]
    if record.event:
        parts.append(f"event={_shown(record.event)}")
    parts += [f"{_shown(name)}={_shown(value)}" for name, value in sorted(record.fields.items())]
    if record.message:
        parts.append(_message(record.message))
    return " ".join(parts)


def jsonl(record: Record) -> str:
    """One compact JSON object, its keys sorted."""
    return encode(
        {
            "event": record.event,
            "fields": record.fields,
            "level": LEVELS[record.level],
            "message": record.message,
            "root_relay_id": record.root,
            "target": record.target,
            "timestamp": _time(record.ns),
        }
    ).decode()


FORMATS: dict[str, Format] = {"human": human, "jsonl": jsonl, "json": jsonl}


def _time(ns: int) -> str:
    second, fraction = divmod(ns, 1_000_000_000)
    return f"{rfc3339(second * 1_000_000_000)[:19]}.{fraction // 1_000_000:03d}Z"


def _shown(value: Any) -> str:
    if not isinstance(value, str):
        return _escaped(encode(value).decode())
    return _escaped(encode(value).decode() if _AMBIGUOUS.search(value) else value)


def _message(text: str) -> str:
    return _escaped(encode(text).decode() if _LIKE_A_FIELD.search(text) else text)


def _escaped(text: str) -> str:
    return _CONTROL.sub(lambda found: _NAMED.get(found[0], f"\\u{ord(found[0]):04x}"), text)


_NAMED = {"\n": "\\n", "\r": "\\r", "\t": "\\t"}
