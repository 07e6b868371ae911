# SPDX-License-Identifier: Apache-2.0
"""Names that programs and tests take from the published package's private module. Not an interface of its own.

The thread helpers stand here because programs replace them; all types and codecs are the public ones.
"""

from __future__ import annotations

from typing import Any

from nemo_relay._runtime.registry import gates
from nemo_relay._runtime.tree.stacks import (
    capture_thread_scope_stack,
    create_scope_stack,
    create_scope_stack_from_propagation,
    restore_thread_scope_stack,
    scope_stack_active,
    set_thread_scope_stack,
    sync_thread_scope_stack,
)
from nemo_relay.subscribers import _native_flush as flush_subscribers

__all__ = [
    "capture_thread_scope_stack",
    "create_scope_stack",
    "create_scope_stack_from_propagation",
    "flush_subscribers",
    "list_runtime_registrations",
    "restore_thread_scope_stack",
    "scope_stack_active",
    "set_thread_scope_stack",
    "sync_thread_scope_stack",
]


def list_runtime_registrations(kinds: set[str] | None = None) -> list[gates.Record]:
    """The global registrations of ``kinds`` as plain dicts. Raises ValueError for a kind that does not exist."""
    return gates.listed(kinds)


def __getattr__(name: str) -> Any:
    import nemo_relay
    from nemo_relay import codecs

    if not name.startswith("_"):
        for home in (nemo_relay, codecs):
            if hasattr(home, name):
                return getattr(home, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
