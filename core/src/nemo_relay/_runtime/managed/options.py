# SPDX-License-Identifier: Apache-2.0
"""What one managed call may say about itself: which middleware takes part, and what the application tells it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from nemo_relay.errors import InvalidValue
from nemo_relay_records.encoding import decode, strict

MAX_BYTES = 64 * 1024  # of an application's context, as JSON
MAX_DEPTH = 32


class Options(NamedTuple):
    """Which of the three kinds of middleware take part in a call."""

    conditional_execution: bool = True
    request_intercepts: bool = True
    execution_intercepts: bool = True


ALL = Options()


def checked_options(given: Any) -> Options:
    """The options that ``given`` stands for: a mapping or any object with the three switches; what is missing is on.

    Raises:
        TypeError: a switch is no bool.
        InvalidValue: a mapping has another key (a ValueError).
    """
    if given is None:
        return ALL
    if isinstance(given, Mapping):
        unknown = sorted(str(key) for key in given if key not in Options._fields)
        if unknown:
            raise InvalidValue(f"execution_options has no {unknown[0]!r}; it has {', '.join(Options._fields)}")
        switches = {name: given[name] for name in Options._fields if name in given}
    else:
        switches = {name: getattr(given, name) for name in Options._fields if hasattr(given, name)}
        if not switches:
            raise TypeError(f"execution_options is a mapping or has {', '.join(Options._fields)}, unlike {given!r}")
    for name, value in switches.items():
        if type(value) is not bool:
            raise TypeError(f"execution_options.{name} is a bool, not {value!r}")
    return Options(**switches)


def checked_context(given: Any) -> bytes | None:
    """The application's context as JSON, of which each intercept reads a copy of its own; None where none was given.

    What is wrong is told without the values: they may be secrets.

    Raises:
        InvalidValue: it is no mapping with at most ``data``, ``data`` is no JSON object, or it is too deep or too large
            (a ValueError).
    """
    if given is None:
        return None
    if not isinstance(given, Mapping) or set(given) - {"data"}:
        raise InvalidValue("execution_context is an object whose only key is data")
    data = given.get("data", {})
    if not isinstance(data, dict):
        raise InvalidValue("execution_context.data is a JSON object")
    if _depth(data) > MAX_DEPTH:
        raise InvalidValue(f"execution_context is deeper than {MAX_DEPTH} levels")
    try:
        text = strict(dict(given))
    except Exception:
        raise InvalidValue("execution_context.data has parts that are no JSON") from None
    if len(text) > MAX_BYTES:
        raise InvalidValue(f"execution_context is larger than {MAX_BYTES} bytes")
    return text


def read_context(text: bytes | None) -> Any:
    """A copy of the context."""
    return None if text is None else decode(text)


def _depth(value: Any) -> int:
    """How deep ``value`` is, as far as it matters."""
    level, depth = [value], 0
    while level and depth <= MAX_DEPTH:
        depth += 1
        inner = [each.values() if isinstance(each, dict) else each for each in level]
        level = [item for items in inner for item in items if isinstance(item, (dict, list, tuple))]
    return depth
