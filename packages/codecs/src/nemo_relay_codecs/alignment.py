# SPDX-License-Identifier: Apache-2.0
"""Merging an edited list back into the provider's own: which item is which, and what of it is left alone."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from nemo_relay_codecs.values import same

Identity = tuple[str, str]
Encode = Callable[[Any], Any]

# The keys that identify an item, by its discriminator; the first one present decides.
_KEYS: dict[str, tuple[str, ...]] = {
    "tool": ("tool_call_id",),
    "tool_result": ("tool_use_id", "call_id"),
    "tool_use": ("id",),
    "tool_call": ("call_id",),
    "function_call": ("call_id",),
    "function_call_output": ("call_id",),
    "function": ("id",),
    "FUNCTION": ("id",),
}


def identity(item: Any) -> Identity | None:
    """The identity of a normalised or raw item, if its kind has one and it is a non-empty string."""
    if not isinstance(item, dict):
        return None
    kind = item["role"] if "role" in item else item.get("type")
    if not isinstance(kind, str):
        return None
    if kind == "provider_native":
        return identity(item.get("value"))
    for key in _KEYS.get(kind, ()):
        if key in item:
            value = item[key]
            return (kind.lower(), value) if isinstance(value, str) and value else None
    return None


def align(edited: Sequence[Any], baseline: Sequence[Any]) -> list[int | None]:
    """For each edited item the index of the baseline item it continues, or None if it is new.

    Equal items pair first, in place and then anywhere; then unique identities; at last a single changed item
    in place. Two changed items without identity stay unpaired: guessing could give one the other's fields.
    """
    return aligned(edited, baseline)[0]


def aligned(edited: Sequence[Any], baseline: Sequence[Any]) -> tuple[list[int | None], list[int]]:
    """The pairs, and the positions in ``edited`` that are not simply equal to their counterparts."""
    pairs: list[int | None] = [None] * len(edited)
    used = bytearray(len(baseline))
    open_items = []
    shared = min(len(edited), len(baseline))
    for i in range(shared):
        if edited[i] is baseline[i] or same(edited[i], baseline[i]):
            pairs[i] = i
            used[i] = 1
        else:
            open_items.append(i)
    open_items += range(shared, len(edited))
    if not open_items:
        return pairs, open_items
    structural = len(edited) != len(baseline)
    if not structural and len(open_items) == 1:  # the usual edit
        (i,) = open_items
        if identity(edited[i]) is None:
            if identity(baseline[i]) is None:
                pairs[i] = i
            return pairs, open_items
    structural |= _pair_equal(edited, baseline, pairs, used, open_items)
    open_items = [i for i in open_items if pairs[i] is None]
    structural |= _pair_identities(edited, baseline, pairs, used, open_items)
    if not structural:
        _pair_single(edited, baseline, pairs, used)
    return pairs, open_items


def _pair_equal(
    edited: Sequence[Any], baseline: Sequence[Any], pairs: list[int | None], used: bytearray, open_items: list[int]
) -> bool:
    moved = False
    free = [j for j in range(len(baseline)) if not used[j]]
    if not free or open_items == free == free[:1]:  # the one left over was compared in its place
        return False
    # Buckets by a cheap fingerprint keep this linear where thousands of items were edited at once.
    buckets: dict[Any, list[int]] = {}
    for j in free:
        buckets.setdefault(_fingerprint(baseline[j]), []).append(j)
    for i in open_items:
        for j in buckets.get(_fingerprint(edited[i]), ()):
            if not used[j] and same(edited[i], baseline[j]):
                pairs[i] = j
                used[j] = 1
                moved |= i != j
                break
    return moved


def _fingerprint(item: Any) -> Any:
    if not isinstance(item, dict):
        return item if isinstance(item, str) else type(item).__name__
    kind = item.get("role") or item.get("type")
    text = item.get("content", item.get("text", item.get("call_id", item.get("id"))))
    return (kind if isinstance(kind, str) else "", len(item), text if isinstance(text, str) else "")


def _pair_identities(
    edited: Sequence[Any], baseline: Sequence[Any], pairs: list[int | None], used: bytearray, open_items: list[int]
) -> bool:
    if all(identity(edited[i]) is None for i in open_items):
        return False
    wanted = _unique(edited)
    known = _unique(baseline)
    moved = False
    for key, i in wanted.items():
        j = known.get(key, -1)
        if i >= 0 and j >= 0 and pairs[i] is None and not used[j]:
            pairs[i] = j
            used[j] = 1
            moved |= i != j
    return moved


def _unique(items: Sequence[Any]) -> dict[Identity, int]:
    """Position of each identity, -1 where it occurs more than once."""
    seen: dict[Identity, int] = {}
    for i, item in enumerate(items):
        key = identity(item)
        if key is not None:
            seen[key] = -1 if key in seen else i
    return seen


def _pair_single(edited: Sequence[Any], baseline: Sequence[Any], pairs: list[int | None], used: bytearray) -> None:
    left = [i for i, pair in enumerate(pairs) if pair is None]
    if len(left) != 1:
        return
    (i,) = left
    if not used[i] and identity(edited[i]) is None and identity(baseline[i]) is None:
        pairs[i] = i


def merge(
    edited: Sequence[Any],
    baseline: Sequence[Any],
    raw: Sequence[Any],
    encode: Encode,
    patch_item: Callable[[Any, Any, Any], Any] | None = None,
) -> list[Any]:
    """The wire list for ``edited``: untouched items verbatim, changed ones patched, new ones encoded.

    ``patch_item(raw, before, after)`` replaces the patch where an item has more than one wire form.
    """
    pairs, open_items = aligned(edited, baseline)
    out = [None if j is None else raw[j] for j in pairs]
    for i in open_items:
        item, j = edited[i], pairs[i]
        if j is None:
            out[i] = encode(item)
        elif patch_item is not None:
            out[i] = patch_item(raw[j], baseline[j], item)
        else:
            out[i] = patch(raw[j], encode(baseline[j]), encode(item))
    return out


def patch(original: Any, before: Any, after: Any) -> Any:
    """``original`` with the difference between ``before`` and ``after`` applied; inputs are never changed."""
    if same(before, after):
        return original
    if isinstance(original, dict) and isinstance(before, dict) and isinstance(after, dict):
        return _patch_object(original, before, after)
    if isinstance(original, list) and isinstance(before, list) and isinstance(after, list):
        pairs = align(after, before)
        return [
            item if j is None or j >= len(original) else patch(original[j], before[j], item)
            for item, j in zip(after, pairs, strict=True)
        ]
    return after


def _patch_object(original: dict[str, Any], before: dict[str, Any], after: dict[str, Any]) -> dict[str, Any]:
    for key in ("type", "role"):
        if (key in before) != (key in after) or not same(before.get(key), after.get(key)):
            return after
    if identity(before) != identity(after):
        return after
    out = {k: v for k, v in original.items() if k not in before or k in after}
    for key, value in after.items():
        if key in before and same(before[key], value):
            continue
        out[key] = patch(original[key], before[key], value) if key in original and key in before else value
    return out
