# SPDX-License-Identifier: Apache-2.0
"""What is looked for in a text: detectors, a pattern, or a local model, each as one function."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

from nemo_relay_pii.detectors import Detector
from nemo_relay_pii.detectors.base import Mask


class Match(NamedTuple):
    """Something that was found.

    Attributes:
        start: where it begins.
        end: where it ends.
        name: of the detector.
        mask: how that kind is masked; None for what has no way of its own.
        groups: the match of a pattern, for its groups.
    """

    start: int
    end: int
    name: str
    mask: Mask | None = None
    groups: Any = None


Find = Callable[[str, str], list[Match]]


def by_detectors(detectors: Iterable[Detector]) -> Find:
    """The matches of several detectors, in order and apart: where two overlap, the longer names both."""
    probes = [(one.hint, one.find, one.name, one.mask) for one in detectors]

    def find(text: str, context: str) -> list[Match]:
        found: list[Match] = []
        several = False
        for probe, search, name, mask in probes:
            if probe(text):
                several = several or bool(found)
                found += [Match(start, end, name, mask) for start, end in search(text, context)]
        return _apart(found) if several and len(found) > 1 else found

    return find


def _apart(found: list[Match]) -> list[Match]:
    found.sort(key=lambda one: one.start)  # stable: the order of the detectors decides between equals
    kept = [found[0]]
    for one in found[1:]:
        before = kept[-1]
        if one.start >= before.end:
            kept.append(one)
        elif one.end - one.start > before.end - before.start:
            kept[-1] = one._replace(start=before.start, end=max(one.end, before.end))
        elif one.end > before.end:
            kept[-1] = before._replace(end=one.end)
    return kept


def by_pattern(pattern: Any) -> Find:
    """The matches of a compiled pattern; those of nothing are none."""

    def find(text: str, context: str) -> list[Match]:
        found = ((*one.span(), one) for one in pattern.finditer(text))
        return [Match(start, end, "pattern", None, one) for start, end, one in found if end > start]

    return find
