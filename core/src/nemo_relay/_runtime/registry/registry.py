# SPDX-License-Identifier: Apache-2.0
"""Named, prioritised registrations, global and owned by a scope.

Readers take an immutable snapshot without a lock; writers replace it. The sixteen families are attributes here, in
the order in which they are listed. ``activity`` says, for the hot paths, who could take part in anything at all.

A signal handler or a finaliser may register and deregister at any moment, on the very thread that is doing so: the lock
can be taken again, and what is computed from what is registered is computed again until nothing came in between.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

from nemo_relay._runtime.checks import expect, expect_text
from nemo_relay._runtime.registry.registration import Audience, Entry, Sink, checked_entry
from nemo_relay._runtime.tree.context import standing
from nemo_relay._runtime.tree.spans import ScopeHandle, Span
from nemo_relay.errors import AlreadyRegistered, NotFound

EVERYWHERE: Any = object()  # the scope of a global registration


class Family:
    """One kind of registration."""

    __slots__ = ("entries", "index", "kind", "noun", "snapshot", "version")

    def __init__(self, index: int, kind: str, noun: str = "") -> None:
        self.index = index
        self.kind = kind
        self.noun = noun
        self.entries: dict[str, Entry] = {}
        self.snapshot: tuple[Entry, ...] = ()
        self.version = 0

    def register(
        self,
        name: Any,
        priority: Any,
        fn: Any,
        *,
        break_chain: Any = False,
        scope: Any = EVERYWHERE,
        sink: Sink | None = None,
        owner: tuple[str, int] | None = None,
    ) -> Entry:
        """Check a registration and add it, globally or to what ``scope`` owns.

        Args:
            name: its own name in the family, or in what the scope owns of the family.
            priority: lower ones run first.
            fn: the callback.
            break_chain: whether later entries are skipped once it has run.
            scope: the owning scope.
            sink: takes the line of an event at once, in place of the callback.
            owner: kind and ordinal of the plugin that makes it.

        Raises:
            TypeError, OverflowError: see ``registration.checked_entry``.
            AlreadyRegistered: the name is taken.
            NotFound: the scope is closed, or is none.
        """
        entry = checked_entry(self.kind, name, priority, fn, break_chain)
        entry.sink, entry.owner = sink, owner
        if scope is EVERYWHERE:
            self.add(entry)
            return entry
        span = _owner(scope)
        while True:
            own = local_family(self, span, create=True)
            assert own is not None
            own.add(entry)
            if owns(span, own):  # not dropped meanwhile by another thread that removed the last one
                return entry

    def deregister(self, name: Any, scope: Any = EVERYWHERE) -> bool:
        """Remove the entry of that name; False when there is none."""
        expect_text(name, "name")
        if scope is EVERYWHERE:
            return self.remove(name)
        span = _owner(scope)
        own = local_family(self, span, create=False)
        found = own is not None and own.remove(name)
        if found:
            release(span, only_if_empty=True)
        return found

    def add(self, entry: Entry) -> None:
        """Add ``entry``; raises AlreadyRegistered for a name that is taken."""
        with lock:
            if self.entries.setdefault(entry.name, entry) is not entry:
                raise AlreadyRegistered(entry.name, self.noun)
            self.changed()

    def remove(self, name: str) -> bool:
        """Remove the entry of that name; False when there is none."""
        with lock:
            found = self.entries.pop(name, None) is not None
            if found:
                self.changed()
            return found

    def changed(self) -> None:
        """Make the snapshot anew."""
        self.version += 1
        while True:
            version = self.version
            self.snapshot = tuple(sorted(self.entries.values(), key=_order))
            if version == self.version:
                break
        activity.refresh()


def _order(entry: Entry) -> tuple[int, str]:
    return (entry.priority, entry.name)


def _owner(scope: Any) -> ScopeHandle:
    expect(scope, Span, "ScopeHandle", "scope_handle")
    if not isinstance(scope, ScopeHandle):
        raise NotFound(f"scope {scope.uuid} not found")
    return scope


class LocalRegistrations:
    """What a scope owns: its own families, made when first used, gone with the scope."""

    __slots__ = ("families",)

    def __init__(self) -> None:
        self.families: dict[int, Family] = {}


class Activity:
    """What the hot paths need to know of all families at once. Recomputed on each registration.

    Attributes:
        observed: somebody may hear an event.
        shapes_tools: middleware may take part in a tool call.
        shapes_llms: middleware may take part in an LLM call.
        shapes_events: something may change an event between its emission and its subscribers.
        global_only: no scope owns registrations and no gate switches any off: what is global holds everywhere.
        audience: who hears an event while that is so.
        owners: the scopes that own registrations.
        changes: how often the owners have changed; what is remembered of them holds for one count.
    """

    __slots__ = (
        "audience",
        "changes",
        "global_only",
        "observed",
        "owners",
        "shapes_events",
        "shapes_llms",
        "shapes_tools",
        "version",
    )

    def __init__(self) -> None:
        self.observed = self.shapes_tools = self.shapes_llms = self.shapes_events = False
        self.global_only = True
        self.audience: Audience | None = None
        self.owners: set[Span] = set()
        self.changes = 0
        self.version = 0

    def refresh(self) -> None:
        """Recompute everything from what is registered now."""
        self.version += 1
        while True:
            version = self.version
            self._compute()
            if version == self.version:
                return

    def _compute(self) -> None:
        self.global_only = global_only = not self.owners and gate_filter is None
        self.audience = Audience(subscribers.snapshot) if subscribers.snapshot else None
        self.observed = not global_only or self.audience is not None
        self.shapes_tools = not global_only or any(family.snapshot for family in TOOL_FAMILIES)
        self.shapes_llms = not global_only or any(family.snapshot for family in LLM_FAMILIES)
        self.shapes_events = not global_only or any(family.snapshot for family in TRANSFORMS)

    def owners_changed(self, span: Span, *, owns: bool) -> None:
        """``span`` owns its first registration, or none any more."""
        (self.owners.add if owns else self.owners.discard)(span)
        self.changes += 1
        self.refresh()


lock = threading.RLock()
activity = Activity()

_KINDS = (
    "subscriber",
    "event_metadata_injector",
    "mark_sanitize_guardrail",
    "scope_sanitize_start_guardrail",
    "scope_sanitize_end_guardrail",
    "tool_sanitize_request_guardrail",
    "tool_sanitize_response_guardrail",
    "tool_conditional_execution_guardrail",
    "tool_request_intercept",
    "tool_execution_intercept",
    "llm_sanitize_request_guardrail",
    "llm_sanitize_response_guardrail",
    "llm_conditional_execution_guardrail",
    "llm_request_intercept",
    "llm_execution_intercept",
    "llm_stream_execution_intercept",
)
FAMILIES = tuple(Family(i, kind, "subscriber " if i == 0 else "") for i, kind in enumerate(_KINDS))
(
    subscribers,
    injectors,
    mark_sanitizers,
    start_sanitizers,
    end_sanitizers,
    tool_request_sanitizers,
    tool_response_sanitizers,
    tool_guardrails,
    tool_request_intercepts,
    tool_execution_intercepts,
    llm_request_sanitizers,
    llm_response_sanitizers,
    llm_guardrails,
    llm_request_intercepts,
    llm_execution_intercepts,
    llm_stream_intercepts,
) = FAMILIES
# Sanitizers shape what observers see; a call nobody observes does not meet them.
TOOL_FAMILIES = (tool_guardrails, tool_request_intercepts, tool_execution_intercepts)
LLM_FAMILIES = (llm_guardrails, llm_request_intercepts, llm_execution_intercepts, llm_stream_intercepts)
TRANSFORMS = (
    injectors,
    mark_sanitizers,
    start_sanitizers,
    end_sanitizers,
    tool_request_sanitizers,
    tool_response_sanitizers,
    llm_request_sanitizers,
    llm_response_sanitizers,
)

# Set by ``gates`` while a gate is registered: filters what a snapshot of global entries lets through.
gate_filter: Callable[[Family, tuple[Entry, ...]], tuple[Entry, ...]] | None = None


def visible(family: Family, span: Span) -> tuple[Entry, ...]:
    """The entries of ``family`` that apply to work at ``span``, in the order they run."""
    entries = family.snapshot
    if activity.global_only:
        return entries
    if gate_filter is not None and entries:
        entries = gate_filter(family, entries)
    if not activity.owners:
        return entries
    local = _local_entries(family, span)
    if not local:
        return entries
    # A stable sort keeps the rule for ties: globals first, then the scopes' own from the outermost inwards.
    key = _order if family is injectors else _priority
    return tuple(sorted((*entries, *local), key=key))


def audience(span: Span) -> Audience | None:
    """Who hears of an event emitted at ``span``; None when nobody does."""
    if activity.global_only:
        return activity.audience
    entries = visible(subscribers, span)
    return Audience(entries) if entries else None


def _priority(entry: Entry) -> int:
    return entry.priority


def _local_entries(family: Family, span: Span) -> list[Entry]:
    local = [owner.local for owner in reversed(_owners_here(span))]
    families = [own.families.get(family.index) for own in local if own is not None]
    return [entry for own in families if own is not None for entry in own.snapshot]


def _owners_here(span: Span) -> tuple[Span, ...]:
    """The scopes whose registrations apply to work at ``span`` that is started here, from the innermost outwards."""
    of_span = owners(span)
    here = standing()
    if here is None or here is span:
        return of_span
    # A call that names a parent elsewhere still stands here: a policy is not left by naming another parent.
    of_here = owners(here)
    if set(of_here).issubset(of_span):
        return of_span
    return of_here if set(of_span).issubset(of_here) else tuple(dict.fromkeys((*of_span, *of_here)))


def owners(span: Span) -> tuple[Span, ...]:
    """Which of ``span`` and the spans it stands in own registrations, from the innermost outwards.

    Each span remembers the answer, so a new one asks its parent alone, however deep it stands.
    """
    changes = activity.changes
    waiting = [span]
    while waiting:
        at = waiting[-1]
        above = [up for up in (at.via, at.parent_span) if up is not None]
        missing = [up for up in above if up.owners_seen is None or up.owners_seen[0] != changes]
        if missing:
            waiting += missing
            continue
        waiting.pop()
        own = (at,) if at.local is not None else ()
        found: tuple[Span, ...] = own
        for up in above:
            assert up.owners_seen is not None
            found += up.owners_seen[1]
        at.owners_seen = (changes, tuple(dict.fromkeys(found)))
    assert span.owners_seen is not None
    answer: tuple[Span, ...] = span.owners_seen[1]
    return answer


def remember_place(span: Span) -> None:
    """``span`` is about to become the current one: what owned registrations here goes on to hold inside it."""
    here = standing()
    if here is not None and here is not span.parent_span:
        span.via = here
        span.owners_seen = None


def local_family(family: Family, span: Span, *, create: bool) -> Family | None:
    """The family that ``span`` owns itself.

    Raises:
        NotFound: the scope is closed.
    """
    if not span.is_open:
        raise NotFound(f"scope {span.uuid} not found")
    with lock:
        local = span.local
        if not create:
            return None if local is None else local.families.get(family.index)
        if local is None:
            made = LocalRegistrations()
            local = span.local = span.local or made
        own = local.families.setdefault(family.index, Family(family.index, family.kind, family.noun))
        if span not in activity.owners:
            activity.owners_changed(span, owns=True)
    return own


def release(span: Span, *, only_if_empty: bool = False) -> None:
    """Drop what ``span`` owns: it has ended, or what it owned has been removed again."""
    with lock:
        if only_if_empty and span.local is not None and any(own.entries for own in span.local.families.values()):
            return
        span.local = None
        activity.owners_changed(span, owns=False)


def owns(span: Span, family: Family) -> bool:
    """Whether ``family`` is (still) what ``span`` owns."""
    local = span.local
    return local is not None and local.families.get(family.index) is family


def set_aside() -> Callable[[], None]:
    """Leave no global registration; the returned call restores those that there were."""
    with lock:
        kept = [family.entries for family in FAMILIES]
        _install([{} for _ in FAMILIES])

    def restore() -> None:
        with lock:
            _install(kept)

    return restore


def _install(entries: list[dict[str, Entry]]) -> None:
    for family, own in zip(FAMILIES, entries, strict=True):
        family.entries = own
        family.changed()


def renew_lock() -> None:
    """A forked child cannot wait for a thread that only its parent has."""
    global lock
    lock = threading.RLock()
