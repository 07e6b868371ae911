# SPDX-License-Identifier: Apache-2.0
"""A codec for values of which nothing is known: tagged, so that most of them come back as they were."""

from __future__ import annotations

import base64
import io
import json
import pickle
from collections.abc import Callable
from dataclasses import is_dataclass
from typing import Any

from nemo_relay._typed.codecs import Codec, set_fields
from nemo_relay._typed.registry import register_runtime_type, resolve_runtime_type

_MODEL, _DATACLASS = "__nv_pydantic__", "__nv_dataclass__"
_PICKLE, _TEXT, _TYPE = "__nv_pickle__", "__nv_fallback_str__", "__nv_runtime_type__"

# Unpickling runs what the data says; these cannot do harm.
_SAFE = {name: getattr(__import__("builtins"), name) for name in ("dict", "frozenset", "list", "set", "tuple")}


class BestEffortAnyCodec(Codec[Any]):
    """Takes any value to JSON without ever raising, and back to what it was where this process still knows its type.

    Tuples become lists and keys become strings, as in JSON. What is neither a model, a dataclass nor JSON is pickled,
    but only plain containers are unpickled again; a value that cannot be restored comes back in its tagged form.

    >>> from nemo_relay.typed import BestEffortAnyCodec
    >>> codec = BestEffortAnyCodec()
    >>> codec.from_json(codec.to_json({1, 2}))
    {1, 2}
    """

    def to_json(self, value: Any) -> Any:
        """``value`` as JSON, tagged where it is more than that."""
        for attempt in (_from_model, _from_dataclass, _from_plain, _from_pickle):
            try:
                made = attempt(value)
            except Exception:
                continue  # the next one is less exact, the last cannot fail
            if made is not _NOT_THIS:
                return made
        return {_TEXT: _name_of(type(value)), "data": _text(value)}

    def from_json(self, data: Any) -> Any:
        """What ``to_json`` was given, or ``data`` itself where that is not known."""
        if not isinstance(data, dict) or "data" not in data:
            return data
        for tag, restore in _RESTORE.items():
            if tag in data:
                try:
                    return restore(data)
                except Exception:
                    return data
        return data


_NOT_THIS = object()


def _name_of(cls: type) -> str:
    return f"{cls.__module__}.{cls.__qualname__}"


def _tagged(tag: str, value: Any, data: Any) -> dict[str, Any]:
    cls = type(value)
    return {tag: _name_of(cls), _TYPE: register_runtime_type(cls), "data": data}


def _from_model(value: Any) -> Any:
    if not hasattr(value, "model_dump"):
        return _NOT_THIS
    return _tagged(_MODEL, value, value.model_dump(mode="json"))


def _from_dataclass(value: Any) -> Any:
    if not is_dataclass(value) or isinstance(value, type):
        return _NOT_THIS
    return _tagged(_DATACLASS, value, set_fields(value))


def _from_plain(value: Any) -> Any:
    return json.loads(json.dumps(value))


def _from_pickle(value: Any) -> Any:
    return {_PICKLE: _name_of(type(value)), "data": base64.b64encode(pickle.dumps(value)).decode("ascii")}


def _text(value: Any) -> str:
    try:
        return str(value)
    except Exception:
        return f"<{type(value).__name__}>"


def _resolved(data: dict[str, Any]) -> Any:
    cls = resolve_runtime_type(data.get(_TYPE))
    if cls is None:
        raise LookupError("the type is not one of this process")
    return cls


class _Unpickler(pickle.Unpickler):
    def find_class(self, module_name: str, global_name: str) -> Any:
        """Only builtin containers."""
        if module_name == "builtins" and global_name in _SAFE:
            return _SAFE[global_name]
        raise pickle.UnpicklingError(f"{module_name}.{global_name} is not allowed")


def _unpickled(data: dict[str, Any]) -> Any:
    raw = data["data"]
    if not isinstance(raw, str):
        raise TypeError("a pickled payload is a string")
    return _Unpickler(io.BytesIO(base64.b64decode(raw, validate=True))).load()


_RESTORE: dict[str, Callable[[dict[str, Any]], Any]] = {
    _MODEL: lambda data: _resolved(data).model_validate(data["data"]),
    _DATACLASS: lambda data: _resolved(data)(**data["data"]),
    _PICKLE: _unpickled,
    _TEXT: lambda data: data["data"],
}
