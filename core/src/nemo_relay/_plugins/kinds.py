# SPDX-License-Identifier: Apache-2.0
"""Which plugin kinds there are: built in, installed (entry points), and registered by the program.

Installed ones are found in the entry-point group ``nemo_relay.plugins``: the entry's name is the kind, its value an
object with ``register(config, context)``, or a class of such objects. An entry is loaded when a document first
names its kind.
``NEMO_RELAY_LOAD_PLUGINS`` limits them to the kinds it lists, separated by commas; empty, none is found.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterable
from typing import Any

from nemo_relay._plugins.builtin import BUILTIN, builtin
from nemo_relay._runtime.checks import expect_text
from nemo_relay._runtime.log import faults, oplog
from nemo_relay.errors import RegistrationFailed
from nemo_relay_configuration.checking import nearest
from nemo_relay_configuration.documents import JsonObject
from nemo_relay_configuration.errors import install_command
from nemo_relay_configuration.kinds import LoadFailed

GROUP = "nemo_relay.plugins"
SWITCH = "NEMO_RELAY_LOAD_PLUGINS"

# Kinds of the published package that are not here, and what to do about it.
ELSEWHERE = {
    "adaptive": "it tunes runs and is not installed",
    "nvidia.response_cache": "the response cache is not available in this release",
    "nemo_guardrails": "it was removed from the published package in 1.0; register guardrails of your own",
    "pii_redaction": f"it is not installed: {install_command('pii')}",
}
# What only makes a run faster or cheaper: without it the run is the same, and nothing is less protected.
_DISPENSABLE = frozenset({"adaptive", "nvidia.response_cache"})

_lock = threading.Lock()
_registered: dict[str, Any] = {}
_numbers = iter(range(1, 2**63))
_installed: dict[str, Any] | None = None  # the entry points, read once
_loaded: dict[str, Any] = {}


def register(kind: str, plugin: Any) -> None:
    """See ``nemo_relay.plugin.register``."""
    expect_text(kind)
    if not callable(getattr(plugin, "register", None)):
        raise TypeError(f"plugin {kind!r} must have a method register(config, context): {plugin!r} has none")
    with _lock:
        if kind in _registered or kind in BUILTIN:
            raise RegistrationFailed(f"plugin '{kind}' is already registered")
        _registered[kind] = plugin
        number = next(_numbers)
    text = "Plugin kind registered"
    oplog.info("plugin_registered", text, "nemo_relay.plugin", plugin_kind=kind, registration_id=number)


def deregister(kind: str) -> bool:
    """See ``nemo_relay.plugin.deregister``."""
    expect_text(kind)
    with _lock:
        found = _registered.pop(kind, None) is not None
    if found:
        oplog.info("plugin_deregistered", "Plugin kind deregistered", "nemo_relay.plugin", plugin_kind=kind)
    return found


def set_aside() -> Callable[[], None]:
    """Leave what is built in and installed; the returned call brings back what the program registered."""
    global _registered
    with _lock:
        kept, _registered = _registered, {}

    def restore() -> None:
        global _registered
        with _lock:
            _registered = kept

    return restore


def names() -> list[str]:
    """All kinds, sorted."""
    with _lock:
        return sorted({*BUILTIN, *_registered, *_entry_points()})


def find(kind: str) -> Any:
    """The plugin of that kind; None when there is none.

    Raises:
        LoadFailed: it is installed and cannot be loaded.
    """
    if kind in BUILTIN:
        return builtin(kind)
    with _lock:
        plugin = _registered.get(kind)  # the program's own goes before an installed one
        entry = None if plugin is not None else _entry_points().get(kind)
    return _load(kind, entry) if entry is not None else plugin


def prepare(kinds: Iterable[str]) -> None:
    """Load what ``kinds`` need, on a thread that may read files. What fails to load is reported by ``find``."""
    for kind in kinds:
        try:
            find(kind)
        except LoadFailed:
            continue


def schema(kind: str) -> JsonObject | None:
    """The JSON Schema of its ``config``. What cannot be loaded, or does not know itself, leaves its config open."""
    try:
        describe = getattr(find(kind), "schema", None)
        found = describe() if callable(describe) else None
    except Exception as error:
        faults.report("plugin_schema_failed", error, plugin_kind=kind)
        return None
    return found if isinstance(found, dict) else None


def is_dispensable(kind: str) -> bool:
    """Whether a document that names the kind can be activated where it is not installed."""
    return kind in _DISPENSABLE


def advice(kind: str) -> str:
    """What there is to say about a kind that is not there: a sentence, or nothing."""
    if kind in ELSEWHERE:
        return f"{ELSEWHERE[kind]}; "
    near = nearest(kind, names())
    return f"did you mean {near!r}? " if near else ""


def is_builtin(kind: str) -> bool:
    """Whether the kind comes with the core."""
    return kind in BUILTIN


def is_singleton(kind: str) -> bool:
    """Whether a document may name the kind only once."""
    return kind in BUILTIN


def _entry_points() -> dict[str, Any]:
    global _installed
    if _installed is None:
        from importlib.metadata import entry_points

        allowed = os.environ.get(SWITCH)
        wanted = None if allowed is None else {name.strip() for name in allowed.split(",")}
        found = () if wanted == {""} else entry_points(group=GROUP)
        _installed = {entry.name: entry for entry in found if wanted is None or entry.name in wanted}
    return _installed


def _load(kind: str, entry: Any) -> Any:
    if kind not in _loaded:
        try:
            plugin = entry.load()
            plugin = plugin() if isinstance(plugin, type) else plugin
        except Exception as error:
            raise LoadFailed(f"{type(error).__name__}: {error}") from error
        if not callable(getattr(plugin, "register", None)):
            raise LoadFailed(f"TypeError: {entry.value} has no method register(config, context)")
        _loaded[kind] = plugin
    return _loaded[kind]
