# SPDX-License-Identifier: Apache-2.0
"""Metadata injectors: callbacks that add keys to the metadata of every event, and never change what is there.

>>> from nemo_relay import event_metadata
>>> event_metadata.register_injector("team", 10, lambda event: {"team": "red"})
>>> event_metadata.deregister_injector("team")
True
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from nemo_relay._runtime.exports import borrowed
from nemo_relay._runtime.registry import registry

if TYPE_CHECKING:
    from nemo_relay.types import EventMetadataInjectorCallback

__all__ = ["deregister_injector", "register_injector"]

__getattr__ = borrowed(
    __name__,
    {
        "nemo_relay.types": "EventMetadataInjectorCallback",
    },
)


def register_injector(name: str, priority: int, injector: EventMetadataInjectorCallback) -> None:
    """Let ``injector`` add metadata to events: ``(event) -> dict`` of strings, numbers, booleans or lists of one
    of them.

    Keys are words joined by single dots. Keys that are there already win, and so do those of earlier injectors.

    Args:
        name: its own name among registrations of this kind.
        priority: lower ones run first; ties by name.
        injector: the callback, sync or async.

    Raises:
        AlreadyRegistered: the name is taken (a RuntimeError).
        TypeError: an argument has the wrong type.
    """
    registry.injectors.register(name, priority, injector)


def deregister_injector(name: str) -> bool:
    """Remove it; False when the name is unknown."""
    return registry.injectors.deregister(name)
