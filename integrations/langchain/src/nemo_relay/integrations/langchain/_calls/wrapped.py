# SPDX-License-Identifier: Apache-2.0
"""Copies of the application's tools and models under control, which nobody can tell from the originals.

The class of a copy is a subclass of the original's own, made at run time, with its name, module, documentation and
signatures. A copy is pickled as the original would be, and is under control again wherever it is loaded.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar
from weakref import WeakValueDictionary

from nemo_relay.integrations.langchain._options import AdapterOptions

ModelT = TypeVar("ModelT")
Methods = Callable[[Any, AdapterOptions], dict[str, Any]]

DEFAULTS = AdapterOptions()
_STATE = ("__dict__", "__pydantic_fields_set__", "__pydantic_extra__", "__pydantic_private__")
_classes: WeakValueDictionary[tuple[type[Any], int, str], type[Any]] = WeakValueDictionary()


class Wrapped:
    """Marks the classes made here."""


def wrapped(original: ModelT, options: AdapterOptions, make: Callable[[ModelT, AdapterOptions], ModelT]) -> ModelT:
    """What ``make(original, options)`` makes of it; what is wrapped already comes back as it is."""
    return original if isinstance(original, Wrapped) else make(original, options)


def subclass(kind: Any, options: AdapterOptions, methods: Methods, again: Callable[[Any, AdapterOptions], Any]) -> Any:
    """The class of the copies of a ``kind``.

    Args:
        kind: the class of the original, a pydantic model.
        options: those of the copies.
        methods: from ``kind`` and ``options``, what the class overrides.
        again: wraps an unpickled original, a function of a module.
    """
    key = (kind, id(options), again.__qualname__)
    found = _classes.get(key)
    if found is None:
        namespace = {
            "__module__": kind.__module__,
            "__qualname__": kind.__qualname__,
            "__doc__": kind.__doc__,
            "__hash__": kind.__hash__,
            "__eq__": lambda self, other: kind.__eq__(_plain(self, kind), _plain(other, kind)),
            "__reduce_ex__": lambda self, protocol: (again, (_plain(self, kind), options)),
            **methods(kind, options),
        }
        found = _classes[key] = type(kind)(kind.__name__, (kind, Wrapped), namespace)
    return found


def become(copy: Any, kind: Any) -> Any:
    """``copy``, whose class is ``kind`` from now on."""
    object.__setattr__(copy, "__class__", kind)
    return copy


def _plain(copy: Any, kind: Any) -> Any:
    """A twin of ``copy`` of the original's own class, with the very same state."""
    if not isinstance(copy, Wrapped):
        return copy
    twin = object.__new__(kind)
    for name in _STATE:
        if hasattr(copy, name):
            object.__setattr__(twin, name, getattr(copy, name))
    return twin
