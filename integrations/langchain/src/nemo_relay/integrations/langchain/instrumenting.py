# SPDX-License-Identifier: Apache-2.0
"""Recording without touching the application: LangChain itself adds the handler to every run of the process."""

from __future__ import annotations

from contextvars import ContextVar
from typing import Any, cast

from langchain_core.callbacks import BaseCallbackHandler
from langchain_core.tracers.context import register_configure_hook

from .handler import RelayCallbackHandler
from .options import AdapterOptions


class _Switch:
    """The handler for every run, whatever thread or context it starts in; read by LangChain like a ContextVar."""

    def __init__(self) -> None:
        self.handler: BaseCallbackHandler | None = None
        self.hooked = False

    def get(self) -> BaseCallbackHandler | None:
        """The handler, while there is one."""
        return self.handler


_switch = _Switch()


def instrument(options: AdapterOptions | None = None, *, handler: RelayCallbackHandler | None = None) -> None:
    """Record every run of LangChain in this process, and let guardrails decide about its calls.

    A run that has a handler of ours already gets no second one. Calling it again replaces the handler.

    Args:
        options: see ``AdapterOptions``.
        handler: the handler to use; one with ``options`` when None.

    >>> from nemo_relay.integrations.langchain import instrument, uninstrument
    >>> instrument()
    >>> uninstrument()
    True
    """
    _switch.handler = handler if handler is not None else RelayCallbackHandler(options)
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
