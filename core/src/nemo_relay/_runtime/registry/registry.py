# SPDX-License-Identifier: Apache-2.0
"""Named, prioritised registrations, global and owned by a scope.

Readers take an immutable snapshot without a lock; writers replace it. The sixteen families are attributes here, in
the order in which they are listed. ``quiet`` says, for the hot paths, that nothing at all could take part in a call.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

from nemo_relay._runtime.tree.context import standing
from nemo_relay._runtime.tree.spans import Span, is_within
from nemo_relay.errors import AlreadyRegistered, NotFound

Callback = Callable[..., Any]


class Entry:
    """One registration: its callback and what was found out about it when it was registered."""

    __slots__ = ("break_chain", "fn", "form", "is_async", "loop", "name", "owner", "priority", "sink")

    def __init__(self, name: str, priority: int, fn: Any, *, break_chain: bool = False, form: int = 0) -> None:
        self.name = name
        self.priority = priority
        self.fn = fn
        self.break_chain = break_chain
        self.form = form  # which published generation's parameter list the callback takes
        self.is_async = False
        self.loop: Any = None  # the event loop that was running when it was registered
        self.owner: tuple[str, int] | None = None  # (plugin kind, ordinal) of the plugin that made it
        self.sink: Callable[[bytes], None] | None = None  # takes the event's line on the emitter's thread


class Family:
    """One kind of registration."""

    __slots__ = ("entries", "index", "kind", "noun", "snapshot")

    def __init__(self, index: int, kind: str, noun: str = "") -> None:
        self.index = index
        self.kind = kind
        self.noun = noun
        self.entries: dict[str, Entry] = {}
        self.snapshot: tuple[Entry, ...] = ()

    def add(self, entry: Entry) -> None:
        """Add ``entry``; raises AlreadyRegistered for a name that is taken."""
        with lock:
            if entry.name in self.entries:
                raise AlreadyRegistered(entry.name, self.noun)
            self.entries[entry.name] = entry
            self._changed()

    def remove(self, name: str) -> bool:
        """Remove the entry of that name; False when there is none."""
        with lock:
            found = self.entries.pop(name, None) is not None
            if found:
                self._changed()
            return found

    def _changed(self) -> None:
        self.snapshot = tuple(sorted(self.entries.values(), key=_order))
        quiet.refresh()


def _order(entry: Entry) -> tuple[int, str]:
    return (entry.priority, entry.name)


class LocalRegistrations:
    """What a scope owns: its own families, made when first used, gone with the scope."""

    __slots__ = ("families",)

    def __init__(self) -> None:
        self.families: dict[int, Family] = {}


class Audience:
    """Who hears of an event: sinks take its line at once, on the emitter's thread; callbacks get it from the queue."""

    __slots__ = ("callbacks", "sinks")

    def __init__(self, entries: tuple[Entry, ...]) -> None:
        self.sinks = tuple(entry.sink for entry in entries if entry.sink is not None)
        self.callbacks = tuple(entry for entry in entries if entry.sink is None)


class _Quiet:
    """What the hot paths need to know of all families at once. Recomputed on each registration."""

    __slots__ = ("alone", "audience", "events", "llms", "locals", "plain", "tools")

    def __init__(self) -> None:
        self.events = True  # no subscriber: an event would be heard by nobody
        self.tools = True  # no middleware shapes a tool call
        self.llms = True
        self.plain = True  # nothing changes an event between its emission and its subscribers
        self.locals = 0  # how many scopes own registrations
        self.alone = True  # no scope owns any and no gate switches any off: what is global holds everywhere
        self.audience: Audience | None = None  # who hears an event when no scope owns a subscriber

    def refresh(self) -> None:
        alone = self.alone = self.locals == 0 and gate_filter is None
        self.audience = Audience(subscribers.snapshot) if subscribers.snapshot else None
        self.events = alone and self.audience is None
        self.tools = alone and not any(family.snapshot for family in TOOL_FAMILIES)
        self.llms = alone and not any(family.snapshot for family in LLM_FAMILIES)
        self.plain = alone and not any(family.snapshot for family in TRANSFORMS)


lock = threading.Lock()
quiet = _Quiet()

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
    if quiet.alone:
        return entries
    if gate_filter is not None and entries:
        entries = gate_filter(family, entries)
    if not quiet.locals:
        return entries
    local = _local_entries(family, span)
    if not local:
        return entries
    # A stable sort keeps the rule for ties: globals first, then the scopes' own from the outermost inwards.
    key = _order if family is injectors else _priority
    return tuple(sorted((*entries, *local), key=key))


def audience(span: Span) -> Audience | None:
    """Who hears of an event emitted at ``span``; None when nobody does."""
    if quiet.alone:
        return quiet.audience
    entries = visible(subscribers, span)
    return Audience(entries) if entries else None


def _priority(entry: Entry) -> int:
    return entry.priority


def _local_entries(family: Family, span: Span) -> list[Entry]:
    here = standing()
    if here is None or is_within(span, here):
        chain = _lineage(span, {})
    elif is_within(here, span):
        chain = _lineage(here, {})
    else:
        # A call that names a parent elsewhere still stands here: a policy is not left by naming another parent.
        chain = _lineage(here, _lineage(span, {}))
    layers = [
        owner.local.families[family.index].snapshot
        for owner in chain.values()
        if owner.local is not None and family.index in owner.local.families
    ]
    return [entry for layer in reversed(layers) for entry in layer]


def _lineage(span: Span | None, chain: dict[int, Span]) -> dict[int, Span]:
    """``span`` and what it stands in, from the innermost outwards, behind what is in ``chain``."""
    while span is not None and id(span) not in chain:
        chain[id(span)] = span
        via = getattr(span, "via", None)
        if via is not None:
            _lineage(via, chain)
        span = span.parent_span
    return chain


def remember_place(span: Span) -> None:
    """``span`` is about to become the current one: what owned registrations here goes on to hold inside it."""
    here = standing()
    if here is not None and here is not span.parent_span:
        span.via = here


def local_family(family: Family, span: Span, *, create: bool) -> Family | None:
    """The family that ``span`` owns itself.

    Raises:
        NotFound: the scope is closed.
    """
    if not span.is_open:
        raise NotFound(f"scope {span.uuid} not found")
    if span.local is None:
        if not create:
            return None
        span.local = LocalRegistrations()
    with lock:
        own = span.local.families.get(family.index)
        if own is None and create:
            quiet.locals += not span.local.families
            own = span.local.families[family.index] = Family(family.index, family.kind, family.noun)
            quiet.refresh()
    return own


def release(span: Span, *, only_if_empty: bool = False) -> None:
    """Drop what ``span`` owns: it has ended, or what it owned has been removed again."""
    with lock:
        families = {} if span.local is None else span.local.families
        if only_if_empty and any(own.entries for own in families.values()):
            return
        if families:
            quiet.locals -= 1
        span.local = None
        quiet.refresh()


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
        family._changed()


def renew_lock() -> None:
    """A forked child cannot wait for a thread that only its parent has."""
    global lock
    lock = threading.Lock()
