# SPDX-License-Identifier: Apache-2.0
"""The total encoder: any Python value as JSON for observers, whatever it is, never an exception.

msgspec encodes nearly everything in one pass (dicts, dataclasses, datetimes, enums, UUIDs, sets; NaN becomes null,
bytes base64). Only a value that it refuses (a cycle, a key that is no string, an integer beyond 64 bits, a lone
surrogate) is walked in Python first. Secrets keep their mask: pydantic's and similar types print themselves masked.

Looking must do nothing. A container of an unknown type is somebody's code, and may be a query to a database: its items
are read only where the methods that give them are those of types known to hold them in memory. Types are asked for by
``type(value)``; an object's own ``__class__`` may be a property that raises, or fetches something.

A walk has a budget: containers may hand out new objects on every question, and the application waits while we look.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from functools import lru_cache
from itertools import islice
from typing import Any

from nemo_relay_records.interrupts import is_interrupt

__all__ = [
    "FOREIGN",
    "MAX_DEPTH",
    "MAX_ITEMS",
    "MAX_NODES",
    "MAX_REPR",
    "NULL",
    "decode",
    "encode",
    "load",
    "plain",
    "quote",
    "raw",
    "strict",
]

NULL = b"null"
MAX_DEPTH = 64
MAX_REPR = 200
MAX_ITEMS = 10_000  # of a foreign sequence, which may well be a table of a database
MAX_NODES = 250_000  # of one walk: some tenths of a second
FOREIGN = 20  # nodes that a value of an unknown type counts for: it is asked many questions


def load() -> None:
    """Load msgspec, which takes as long as all the rest of the package: when somebody registers something, or with
    the first value to encode. A program that only imports the package goes without.
    """
    global _encode, _decode, _strict, _raw
    import msgspec

    _encode = msgspec.json.Encoder(enc_hook=_hook).encode
    _decode = msgspec.json.decode
    _strict = msgspec.json.Encoder().encode
    _raw = msgspec.Raw


def _encode_first(value: Any) -> bytes:
    load()
    return _encode(value)


def _decode_first(text: Any) -> Any:
    load()
    return _decode(text)


def _strict_first(value: Any) -> bytes:
    load()
    return _strict(value)


def _raw_first(text: bytes) -> Any:
    load()
    return _raw(text)


_encode: Callable[[Any], bytes] = _encode_first
_decode: Callable[[Any], Any] = _decode_first
_strict: Callable[[Any], bytes] = _strict_first
_raw: Callable[[bytes], Any] = _raw_first


def decode(text: Any) -> Any:
    """The value of JSON text."""
    return _decode(text)


def raw(text: bytes) -> Any:
    """A value that ``encode`` writes as the JSON text that it is."""
    return _raw(text)


def _is(value: object, kind: type | tuple[type, ...]) -> bool:
    """``isinstance`` without the object's own opinion."""
    return issubclass(type(value), kind)


# Whose containers hold what they give: reading them is not an operation of the application's.
_IN_MEMORY = frozenset(
    "array builtins collections _collections _collections_abc types os weakref"
    " frozendict google httpx immutabledict immutables multidict omegaconf proto pyrsistent requests starlette urllib3"
    " werkzeug".split()
)
_READING = ("__iter__", "__getitem__", "__len__", "items", "keys", "values")


def _home(kind: type, method: str) -> str | None:
    """The top-level package of the class that defines ``method`` for ``kind``; None where there is none."""
    owner = next((base for base in kind.__mro__ if method in vars(base)), None)
    return None if owner is None else owner.__module__.partition(".")[0]


def _holds_its_items(value: object) -> bool:
    """Whether reading the items of ``value`` runs no code but that of types known to have them in memory."""
    return _is_known(type(value))


def _reads_memory(kind: type) -> bool:
    homes = {_home(kind, method) for method in _READING}
    return homes - {None} <= _IN_MEMORY


_is_known: Callable[[type], bool] = lru_cache(maxsize=1_024)(_reads_memory)


def _repr(value: object) -> dict[str, Any]:
    try:
        text = f"<{type(value).__qualname__}>" if _prints_its_items(value) else repr(value)
        text = text[: 2 * MAX_REPR]
    except BaseException as error:  # a broken __repr__ is the application's, not ours
        if is_interrupt(error):
            raise
        text = f"<unprintable: {type(error).__name__}>"
    # An address differs from run to run and tells nobody anything.
    return {"$type": _text(type(value).__qualname__), "repr": _text(re.sub(r" at 0x[0-9a-fA-F]+", "", text)[:MAX_REPR])}


def _prints_its_items(value: object) -> bool:
    """Such a repr grows with all that hangs on the value, or fetches it."""
    kind = type(value)
    if issubclass(kind, (dict, list, tuple, set, frozenset)) or hasattr(kind, "__dataclass_fields__"):
        return True
    reads = any(hasattr(kind, method) for method in ("__iter__", "__getitem__", "__next__"))
    return reads and _home(kind, "__repr__") not in _IN_MEMORY


def _text(value: str) -> str:
    """``value`` without what UTF-8 cannot say."""
    return str.encode(value, "utf-8", "replace").decode()


def _foreign(value: Any) -> Any:
    """One step towards JSON for a type that msgspec does not know."""
    if type(value).__module__ == "unittest.mock":  # it records every question asked of it; its repr is free
        return _repr(value)
    for builtin in (str, int, float):
        if _is(value, builtin):
            return builtin(value)
    if _is(value, Mapping):
        if not _holds_its_items(value):
            return _repr(value)
        return {key if _is(key, str) else str(key): item for key, item in value.items()}
    if _is(value, BaseException):
        return {"type": type(value).__name__, "message": str(value)}
    if _is(value, type):
        return {"$type": "type", "repr": value.__qualname__}
    # Asked of the type: an object that has every attribute (a mock, a remote proxy) is none of these.
    kind = type(value)
    if callable(getattr(kind, "model_dump", None)):
        return value.model_dump()
    if callable(getattr(kind, "get_secret_value", None)):
        return "**********"
    if _is(value, complex):
        return str(value)
    if hasattr(kind, "shape") and hasattr(kind, "dtype"):  # an array: its data is not for a log
        return {"$type": kind.__qualname__, "shape": str(value.shape), "dtype": str(value.dtype)}
    if hasattr(kind, "__iter__") and hasattr(kind, "__len__") and _holds_its_items(value):
        return list(islice(value, MAX_ITEMS)) if len(value) <= MAX_ITEMS else _repr(value)
    if hasattr(kind, "__fspath__"):
        return str(value)
    return _repr(value)


def _step(value: Any) -> Any:
    try:
        return _foreign(value)
    except BaseException as error:
        if is_interrupt(error):
            raise
        return _repr(value)


def _hook(value: Any) -> Any:
    """What msgspec encodes in place of ``value``, a type it does not know."""
    if callable(getattr(type(value), "model_dump", None)):
        try:
            return value.model_dump(mode="json")
        except BaseException as error:  # something in it that pydantic cannot say
            if is_interrupt(error):
                raise
            return plain(value)
    step = _step(value)
    # What a foreign container holds is not left to msgspec: it would follow an endless one until the stack is used up.
    return plain(step) if type(step) in (dict, list) else step


def encode(value: Any) -> bytes:
    """``value`` as compact JSON bytes, in the key order of the application."""
    if value is None:
        return NULL
    try:
        return _encode(value)
    except BaseException as error:
        if is_interrupt(error):
            raise
        return _encode_slowly(value)


def strict(value: Any) -> bytes:
    """``value`` as JSON bytes, for answers that must be JSON.

    Raises:
        TypeError, ValueError, RecursionError: something in it has no JSON form.
    """
    return _strict(value)


def _encode_slowly(value: Any) -> bytes:
    try:
        return _encode(plain(value))
    except BaseException as error:  # the stack is all but used up
        if is_interrupt(error):
            raise
        return b'{"$type":"object"}'


def _key(key: Any) -> str:
    if _is(key, str):
        return _text(key)
    if _is(key, (int, float, bool)) or key is None:
        return str(_scalar(key))
    text: str = _repr(key)["repr"]
    return text


def plain(value: Any) -> Any:
    """``value`` rebuilt from JSON types alone: cycles, depth and odd scalars replaced by a note of what they were."""
    return _Walk().plain(value, ())


class _Walk:
    """One walk over a value, with what is left of its budget."""

    __slots__ = ("left",)

    def __init__(self) -> None:
        self.left = MAX_NODES

    def plain(self, value: Any, path: tuple[int, ...]) -> Any:
        """``value`` from JSON types alone; ``path`` holds the identities of the containers around it."""
        try:
            return self._plain(value, path)
        except BaseException as error:  # a container whose own methods raise: what is beside it still counts
            if is_interrupt(error):
                raise
            return _repr(value)

    def _plain(self, value: Any, path: tuple[int, ...]) -> Any:
        self.left -= 1
        if value is None or _is(value, (bool, str, int, float)):
            return _scalar(value)
        if id(value) in path:
            return {"$cycle": type(value).__qualname__}
        if self.left <= 0 or len(path) >= MAX_DEPTH:
            return {"$truncated": type(value).__qualname__}
        inside = (*path, id(value))
        if _is(value, dict) or (_is(value, Mapping) and _holds_its_items(value)):
            return self._mapping(value, inside)
        if _is(value, (list, tuple, set, frozenset)):
            return self._sequence(value, inside)
        self.left -= FOREIGN
        return self.plain(_apart(value), inside)

    def _mapping(self, value: Mapping[Any, Any], path: tuple[int, ...]) -> dict[str, Any]:
        made = {}
        for key, item in value.items():
            if self.left <= 0:
                made["$truncated"] = type(value).__qualname__
                break
            made[_key(key)] = self.plain(item, path)
        return made

    def _sequence(self, value: Iterable[Any], path: tuple[int, ...]) -> list[Any]:
        made = []
        for item in value:
            if self.left <= 0:
                made.append({"$truncated": type(value).__qualname__})
                break
            made.append(self.plain(item, path))
        return made


def _scalar(value: Any) -> Any:
    if _is(value, str):
        return _text(value)
    if _is(value, bool) or value is None:
        return value
    if _is(value, int):
        return int(value) if -(2**63) <= value < 2**64 else _digits(value)
    return float(value)


def _digits(value: int) -> str:
    # Beyond some thousand digits Python refuses to write them; hexadecimal is always allowed.
    return str(value) if value.bit_length() < 4_096 else f"{value:#x}"[:MAX_REPR]


def _apart(value: Any) -> Any:
    """A foreign value as msgspec writes it when all in it is known, else its parts."""
    try:
        return decode(_strict(value))
    except BaseException as error:
        if is_interrupt(error):
            raise
        fields = getattr(type(value), "__dataclass_fields__", None) or getattr(type(value), "__struct_fields__", None)
        return {name: getattr(value, name, None) for name in fields} if fields else _step(value)


_QUOTED: dict[str, str] = {}


def quote(text: str) -> str:
    """``text`` as a JSON string. Span names repeat, so the last ones are remembered."""
    known = _QUOTED.get(text)
    if known is None:
        known = encode(text).decode()
        if len(_QUOTED) > 4_096:
            _QUOTED.clear()
        _QUOTED[text] = known
    return known
