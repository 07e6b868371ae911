# SPDX-License-Identifier: Apache-2.0
"""The total encoder: any Python value as JSON for observers, whatever it is, never an exception.

msgspec encodes nearly everything in one pass (dicts, dataclasses, datetimes, enums, UUIDs, sets; NaN becomes null,
bytes base64). Only a value that it refuses (a cycle, a key that is no string, an integer beyond 64 bits, a lone
surrogate) is walked in Python first. Secrets keep their mask: pydantic's and similar types print themselves masked.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

NULL = b"null"
MAX_DEPTH = 64
MAX_REPR = 200

decode = msgspec.json.decode


def _repr(value: object) -> dict[str, Any]:
    try:
        text = repr(value)
    except Exception as error:  # a broken __repr__ is the application's, not ours
        text = f"<unprintable: {type(error).__name__}>"
    # An address differs from run to run and tells nobody anything.
    return {"$type": type(value).__qualname__, "repr": re.sub(r" at 0x[0-9a-fA-F]+", "", text)[:MAX_REPR]}


def _model(value: Any) -> Any:
    for mode in ({"mode": "json"}, {}):
        try:
            return value.model_dump(**mode)
        except Exception:
            continue
    return _repr(value)


def _foreign(value: Any) -> Any:
    """One step towards JSON for a type that msgspec does not know; msgspec encodes what comes back."""
    for builtin in (str, int, float):
        if isinstance(value, builtin):
            return builtin(value)
    if isinstance(value, Mapping):
        return {key if isinstance(key, str) else str(key): item for key, item in value.items()}
    if isinstance(value, BaseException):
        return {"type": type(value).__name__, "message": str(value)}
    if isinstance(value, type):
        return {"$type": "type", "repr": value.__qualname__}
    if callable(getattr(value, "model_dump", None)):
        return _model(value)
    if callable(getattr(value, "get_secret_value", None)):
        return "**********"
    if isinstance(value, (range, complex)):
        return list(value) if isinstance(value, range) and len(value) <= 10_000 else str(value)
    shape = getattr(value, "shape", None)
    if shape is not None and hasattr(value, "dtype"):  # an array or a frame: its data is not for a log
        return {"$type": type(value).__qualname__, "shape": str(shape), "dtype": str(value.dtype)}
    if isinstance(value, Iterable) and hasattr(value, "__len__"):
        return list(value)
    if hasattr(value, "__fspath__"):
        return str(value)
    return _repr(value)


def _hook(value: Any) -> Any:
    try:
        return _foreign(value)
    except Exception:
        return _repr(value)


_encoder = msgspec.json.Encoder(enc_hook=_hook)
_encode = _encoder.encode


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


_strict = msgspec.json.Encoder().encode


def _encode_slowly(value: Any) -> bytes:
    try:
        return _encode(plain(value))
    except Exception:
        return _encode(_repr(value))


def _key(key: Any) -> str:
    if isinstance(key, str):
        return key.encode("utf-8", "replace").decode()
    return str(plain(key)) if isinstance(key, (int, float, bool)) or key is None else repr(key)[:MAX_REPR]


def plain(value: Any, _path: tuple[int, ...] = ()) -> Any:
    """``value`` rebuilt from JSON types alone: cycles, depth and odd scalars replaced by a note of what they were."""
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, str):
        return value.encode("utf-8", "replace").decode()
    if isinstance(value, int):
        return int(value) if -(2**63) <= value < 2**64 else str(value)
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
