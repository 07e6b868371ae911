# SPDX-License-Identifier: Apache-2.0
"""Where a call stands: its agents, its session, its user."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any


def above(span: Any) -> Iterator[Any]:
    """What ``span`` belongs to, from the nearest to the root."""
    here = span.parent
    while here is not None:
        yield here
        here = here.parent


def agents(span: Any) -> list[Any]:
    """The agents that ``span`` runs in, the nearest first. The implicit root is nobody's agent."""
    return [one for one in above(span) if one.category == "agent" and one.parent is not None]


def agent_name(span: Any) -> str | None:
    """The nearest agent's name."""
    return next((str(one.name) for one in agents(span)), None)


def stated(span: Any, name: str, context: Any = None) -> str | None:
    """The ``user_id`` or ``tenant_id`` that the execution context, the call or a scope above it states."""
    data = context.get("data") if isinstance(context, dict) else None
    for table in (data, span.metadata, *(one.metadata for one in above(span))):
        if isinstance(table, dict) and table.get(name) is not None:
            return str(table[name])
    return None
