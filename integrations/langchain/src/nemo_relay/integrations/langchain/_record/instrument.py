# SPDX-License-Identifier: Apache-2.0
"""Recording without touching the application: LangChain itself adds the handler to every run of the process."""

from __future__ import annotations

import os
from contextvars import ContextVar
from difflib import get_close_matches
from importlib import import_module
from importlib.util import find_spec
from pkgutil import iter_modules
from typing import Any, cast

from langchain_core.callbacks import BaseCallbackHandler
from langchain_core.tracers.context import register_configure_hook

from nemo_relay import logs
from nemo_relay.integrations.langchain._failures import TARGET
from nemo_relay.integrations.langchain._options import AdapterOptions, chosen
from nemo_relay.integrations.langchain._record.handler import RelayCallbackHandler

VARIABLE = "NEMO_RELAY_INSTRUMENT"
_INTEGRATIONS = "nemo_relay.integrations"
_reported: set[str] = set()


def is_wanted(framework: str) -> bool:
    """Whether the environment asks for ``framework``: ``NEMO_RELAY_INSTRUMENT`` names it, commas between names.

    The adapter of a framework that is asked for instruments it when it is imported. Nothing has to import it in a
    program that ``python -m nemo_relay.integrations.langchain run`` starts.

    >>> is_wanted("cobol")
    False
    """
    return framework in [name for name in wanted() if is_adapter(name)]


def wanted() -> list[str]:
    """The frameworks that the environment asks for, each once."""
    names = (name.strip().lower() for name in os.environ.get(VARIABLE, "").split(","))
    return list(dict.fromkeys(name for name in names if name))


def is_adapter(name: str) -> bool:
    """Whether there is an adapter of that name in this installation; one that there is not is told, once."""
    if name.isidentifier() and find_spec(f"{_INTEGRATIONS}.{name}") is not None:
        return True
    if name not in _reported:
        _reported.add(name)
        folders = import_module(_INTEGRATIONS).__path__
        known = sorted(found.name for found in iter_modules(folders) if not found.name.startswith("_"))
        near = get_close_matches(name, known, n=1)
        hint = f"did you mean {near[0]!r}?" if near else f"installed are {', '.join(known)}"
        logs.error(f"{VARIABLE}: {name!r} is not recorded: no adapter has that name; {hint}", target=TARGET)
    return False


class _Switch:
    """The handler for every run, whatever thread or context it starts in; read by LangChain like a ContextVar."""

    def __init__(self) -> None:
        self.handler: BaseCallbackHandler | None = None
        self.hooked = False

    def get(self) -> BaseCallbackHandler | None:
        """The handler, while there is one."""
        return self.handler


_switch = _Switch()


def instrument(
    options: AdapterOptions | None = None, *, handler: RelayCallbackHandler | None = None, **choices: Any
) -> None:
    """Record every run of LangChain in this process, and let guardrails decide about its calls.

    A run that has a handler of ours already gets no second one. Calling it again replaces the handler.

    Args:
        options: see ``AdapterOptions``.
        handler: the handler to use; one with ``options`` when None.
        choices: the options by name, instead of ``options``.

    Raises:
        TypeError: options were given in more than one way, or a name is no option.
        OptionError: an option has a value that it cannot have (a ValueError).

    >>> from nemo_relay.integrations.langchain import instrument, uninstrument
    >>> instrument(detail="semantic")
    >>> uninstrument()
    True
    """
    wanted = chosen(options, choices)
    if handler is not None and wanted is not None:
        raise TypeError("instrument: a handler has its options already; give one or the other")
    _switch.handler = handler if handler is not None else RelayCallbackHandler(wanted)
    if not _switch.hooked:
        _switch.hooked = True
        # A hook stays for the life of the process; without a handler it adds nothing.
        register_configure_hook(cast("ContextVar[Any]", _switch), True, RelayCallbackHandler)


def uninstrument() -> bool:
    """Stop it for runs that start from now on; False when nothing was instrumented."""
    before, _switch.handler = _switch.handler, None
    return before is not None


def instrumented() -> BaseCallbackHandler | None:
    """The handler that every run gets; None when nothing is instrumented."""
    return _switch.handler
