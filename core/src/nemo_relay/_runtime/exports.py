# SPDX-License-Identifier: Apache-2.0
"""What public modules offer and others define: where it says it lives, and what is loaded when it is asked for."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

# Rooms that are distributions of their own: what they hold is offered by the core's public modules alone.
_BEHIND = ("nemo_relay_configuration.", "nemo_relay_records.")


def borrowed(module: str, homes: dict[str, str]) -> Callable[[str], Any]:
    """The ``__getattr__`` of ``module``; ``homes`` gives the names, divided by spaces, by the module they come from."""
    found = {name: home for home, names in homes.items() for name in names.split()}

    def lookup(name: str) -> Any:
        if name not in found:
            raise AttributeError(f"module {module!r} has no attribute {name!r}")
        from importlib import import_module

        return getattr(import_module(found[name]), name)

    return lookup


def claim(space: dict[str, Any], *more: str) -> None:
    """Let the classes and functions that the module with the globals ``space`` offers say that they live there.

    So a traceback, a repr and a pickle name the path that users import, whatever room the code is in. ``more`` are
    names beside those in ``__all__``.
    """
    for name in (*space["__all__"], *more):
        value = space.get(name)
        home = str(getattr(value, "__module__", ""))
        if isinstance(getattr(value, "__qualname__", None), str) and ("._" in home or home.startswith(_BEHIND)):
            value.__module__ = space["__name__"]
