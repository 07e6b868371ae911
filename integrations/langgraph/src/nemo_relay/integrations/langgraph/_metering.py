# SPDX-License-Identifier: Apache-2.0
"""How many bytes a checkpointer serialises: counted as it does so, since doing it once more would double its cost.

The checkpointer is the application's own and stays as it is. For one call it is handed to itself as another object: of
a subclass of its class, with the very same ``__dict__``, so that whatever it reads or sets is its own. Only its
serializer is another one, which counts.
"""

from __future__ import annotations

from functools import cache
from typing import Any


class Meter:
    """The bytes that passed one serializer.

    Attributes:
        taken: how many; None when nothing was serialised by it.
    """

    __slots__ = ("taken",)

    def __init__(self) -> None:
        self.taken: int | None = None


class _Counting:
    """A serializer that counts what it makes. Everything else is the inner one's."""

    def __init__(self, inner: Any, meter: Meter) -> None:
        self._inner, self._meter = inner, meter

    def dumps_typed(self, obj: Any) -> tuple[str, bytes]:
        kind, content = self._inner.dumps_typed(obj)
        self._meter.taken = (self._meter.taken or 0) + len(content)
        return kind, content

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)


def metered(saver: Any, meter: Meter) -> Any:
    """``saver`` with a serializer that counts into ``meter``; ``saver`` itself where that cannot be had.

    Args:
        saver: any checkpointer of LangGraph.
        meter: a fresh one for each call.
    """
    try:
        kind: Any = type(saver)
        made = _counted(kind)
        view = object.__new__(made)
        for name, value in (("__dict__", saver.__dict__), ("relay_inner", saver), ("relay_meter", meter)):
            object.__setattr__(view, name, value)
    except Exception:  # a class that has no instance dictionary, or does not want to be subclassed
        return saver
    return view


@cache
def _counted(kind: Any) -> Any:
    def serde(self: Any) -> Any:
        return _Counting(self.relay_inner.serde, self.relay_meter)

    def change(self: Any, value: Any) -> None:
        self.relay_inner.serde = value

    namespace = {
        "__slots__": ("relay_inner", "relay_meter"),
        "__module__": kind.__module__,
        "__qualname__": kind.__qualname__,
        "__doc__": kind.__doc__,
        "serde": property(serde, change),
    }
    metaclass: Any = type(kind)
    return metaclass(kind.__name__, (kind,), namespace)
