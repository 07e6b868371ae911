# SPDX-License-Identifier: Apache-2.0
"""Budgets: what may be spent, and the call that would break one is refused before it is made."""

from __future__ import annotations

import os
import threading
from collections import OrderedDict
from collections.abc import Callable
from time import monotonic, time
from typing import Any, NamedTuple

from nemo_relay_guard import spans
from nemo_relay_guard.conditions import globs
from nemo_relay_guard.errors import Overspent
from nemo_relay_guard.models import Budget as Given
from nemo_relay_guard.rules import version_of
from nemo_relay_guard.stores import Amounts, Store

_DAY = 86_400.0
_LEAST = {"tokens": 1.0, "usd": 1e-6}  # of a call of which nothing is known yet
_COUNTED = ("usd", "tokens", "llm_calls", "tool_calls")
_MOST_KEPT = 4_096


class Call(NamedTuple):
    """A call that is about to be made."""

    span: Any
    kind: str  # tool or llm
    name: str
    value: Any
    most: Amounts  # what it may take at most, where it says
    context: Any = None  # what its caller gave as execution context


class Reservation(NamedTuple):
    """What a call under way holds of a budget."""

    keys: list[str]
    amounts: Amounts


class Budget:
    """One budget."""

    def __init__(self, given: Given, store: Store) -> None:
        self.given = given
        self.name = f"guard:{given.name}"
        self.version = version_of(given.model_dump(mode="json", exclude_unset=True, exclude={"backend"}))
        self.store = store
        limits = given.limit.model_dump(exclude_none=True)
        self._limits: Amounts = {kind: float(limits[kind]) for kind in _COUNTED if kind in limits}
        self._others: dict[str, Any] = {
            kind: limits[kind] for kind in ("seconds", "depth", "repeats") if kind in limits
        }
        self._is_for: Callable[[str], object] | None = None if given.tools is None else globs(given.tools)
        self._means: Amounts = {}
        self._ended = 0
        self._repeats: OrderedDict[str, tuple[Any, int]] = OrderedDict()
        self._began: OrderedDict[str, float] = OrderedDict()
        self._lock = threading.Lock()

    def covers(self, kind: str, name: str) -> bool:
        """Whether it counts such a call."""
        if self._is_for is not None:
            return kind == "tool" and self._is_for(name) is not None
        return any(limit not in ("tool_calls", "llm_calls") or limit == f"{kind}_calls" for limit in self._all_limits())

    def refusal(self, call: Call) -> Overspent | None:
        """Why ``call`` would break it; None where it would not."""
        keys = self._keys(call)
        found = self._other_refusal(call, keys)
        if found is not None or not self._limits:
            return found
        amounts = self._expected(call)
        for key in keys:
            missing = self.store.fits(key, amounts, self._limits)
            if missing is not None:
                return self._overspent(*missing)
        return None

    def take(self, call: Call) -> Reservation | Overspent:
        """Hold what ``call`` may take, or say why it would break the budget; one step, whoever else is at it."""
        amounts = self._expected(call) if self._limits else {}
        taken: list[str] = []
        for key in self._keys(call) if amounts else ():
            missing = self.store.take(key, amounts, self._limits, self._ttl())
            if missing is not None:
                for held in taken:
                    self.store.settle(held, amounts, {}, self._ttl())
                return self._overspent(*missing)
            taken.append(key)
        return Reservation(taken, amounts)

    def settle(self, held: Reservation, spent: Amounts) -> None:
        """Count what the call took in place of what was held for it."""
        if not held.keys:
            return
        self._learn(spent)
        counted = {kind: amount for kind, amount in spent.items() if kind in self._limits}
        for key in held.keys:
            self.store.settle(key, held.amounts, counted, self._ttl())

    def note(self, call: Call) -> None:
        """A call that nothing has refused: it may be one of a row of equal ones."""
        if call.kind == "tool" and "repeats" in self._others:
            with self._lock:
                key, digest = self._keys(call)[0], (call.name, version_of(call.value))
                before, count = self._repeats.pop(key, (None, 0))
                self._repeats[key] = (digest, count + 1 if before == digest else 1)
                while len(self._repeats) > _MOST_KEPT:
                    self._repeats.popitem(last=False)

    def _all_limits(self) -> list[str]:
        return [*self._limits, *self._others]

    def _overspent(self, kind: str, spent: float) -> Overspent:
        limit = self._limits[kind] if kind in self._limits else self._others[kind]
        return Overspent.of(self.given.name, kind, limit, spent, asks=self.given.verdict == "ask")

    def _expected(self, call: Call) -> Amounts:
        amounts: Amounts = {}
        for kind in self._limits:
            if kind == f"{call.kind}_calls":
                amounts[kind] = 1.0
            elif call.kind == "llm" and kind in _LEAST:
                amounts[kind] = max(self._means.get(kind) or call.most.get(kind, 0.0), _LEAST[kind])
        return amounts

    def _learn(self, spent: Amounts) -> None:
        if "tokens" in spent or "usd" in spent:
            with self._lock:
                self._ended += 1
                for kind in _LEAST:
                    mean = self._means.get(kind, 0.0)
                    self._means[kind] = mean + (spent.get(kind, mean) - mean) / self._ended

    def _other_refusal(self, call: Call, keys: list[str]) -> Overspent | None:
        inside = spans.agents(call.span)
        if "depth" in self._others and len(inside) > self._others["depth"]:
            return self._overspent("depth", len(inside))
        if "seconds" in self._others:
            for key in keys:
                passed = monotonic() - self._first_seen(key)
                if passed > self._others["seconds"]:
                    return self._overspent("seconds", round(passed, 3))
        if "repeats" in self._others and call.kind == "tool":
            digest, count = self._repeats.get(keys[0], (None, 0))
            if count >= self._others["repeats"] and digest == (call.name, version_of(call.value)):
                return self._overspent("repeats", count)
        return None

    def _first_seen(self, key: str) -> float:
        with self._lock:
            began = self._began.setdefault(key, monotonic())
            while len(self._began) > _MOST_KEPT:
                self._began.popitem(last=False)
            return began

    def _ttl(self) -> float:
        return max(_DAY, 2 * (self.given.window or 0.0))

    def _keys(self, call: Call) -> list[str]:
        """What is counted together: for agents each that the call runs in, so a crew's calls are its leader's too."""
        given, span = self.given, call.span
        if given.per == "agent":
            owners = [f"agent:{one.uuid}" for one in spans.agents(span)] or [f"session:{_session(span)}"]
        elif given.per == "session":
            owners = [f"session:{_session(span)}"]
        elif given.per == "process":
            owners = [f"process:{os.getpid()}"]
        else:
            owners = [f"{given.per}:{spans.stated(span, f'{given.per}_id', call.context) or ''}"]
        window = "" if given.window is None else f":{int(time() // given.window)}"
        return [f"{given.name}:{owner}{window}" for owner in owners]


def _session(span: Any) -> str:
    root = [span, *spans.above(span)][-1]
    return str(getattr(span, "session", None) or root.uuid)
