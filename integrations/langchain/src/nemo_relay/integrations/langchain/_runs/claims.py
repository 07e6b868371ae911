# SPDX-License-Identifier: Apache-2.0
"""One physical call, one event: a managed call announces itself to the callbacks that run inside it.

The first model or tool run that starts inside a managed call is that call. Its callbacks then describe the span
that is open already instead of opening a second one. A model run that follows inside the same call (a retry, a
fallback) is an attempt of its own, below it.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any, Literal

from nemo_relay import ToolHandle, scope
from nemo_relay.integrations.langchain._runs.outcomes import Ending
from nemo_relay.integrations.langchain._runs.resolver import current_scope, parent_run
from nemo_relay.integrations.langchain._runs.table import Handle

Kind = Literal["tool", "llm"]


@dataclass(slots=True, eq=False)
class Claim:
    """A managed call that is running."""

    kind: Kind
    name: str
    handle: Handle | None  # None: the span is not open yet, a stream that is about to start opens it
    tool_call_id: str | None = None
    place: int = 0  # the key of the framework's run that makes the call
    run: int | None = None  # the key of the framework's run that is this call
    attempts: int = 0
    covered: bool = False  # a wrapped tool or model has found it: the next one of that name is another call
    ending: Ending | None = None  # how that run ended, as its callbacks tell it
    pending: bool = False  # announced by a wrapped model: each run inside is a call whose span the model opens
    waiting: deque[Any] = field(default_factory=deque)  # the runs that have started inside a pending one
    late: Callable[[Any], Handle] | None = None  # opens the span of a call that a cache answered
    refused: bool = False
    foreign: bool = False  # made by the application: what the callbacks know of it is said at once
    about: dict[str, Any] = field(default_factory=dict)  # what the callbacks know of it, for the end event


_current: ContextVar[Claim | None] = ContextVar("nemo_relay_langchain_managed_call", default=None)
_found: dict[str, Claim] = {}  # calls that the application itself has made managed ones, by the uuid of their span


@contextmanager
def announce(claim: Claim | None) -> Iterator[Claim | None]:
    """Let callbacks inside the block see ``claim``; None hides what is around it."""
    token = _current.set(claim)
    try:
        yield claim
    finally:
        _current.reset(token)


@contextmanager
def outside_managed_calls() -> Iterator[None]:
    """Let callbacks inside the block see no managed call, whatever is running around it."""
    with announce(None):
        yield


def take(
    kind: Kind, key: int, name: str, tool_call_id: str | None = None, parent: int = 0
) -> tuple[Claim | None, bool]:
    """The managed call that the run ``key`` below ``parent`` belongs to, and whether the run *is* that call."""
    claim = _around(kind, name, parent)
    if claim is None or claim.kind != kind:
        return None, False
    if claim.pending:
        return claim, False
    if kind == "tool" and not _names(claim, name, tool_call_id, parent):
        return None, False
    if claim.run is None:
        claim.run = key
    return claim, claim.run == key


def _around(kind: Kind, name: str, place: int) -> Claim | None:
    claim = _current.get()
    own = _of_application(name, place, claim) if kind == "tool" else None
    return own if own is not None else claim


def _of_application(name: str, place: int, claim: Claim | None) -> Claim | None:
    """The call of ``tools.execute`` by which the application itself runs the framework's tool, in a middleware, say."""
    limits = (current_scope(), claim.handle if claim is not None else None)
    span: Any = scope.get_handle()
    while not isinstance(span, ToolHandle):
        if span is None or any(span is limit for limit in limits):
            return None
        span = span.parent
    if span.name != name or any(span is limit for limit in limits):
        return None
    for uuid in [uuid for uuid, known in list(_found.items()) if not getattr(known.handle, "is_open", False)]:
        _found.pop(uuid, None)
    made = Claim("tool", name, span, span.tool_call_id, place, foreign=True)
    return _found.setdefault(span.uuid, made)


def _names(claim: Claim, name: str, tool_call_id: str | None, place: int) -> bool:
    """Whether a tool run is of this call: not another one that its tool makes, whatever its id."""
    same_id = tool_call_id is None or claim.tool_call_id is None or claim.tool_call_id == tool_call_id
    return claim.name == name and same_id and claim.place == place


def enclosing(kind: Kind, name: str, tool_call_id: str | None = None) -> Claim | None:
    """The managed call of that kind which surrounds another layer of the same call; None where there is none."""
    claim = _around(kind, name, parent_run())
    if claim is None or claim.kind != kind or claim.covered:
        return None
    return claim if kind == "llm" or _names(claim, name, tool_call_id, parent_run()) else None


def started_run() -> Any:
    """The run whose stream is about to be opened: LangChain does not tell a model which run it streams for."""
    claim = _current.get()
    if claim is None or not claim.pending:
        return None
    while claim.waiting:
        run = claim.waiting.popleft()
        if run.claim is not None and run.claim.handle is None and run.claim.ending is None:
            return run
    return None
