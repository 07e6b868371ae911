# SPDX-License-Identifier: Apache-2.0
"""The rules at work: which of them are for a call, and what they make of it."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from functools import lru_cache
from typing import Any, NamedTuple

import msgspec

from nemo_relay_guard.conditions import Patterns, PatternSet, PatternTest, condition, globs
from nemo_relay_guard.edits import Edit, edit_of
from nemo_relay_guard.models import Config
from nemo_relay_guard.models import Rule as Given


class Subject(NamedTuple):
    """What is judged: ``on`` a tool's arguments, its result, a request or an answer; by whom it is wanted."""

    on: str
    name: str  # the tool, or the provider
    model: str | None = None
    agent: str | None = None


class Rule:
    """One rule, compiled."""

    __slots__ = ("conditions", "edit", "given", "matches_agent", "name", "version")

    def __init__(self, given: Given, patterns: Patterns | None = None) -> None:
        self.given = given
        self.name = f"guard:{given.name}"
        self.version = version_of(given.model_dump(mode="json", by_alias=True, exclude_unset=True))
        self.conditions = tuple(condition(one, patterns) for one in given.where)
        self.matches_agent = None if given.agents is None else globs(given.agents)
        self.edit: Edit | None = edit_of(given)

    def is_for(self, name: str, model: str | None) -> bool:
        """Whether it looks at calls of that tool, or of that provider and model, at all."""
        given = self.given
        names = given.tools if given.on.startswith("tool") else given.providers
        if names is not None and not globs(names)(name):
            return False
        return given.models is None or (model is not None and bool(globs(given.models)(model)))

    def shortcut(self) -> tuple[Callable[[Any], bool] | None, PatternSet | None, int]:
        """Its only condition, where it has no other: a function, or a set of patterns and the number in it."""
        if self.matches_agent is not None or len(self.conditions) != 1:
            return None, None, 0
        only = self.conditions[0]
        return (None, only.of, only.number) if isinstance(only, PatternTest) else (only, None, 0)

    def holds_agent(self, agent: Callable[[], str | None]) -> bool:
        """Whether the nearest agent is one that it is for."""
        return self.matches_agent is None or bool(self.matches_agent(agent() or ""))

    def holds(self, value: Any, agent: Callable[[], str | None]) -> bool:
        """Whether all of its conditions hold."""
        if self.matches_agent is not None and not self.holds_agent(agent):
            return False
        return all(holds(value) for holds in self.conditions)


# The rules for a call, and how each of them is asked: by one function, by a set of patterns, or by itself.
Step = tuple[Rule, Callable[[Any], bool] | None, PatternSet | None, int]
Plan = tuple[tuple[Rule, ...], tuple[Step, ...]]


class Judgement:
    """What the rules made of a call: who ended the matter and how, what was changed, and who looked at it."""

    __slots__ = ("applied", "looked", "reason", "rule", "value", "verdict")

    def __init__(self, value: Any, looked: tuple[Rule, ...]) -> None:
        self.value = value
        self.looked = looked
        self.applied: list[tuple[Rule, str]] = []  # in their order; the last may be the one that ended it
        self.verdict = "allow"
        self.rule: Rule | None = None
        self.reason = ""

    def end(self, verdict: str, rule: Rule | None, reason: str) -> Judgement:
        """Note who ended the matter."""
        self.verdict, self.rule, self.reason = verdict, rule, reason
        if rule is not None:
            self.applied.append((rule, verdict))
        return self


class Rules:
    """All rules of a configuration."""

    def __init__(self, config: Config) -> None:
        patterns = Patterns()
        self.rules = tuple(Rule(given, patterns) for given in config.rules)
        patterns.freeze()
        self._default = config.default
        self._on_error = config.on_error
        self.plan = lru_cache(maxsize=4_096)(self._plan)

    def on(self, *surfaces: str) -> tuple[Rule, ...]:
        """The rules on those surfaces."""
        return tuple(rule for rule in self.rules if rule.given.on in surfaces)

    def for_call(self, on: str, name: str, model: str | None) -> tuple[Rule, ...]:
        """The rules that look at such a call."""
        return self.plan(on, name, model)[0]

    def _plan(self, on: str, name: str, model: str | None) -> Plan:
        looked = tuple(rule for rule in self.rules if rule.given.on == on and rule.is_for(name, model))
        return looked, tuple((rule, *rule.shortcut()) for rule in looked)

    def judge(
        self,
        on: str,
        name: str,
        value: Any,
        *,
        model: str | None = None,
        agent: Callable[[], str | None] = lambda: None,
        approved: frozenset[str] = frozenset(),
    ) -> Judgement:
        """What becomes of a call.

        Args:
            on: the surface.
            name: the tool or the provider.
            value: the arguments, the result, the request or the answer, as JSON.
            model: of an LLM call.
            agent: gives the nearest agent's name.
            approved: the rules that a human has overruled.
        """
        looked, plan = self.plan(on, name, model)
        found = Judgement(value, looked)
        matched: dict[Any, frozenset[int]] = {}
        for rule, alone, together, number in plan:
            try:
                # This runs for every rule of every call: what a set of patterns has found is asked for once.
                if together is not None:
                    hits = matched.get(together)
                    if hits is None:
                        hits = matched[together] = together.found(found.value)
                    if number not in hits:
                        continue
                elif alone is not None:
                    if not alone(found.value):
                        continue
                elif not rule.holds(found.value, agent):
                    continue
                verdict = rule.given.verdict
                if rule.edit is not None:
                    changed = rule.edit(found.value)
                    if changed is not found.value:
                        found.value = changed
                        matched.clear()
                        found.applied.append((rule, verdict))
                    continue
            except Exception as error:
                if self._on_error == "deny":
                    return found.end("deny", rule, f"the rule {rule.given.name!r} failed: {type(error).__name__}")
                continue
            if verdict == "ask" and rule.name in approved:
                verdict = "allow"
            return found.end(verdict, rule, rule.given.reason or f"the rule {rule.given.name!r} does not allow it")
        if self._default == "deny" and on in ("tool", "llm"):
            return found.end("deny", None, "no rule allows it")
        return found


def version_of(document: Any) -> str:
    """``sha256:`` and the digest of the canonical JSON of ``document``."""
    return f"sha256:{hashlib.sha256(msgspec.json.encode(document, order='sorted')).hexdigest()}"
