# SPDX-License-Identifier: Apache-2.0
"""Gates: callbacks that switch a global registration off for one operation; and the list of what is registered.

The registry asks ``filter_entries`` only while there is a gate, and most snapshots contain nothing that one is for.
"""

from __future__ import annotations

import traceback
from collections.abc import Callable
from contextvars import ContextVar
from typing import Any, TypedDict
from urllib.parse import quote

from nemo_relay._runtime import guard
from nemo_relay._runtime.log import faults
from nemo_relay._runtime.registry import registry
from nemo_relay._runtime.registry.registration import Entry
from nemo_relay._runtime.registry.registry import Family
from nemo_relay.errors import AlreadyRegistered, InvalidArgument


class Gate:
    """One gate: for which registration, and who decides."""

    __slots__ = ("fn", "kinds", "members", "name", "target")

    def __init__(
        self, name: str, members: set[Any], kinds: frozenset[str], target: str, fn: Callable[..., Any]
    ) -> None:
        self.name = name
        self.members = members  # as the application gave them: what the callback gets
        self.kinds = kinds
        self.target = target
        self.fn = fn


class Owner(TypedDict):
    """Who made a registration."""

    kind: str
    plugin_kind: str | None
    component_ordinal: int | None


class Record(TypedDict):
    """One registration, as ``_native.list_runtime_registrations`` gives it."""

    kind: str
    local_name: str
    effective_name: str
    owner: Owner


_gates: dict[str, Gate] = {}
_by_target: dict[tuple[str, str], tuple[Gate, ...]] = {}
_version = 0

# A gate's own events and calls are not gated: they would ask it again, for ever.
_asking: ContextVar[bool] = ContextVar("nemo_relay_gate_asking", default=False)


def checked(name: str, members: set[Any], kinds: frozenset[str], target: str, fn: Callable[..., Any]) -> Gate:
    """A gate, not yet added. Raises InvalidArgument without kinds."""
    if not kinds:
        raise InvalidArgument("conditional middleware guardrail kinds must not be empty")
    return Gate(name, members, kinds, target, fn)


def add(name: str, members: set[Any], kinds: frozenset[str], target: str, fn: Callable[..., Any]) -> None:
    """Add a gate. Raises InvalidArgument without kinds, AlreadyRegistered for a name that is taken."""
    made = checked(name, members, kinds, target, fn)
    with registry.lock:
        if _gates.setdefault(name, made) is not made:
            raise AlreadyRegistered(name, "conditional middleware guardrail ")
        _changed()


def exchange(out: list[Gate], into: list[Gate]) -> None:
    """Remove the gates ``out`` and add ``into``. Raises AlreadyRegistered for a name that is taken; then nothing has
    changed."""
    with registry.lock:
        taken = {name for name, gate in _gates.items() if gate not in out}
        for gate in into:
            if gate.name in taken:
                raise AlreadyRegistered(gate.name, "conditional middleware guardrail ")
        for gate in out:
            if _gates.get(gate.name) is gate:
                del _gates[gate.name]
        _gates.update({gate.name: gate for gate in into})
        if out or into:
            _changed()


def remove(name: str) -> bool:
    """Remove a gate; False when there is none of that name."""
    with registry.lock:
        found = _gates.pop(name, None) is not None
        if found:
            _changed()
        return found


def set_aside() -> Callable[[], None]:
    """Leave no gate; the returned call restores those that there were."""
    global _gates
    with registry.lock:
        kept, _gates = _gates, {}
        _changed()

    def restore() -> None:
        global _gates
        with registry.lock:
            _gates = kept
            _changed()

    return restore


def _changed() -> None:
    global _by_target, _version
    _version += 1
    while True:
        version = _version
        by_target: dict[tuple[str, str], tuple[Gate, ...]] = {}
        for _, gate in sorted(_gates.items()):
            for kind in gate.kinds:
                key = (kind, gate.target)
                by_target[key] = (*by_target.get(key, ()), gate)
        _by_target = by_target
        registry.gate_filter = filter_entries if by_target else None
        if version == _version:  # no signal handler came in between
            break
    registry.activity.refresh()


def filter_entries(family: Family, entries: tuple[Entry, ...]) -> tuple[Entry, ...]:
    """``entries`` without those that a gate switches off now."""
    kind, by_target = family.kind, _by_target
    if _asking.get() or not any((kind, entry.name) in by_target for entry in entries):
        return entries
    return tuple(entry for entry in entries if not _is_off(by_target.get((kind, entry.name), ()), entry.name))


def _is_off(gates: tuple[Gate, ...], target: str) -> bool:
    return any(_switches_off(gate, target) for gate in gates)


def _switches_off(gate: Gate, target: str) -> bool:
    token = _asking.set(True)
    try:
        reason = gate.fn(set(gate.members), target)
        if reason is not None and not isinstance(reason, str):
            if hasattr(reason, "close"):
                reason.close()  # a coroutine that nobody will await
            raise TypeError(f"gate {gate.name!r} must return a string or None, not {type(reason).__name__!r}")
    except BaseException as error:
        guard.pass_on(error)
        _complain(gate, error)
        return False
    finally:
        _asking.reset(token)
    return reason is not None


def _complain(gate: Gate, error: BaseException) -> None:
    kind = f"gate_failed:{gate.name}:{type(error).__name__}"
    faults.counts[kind] += 1
    if faults.counts[kind] == 1:
        faults.write("".join(traceback.format_exception(error)).rstrip())


def listed(kinds: set[str] | None) -> list[Record]:
    """The global registrations of ``kinds``, all when None.

    Raises:
        ValueError: a kind that does not exist.
    """
    known = {family.kind for family in registry.FAMILIES}
    for kind in sorted(kinds or ()):
        if kind not in known:
            raise ValueError(f"unknown runtime registration kind: {kind}")
    return [
        _record(family, entry)
        for family in registry.FAMILIES
        if kinds is None or family.kind in kinds
        for entry in sorted(family.snapshot, key=lambda entry: entry.name)
    ]


def _record(family: Family, entry: Entry) -> Record:
    if entry.owner is None:
        owner = Owner(kind="global_api", plugin_kind=None, component_ordinal=None)
        return Record(kind=family.kind, local_name=entry.name, effective_name=entry.name, owner=owner)
    plugin, ordinal = entry.owner
    owner = Owner(kind="plugin", plugin_kind=plugin, component_ordinal=ordinal)
    prefix = f"nemo-relay-plugin.v1.{quote(plugin, safe='')}:{ordinal}:"
    return Record(kind=family.kind, local_name=entry.name.removeprefix(prefix), effective_name=entry.name, owner=owner)
