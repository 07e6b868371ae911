# SPDX-License-Identifier: Apache-2.0
"""The marks that guards leave: who looked at what, how much of it, and what became of it. No content."""

from __future__ import annotations

import hashlib
from typing import Any, NamedTuple

import msgspec

from nemo_relay import scope

MARK = "nemo_relay.guard.receipt"
_MOST = 8  # rules that let a call pass get a receipt each; of more there is one for all of them


class Ran(NamedTuple):
    """A guard that looked at a call, and its verdict."""

    guard: str
    version: str
    verdict: str


class Seen(NamedTuple):
    """What guards looked at."""

    digest: str
    bytes: int
    of: int


def seen(value: Any) -> Seen:
    """``value`` as its digest and size, in canonical JSON."""
    try:
        text = msgspec.json.encode(value, order="sorted")
    except (TypeError, ValueError, RecursionError):
        text = repr(type(value)).encode()
    return Seen(f"sha256:{hashlib.sha256(text).hexdigest()}", len(text), len(text))


def receipts(
    on: str,
    ran: list[Ran],
    passed: list[Ran],
    looked_at: Seen,
    micros: int,
    *,
    call: str | None,
    tool_call_id: str | None,
) -> list[dict[str, Any]]:
    """The payloads of the marks.

    Args:
        on: the surface.
        ran: the guards with a verdict of their own.
        passed: those that let the call pass.
        looked_at: what they looked at.
        micros: how long all of them took.
        call: the uuid of the call; None where it was refused before it began.
        tool_call_id: of a tool call.
    """
    shared = {
        "on": on,
        "call": call,
        "tool_call_id": tool_call_id,
        "digest": looked_at.digest,
        "coverage": {"bytes": looked_at.bytes, "of": looked_at.of},
        "micros": micros,
    }
    shown = list(ran)
    if len(passed) <= _MOST:
        shown += passed
    made: list[dict[str, Any]] = [
        {"guard": one.guard, "version": one.version, "verdict": one.verdict, **shared} for one in shown
    ]
    if len(passed) > _MOST:
        names = [one.guard for one in passed]
        version = f"sha256:{hashlib.sha256(''.join(one.version for one in passed).encode()).hexdigest()}"
        made.append({"guard": "guard:*", "guards": names, "version": version, "verdict": "allow", **shared})
    return made


def leave(payloads: list[dict[str, Any]], where: Any) -> None:
    """Emit ``payloads`` under the span ``where``."""
    for payload in payloads:
        scope.event(MARK, handle=where, data=payload, category="guardrail")
