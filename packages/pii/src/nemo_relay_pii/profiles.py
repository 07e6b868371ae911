# SPDX-License-Identifier: Apache-2.0
"""A profile at work: its walk through JSON values, made of its settings."""

from __future__ import annotations

from functools import cache
from typing import Any

from nemo_relay_pii import actions, counting, finding
from nemo_relay_pii.actions import REDACTED, Rewrite, Show
from nemo_relay_pii.detectors import Detector, named
from nemo_relay_pii.models import Builtin, Config, Local, Profile
from nemo_relay_pii.patterns import compiled
from nemo_relay_pii.walking import Look, Narrow, Walk, tree


def walk_of(profile: Config | Profile) -> Walk:
    """What ``profile`` does to a JSON value.

    Raises:
        MissingExtra: its model, or the cipher that it asks for, is not installed (an ImportError).
        ValueError: its model's back end is not known.
    """
    if profile.mode == "local_model":
        return _modelled(profile.local or Local.model_validate({}))
    assert profile.builtin is not None
    return built(profile.builtin)


def built(builtin: Builtin) -> Walk:
    """The walk of built-in detectors or a pattern."""
    targets = tree(builtin.target_paths, builtin.target_path_globs)
    return Walk(
        _rewrite(builtin),
        targets=targets or None,
        remove=(builtin.action or "remove") == "remove",
        json_strings=builtin.json_strings,
        json_leaves=_matcher(builtin) is not None,  # a text that is hidden as a whole is one, JSON or not
        object_keys=builtin.object_keys,
        numbers=builtin.numbers,
        limit=builtin.replacement or REDACTED,
        narrow=_narrow(named(_names(builtin)), _show(builtin)) if _names(builtin) else None,
    )


def _matcher(builtin: Builtin) -> finding.Find | None:
    if builtin.pattern is not None:
        return finding.by_pattern(compiled(builtin.pattern))
    names = _names(builtin)
    return finding.by_detectors(named(names)) if names else None


def _narrow(detectors: tuple[Detector, ...], show: Show) -> Narrow:
    @cache
    def look(names: tuple[str, ...]) -> Look:
        some = named(list(names))
        hint = some[0].hint if len(some) == 1 else bool  # each detector asks its own anyway
        return Look(actions.matches(finding.by_detectors(some), show, counting.found), hint)

    def narrow(text: str) -> Look | None:
        names = tuple(one.name for one in detectors if one.hint(text))
        return look(names) if names else None

    return narrow


def _names(builtin: Builtin) -> list[str]:
    return builtin.detectors or ([builtin.detector] if builtin.detector else [])


def _rewrite(builtin: Builtin) -> Rewrite:
    find, show = _matcher(builtin), _show(builtin)
    return actions.whole(show, counting.found) if find is None else actions.matches(find, show, counting.found)


def _show(builtin: Builtin) -> Show:
    key = None if builtin.key is None else builtin.key.encode()
    if builtin.action == "hash":
        return actions.hashed(key)
    if builtin.action == "mask":
        return actions.masked(builtin.mask_char or "*", builtin.unmasked_prefix or 0, builtin.unmasked_suffix or 0)
    if key is not None and builtin.action == "pseudonym":
        return actions.pseudonym(key, builtin.pseudonym_style)
    if key is not None and builtin.action == "encrypt":
        from nemo_relay_pii.encryption import encrypted

        return encrypted(key)
    return actions.replaced(REDACTED if builtin.replacement is None else builtin.replacement)


def _modelled(local: Local) -> Walk:
    from nemo_relay_pii import local_models

    find: Any = local_models.finder(local)
    return Walk(actions.matches(find, actions.replaced(REDACTED), counting.found))
