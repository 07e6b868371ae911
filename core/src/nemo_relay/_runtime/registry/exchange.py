# SPDX-License-Identifier: Apache-2.0
"""Taking some registrations out and putting others in, in one step."""

from __future__ import annotations

from collections.abc import Iterable

from nemo_relay._runtime.registry import registry
from nemo_relay._runtime.registry.registration import Entry
from nemo_relay._runtime.registry.registry import Family
from nemo_relay.errors import AlreadyRegistered


def exchange(out: Iterable[tuple[Family, Entry]], into: Iterable[tuple[Family, Entry]]) -> None:
    """Remove the entries ``out`` and add ``into``, a family in one step: no event and no call meets half of each.

    Raises:
        AlreadyRegistered: a name is taken; then nothing has changed.
    """
    out, into = tuple(out), tuple(into)
    with registry.lock:
        gone = {id(entry) for _, entry in out}
        for family, entry in into:
            present = family.entries.get(entry.name)
            if present is not None and id(present) not in gone:
                raise AlreadyRegistered(entry.name, family.noun)
        for family, entry in out:
            if family.entries.get(entry.name) is entry:  # somebody may have removed it by hand, and taken the name
                del family.entries[entry.name]
        for family, entry in into:
            family.entries[entry.name] = entry
        for family in {family.index: family for family, _ in (*out, *into)}.values():
            family.changed()
