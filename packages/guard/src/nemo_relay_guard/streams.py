# SPDX-License-Identifier: Apache-2.0
"""A stream as its consumer may see it: text is held back until the rules have looked at enough of it.

What was held and taken out is never in the consumer's hands. Chunks without text pass at once and as they are, as do
those whose text is let go unchanged.
"""

from __future__ import annotations

import hashlib
import re
from copy import deepcopy
from time import perf_counter_ns
from typing import Any

from nemo_relay.errors import GuardrailRejected
from nemo_relay_guard.receipts import Ran, Seen
from nemo_relay_guard.rules import Rule
from nemo_relay_guard.slots import Slot, closes, endings, slots, whole_texts

_SENTENCE = re.compile(r"(?s:.*)(?:[.!?](?=\s)|[\u3002\uff01\uff1f]|\n\n)")
_MOST_HELD = 65_536  # characters: a text without a sentence's end is let go in pieces of that size


class Held:
    """One stream on its way.

    Args:
        rules: those on ``llm_response`` that are for the call, in their order.
        enforces: whether their verdicts are carried out.
    """

    def __init__(self, rules: tuple[Rule, ...], *, enforces: bool) -> None:
        self._rules = rules
        self._enforces = enforces
        self._holds = [rule.given.hold_back for rule in rules]
        self._buffers: dict[Any, str] = {}
        self._let_go: dict[Any, str] = {}  # what deny rules still look at
        self._last: dict[Any, tuple[Any, Slot]] = {}  # the last chunk with such a text, to carry what is left
        self._hits: dict[str, str] = {}
        self._digest = hashlib.sha256()
        self._bytes = 0
        self._ns = 0

    def push(self, chunk: Any) -> list[Any]:
        """What the consumer gets now that ``chunk`` has come.

        Raises:
            GuardrailRejected: a rule ends the stream.
        """
        if not self._rules:
            return [chunk]
        began = perf_counter_ns()
        try:
            return self._pushed(chunk)
        finally:
            self._ns += perf_counter_ns() - began

    def finish(self) -> list[Any]:
        """What was still held at the end of the stream."""
        return [made for key in list(self._buffers) for made in self._flushed(key)]

    def ran(self) -> tuple[list[Ran], list[Ran]]:
        """The rules with a verdict of their own, and those that let everything pass."""
        hit = [Ran(rule.name, rule.version, self._hits[rule.name]) for rule in self._rules if rule.name in self._hits]
        rest = [Ran(rule.name, rule.version, "allow") for rule in self._rules if rule.name not in self._hits]
        return hit, rest

    def seen(self) -> Seen:
        """What the rules looked at before it was let go."""
        return Seen(f"sha256:{self._digest.hexdigest()}", self._bytes, self._bytes)

    def micros(self) -> int:
        """How long looking took."""
        return self._ns // 1_000

    def _pushed(self, chunk: Any) -> list[Any]:
        if isinstance(chunk, str):
            return self._text(chunk)
        out: list[Any] = []
        found = list(slots(chunk))
        for key in endings(chunk, self._buffers):
            out += self._flushed(key)
        made = chunk
        for slot in found:
            text = slot.text
            self._note(text)
            held = self._buffers.get(slot.key, "") + text
            shown, rest = (held, "") if closes(chunk, slot.key) else self._split(held)
            self._buffers[slot.key] = rest
            self._last[slot.key] = (chunk, slot)
            released = self._judged(slot.key, shown)
            if released != text:
                made = deepcopy(chunk) if made is chunk else made
                slot.put(made, released)
        if not found:
            made = self._whole(made)
        return [*out, made]

    def _text(self, text: str) -> list[Any]:
        """A chunk that is nothing but its text."""
        self._note(text)
        shown, self._buffers[""] = self._split(self._buffers.get("", "") + text)
        released = self._judged("", shown)
        return [released] if released else []

    def _split(self, held: str) -> tuple[str, str]:
        """What may be looked at as a whole and let go, and what stays: as the strictest of the rules wants it."""
        cut = len(held)
        for hold in self._holds:
            if hold == "whole":
                return "", held
            if hold == "sentence":
                found = _SENTENCE.match(held)
                cut = min(cut, 0 if found is None else found.end())
            elif hold.startswith("chars:"):
                cut = min(cut, max(len(held) - int(hold[6:]), 0))
        if not cut and len(held) > _MOST_HELD:
            cut = len(held) - _MOST_HELD // 2
        return self._apart(held, cut)

    def _apart(self, held: str, cut: int) -> tuple[str, str]:
        """``cut``, or before it where it would divide what a rule takes out."""
        if cut in (0, len(held)):
            return held[:cut], held[cut:]
        for rule in self._rules:
            if rule.edit is not None:
                while cut and rule.edit(held) != rule.edit(held[:cut]) + rule.edit(held[cut:]):
                    cut = held.rfind(" ", 0, cut) + 1 if " " in held[:cut].rstrip() else 0
                    if cut and held[:cut].strip() == "":
                        cut = 0
        return held[:cut], held[cut:]

    def _flushed(self, key: Any) -> list[Any]:
        held = self._buffers.pop(key, "")
        if not held:
            return []
        released = self._judged(key, held)
        if not released:
            return []
        if key == "":
            return [released]
        chunk, slot = self._last[key]
        made = slot.alone(chunk)
        slot.put(made, released)
        return [made]

    def _judged(self, key: Any, text: str) -> str:
        if not text:
            return text
        shown = text
        for rule in self._rules:
            verdict = rule.given.verdict
            if rule.edit is not None:
                if all(holds(shown) for holds in rule.conditions):
                    edited = rule.edit(shown)
                    if edited != shown:
                        self._hits[rule.name] = verdict
                        shown = edited if self._enforces and isinstance(edited, str) else shown
                continue
            # A rule that ends the matter looks at all that has come of this text, not at the last piece alone.
            before = self._let_go.get(key, "")
            if all(holds(before + text) for holds in rule.conditions):
                self._hits[rule.name] = verdict
                if verdict == "deny" and self._enforces:
                    self._buffers.clear()
                    reason = rule.given.reason or f"the rule {rule.given.name!r} does not allow it"
                    raise GuardrailRejected(reason, guardrail=rule.name, kind="llm")
                if verdict == "allow":
                    break
        if any(rule.edit is None for rule in self._rules):
            self._let_go[key] = (self._let_go.get(key, "") + text)[-_MOST_HELD:]
        return shown

    def _whole(self, chunk: Any) -> Any:
        """A chunk that tells a whole text once more, as the last events of some providers do."""
        if not self._enforces or not whole_texts(chunk):
            return chunk
        made = chunk
        for rule in self._rules:
            if rule.edit is not None and not rule.conditions:
                made = rule.edit(made)
        return made

    def _note(self, text: str) -> None:
        data = text.encode("utf-8", "replace")
        self._digest.update(data)
        self._bytes += len(data)
