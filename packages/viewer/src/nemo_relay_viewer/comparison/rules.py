# SPDX-License-Identifier: Apache-2.0
"""What makes a comparison fail: ``--fail-on tools,errors,cost>10%``."""

from __future__ import annotations

import re
from dataclasses import dataclass

from .align import RunDiff

_LIMIT = re.compile(r"(cost|tokens|time|llm)>(\d+(?:\.\d+)?)%")
_WORDS = ("any", "tools", "arguments", "results", "answers", "prompts", "models", "errors", "steps")
_FIELDS = {
    "arguments": ("arguments",),
    "results": ("result",),
    "answers": ("answer",),
    "prompts": ("system prompt", "task", "tools"),
    "models": ("model", "parameters"),
}
_TOTALS = {"cost": ("cost",), "tokens": ("tokens in", "tokens out"), "time": ("seconds",), "llm": ("llm",)}


class RulesError(ValueError):
    """A rule that is none; the message names it and those that there are."""


@dataclass(frozen=True, slots=True)
class Rules:
    """Rules, and what of a comparison breaks them.

    Example:
        >>> from nemo_relay_viewer.comparison import RunDiff
        >>> Rules("tools,cost>10%").broken(RunDiff(totals={"cost": (1.0, 1.2)}))
        ['cost>10%: 1 -> 1.2, +20 %']
    """

    text: str

    def __post_init__(self) -> None:
        """Look at every rule.

        Raises:
            RulesError: one is none.
        """
        for rule in self._rules():
            if rule not in _WORDS and not _LIMIT.fullmatch(rule):
                raise RulesError(f"--fail-on {rule!r}: there is {', '.join(_WORDS)}, cost>10%, tokens>, time>, llm>")

    def _rules(self) -> list[str]:
        return [rule.strip() for rule in self.text.split(",") if rule.strip()]

    def broken(self, found: RunDiff) -> list[str]:
        """The rules that are broken, each with its reason.

        Args:
            found: the comparison.

        Returns:
            One line a broken rule.
        """
        return [why for rule in self._rules() if (why := _broken(rule, found))]


def _broken(rule: str, found: RunDiff) -> str:
    if limit := _LIMIT.fullmatch(rule):
        return _over(rule, limit[1], float(limit[2]), found)
    if rule == "any":
        return f"any: {len(found.changes)} differences" if found.changes else ""
    if rule == "errors":
        was, now = found.totals.get("errors", (0, 0))
        return f"errors: {was:g} -> {now:g}" if now > was else ""
    if rule == "tools":
        changes = [change for change in found.changes if change.kind == "tool" and change.what != "changed"]
    elif rule == "steps":
        changes = [change for change in found.changes if change.what != "changed"]
    else:
        changes = [change for change in found.changed if any(name in change.fields for name in _FIELDS[rule])]
    named = ", ".join(f"{change.name} {change.what}" for change in changes[:5])
    return f"{rule}: {named}" + (f" and {len(changes) - 5} more" if len(changes) > 5 else "") if changes else ""


def _over(rule: str, what: str, limit: float, found: RunDiff) -> str:
    pairs = [found.totals[name] for name in _TOTALS[what] if name in found.totals]
    was, now = sum(pair[0] for pair in pairs), sum(pair[1] for pair in pairs)
    if now <= was * (1 + limit / 100):
        return ""
    more = f"+{(now - was) / was * 100:.0f} %" if was else "new"
    return f"{rule}: {was:g} -> {now:g}, {more}"
