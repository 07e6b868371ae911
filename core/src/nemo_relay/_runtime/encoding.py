# SPDX-License-Identifier: Apache-2.0
"""The total encoder: any Python value as JSON for observers, whatever it is, never an exception.

msgspec encodes nearly everything in one pass (dicts, dataclasses, datetimes, enums, UUIDs, sets; NaN becomes null,
bytes base64). Only a value that it refuses (a cycle, a key that is no string, an integer beyond 64 bits, a lone
surrogate) is walked in Python first. Secrets keep their mask: pydantic's and similar types print themselves masked.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from itertools import islice
from typing import Any

NULL = b"null"
MAX_DEPTH = 64
MAX_REPR = 200
MAX_ITEMS = 10_000  # of a foreign sequence, which may well be a table of a database


def load() -> None:
    """Load msgspec, which takes as long as all the rest of the package: when somebody registers something, or with
    the first value to encode. A program that only imports the package goes without.
    """
    global _encode, _decode, _strict
    import msgspec

    _encode = msgspec.json.Encoder(enc_hook=_hook).encode
    _decode = msgspec.json.decode
    _strict = msgspec.json.Encoder().encode


def _encode_first(value: Any) -> bytes:
    load()
    return _encode(value)


def _decode_first(text: Any) -> Any:
    load()
    return _decode(text)


def _strict_first(value: Any) -> bytes:
    load()
    return _strict(value)


_encode: Callable[[Any], bytes] = _encode_first
_decode: Callable[[Any], Any] = _decode_first
_strict: Callable[[Any], bytes] = _strict_first


def decode(text: Any) -> Any:
    """The value of JSON text."""
    return _decode(text)


def _repr(value: object) -> dict[str, Any]:
    try:
        text = repr(value)
    except Exception as error:  # a broken __repr__ is the application's, not ours
        text = f"<unprintable: {type(error).__name__}>"
    # An address differs from run to run and tells nobody anything.
    return {"$type": _text(type(value).__qualname__), "repr": _text(re.sub(r" at 0x[0-9a-fA-F]+", "", text)[:MAX_REPR])}


def _text(value: str) -> str:
    """``value`` without what UTF-8 cannot say."""
    return str.encode(value, "utf-8", "replace").decode()


def _model(value: Any) -> Any:
    for mode in ({"mode": "json"}, {}):
        try:
            return value.model_dump(**mode)
        except Exception:
            continue
    return _repr(value)


def _foreign(value: Any) -> Any:
    """One step towards JSON for a type that msgspec does not know; msgspec encodes what comes back."""
    if type(value).__module__ == "unittest.mock":  # it records every question asked of it; its repr is free
        return _repr(value)
    for builtin in (str, int, float):
        if isinstance(value, builtin):
            return builtin(value)
    if isinstance(value, Mapping):
        return {key if isinstance(key, str) else str(key): item for key, item in value.items()}
    if isinstance(value, BaseException):
        return {"type": type(value).__name__, "message": str(value)}
    if isinstance(value, type):
        return {"$type": "type", "repr": value.__qualname__}
    # Asked of the type: an object that has every attribute (a mock, a remote proxy) is none of these.
    kind = type(value)
    if callable(getattr(kind, "model_dump", None)):
        return _model(value)
    if callable(getattr(kind, "get_secret_value", None)):
        return "**********"
    if isinstance(value, complex):
        return str(value)
    if hasattr(kind, "shape") and hasattr(kind, "dtype"):  # an array: its data is not for a log
        return {"$type": kind.__qualname__, "shape": str(value.shape), "dtype": str(value.dtype)}
    if isinstance(value, Iterable) and hasattr(kind, "__len__"):
        return list(islice(value, MAX_ITEMS)) if len(value) <= MAX_ITEMS else _repr(value)  # type: ignore[arg-type]
    if hasattr(kind, "__fspath__"):
        return str(value)
    return _repr(value)


def _hook(value: Any) -> Any:
    try:
        return _foreign(value)
    except Exception:
        return _repr(value)


def encode(value: Any) -> bytes:
    """``value`` as compact JSON bytes, in the key order of the application."""
    if value is None:
        return NULL
    try:
        return _encode(value)
    except Exception:
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
    except Exception:  # the stack is all but used up
        return b'{"$type":"object"}'


def _key(key: Any) -> str:
    if isinstance(key, str):
        return _text(key)
    if isinstance(key, (int, float, bool)) or key is None:
        return str(plain(key))
    text: str = _repr(key)["repr"]
    return text


def plain(value: Any, _path: tuple[int, ...] = ()) -> Any:
    """``value`` rebuilt from JSON types alone: cycles, depth and odd scalars replaced by a note of what they were."""
    try:
        return _plain(value, _path)
    except Exception:  # a container whose own methods raise: what is beside it still counts
        return _repr(value)


def _plain(value: Any, _path: tuple[int, ...]) -> Any:
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, str):
        return _text(value)
    if isinstance(value, int):
        return int(value) if -(2**63) <= value < 2**64 else _digits(value)
    if isinstance(value, float):
        return float(value)
    if id(value) in _path:
        return {"$cycle": type(value).__qualname__}
    if len(_path) >= MAX_DEPTH:
        return {"$truncated": type(value).__qualname__}
    path = (*_path, id(value))
    if isinstance(value, Mapping):
        return {_key(key): plain(item, path) for key, item in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [plain(item, path) for item in value]
    return plain(_one_step(value), path)


def _digits(value: int) -> str:
    # Beyond some thousand digits Python refuses to write them; hexadecimal is always allowed.
    return str(value) if value.bit_length() < 4_096 else f"{value:#x}"[:MAX_REPR]


def _one_step(value: Any) -> Any:
    """A foreign value as msgspec would have written it, or its parts where msgspec refuses one of them."""
    try:
        return decode(_encode(value))
    except Exception:
        fields = getattr(value, "__dataclass_fields__", None)
        if fields is not None and not isinstance(value, type):
            return {name: getattr(value, name, None) for name in fields}
        return _hook(value)


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
