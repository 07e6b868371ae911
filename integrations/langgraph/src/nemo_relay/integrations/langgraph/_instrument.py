# SPDX-License-Identifier: Apache-2.0
"""Recording every graph of the process without touching it, interrupts and resumptions included."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

from langchain_core.callbacks import BaseCallbackManager

from langgraph.pregel import main
from nemo_relay.integrations import langchain
from nemo_relay.integrations.langchain import AdapterOptions, chosen, instrumented

from ._handler import RelayCallbackHandler

# What LangGraph asks for the handlers of interrupts: it looks at the configuration only, not at hooks.
_LOOKUPS = ("get_sync_graph_callback_manager_for_config", "get_async_graph_callback_manager_for_config")
_originals: dict[str, Callable[..., Any]] = {}


def instrument(options: AdapterOptions | None = None, **choices: Any) -> None:
    """Record every run of LangChain and LangGraph in this process; as ``instrument`` of the LangChain adapter.

    Graphs that are wrapped, or have a handler of ours, are recorded once. Where a future LangGraph looks for its
    handlers elsewhere, the marks of interrupts are missing and everything else is there.

    Args:
        options: see ``AdapterOptions``.
        choices: the options by name, instead of ``options``.

    Raises:
        TypeError: options were given twice, or a name is no option.
        OptionError: an option has a value that it cannot have (a ValueError).
    """
    langchain.instrument(handler=RelayCallbackHandler(chosen(options, choices)))
    for name in _LOOKUPS:
        original = getattr(main, name, None)
        if original is not None and name not in _originals:
            _originals[name] = original
            setattr(main, name, _with_handler(original))


def uninstrument() -> bool:
    """Stop it, and leave LangGraph as it was; False when nothing was instrumented."""
    while _originals:
        name, original = _originals.popitem()
        setattr(main, name, original)
    return langchain.uninstrument()


def _with_handler(original: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(original)
    def look_up(config: Any, **kwargs: Any) -> Any:
        handler, callbacks = instrumented(), config.get("callbacks")
        if not isinstance(handler, RelayCallbackHandler) or _has_ours(callbacks):
            return original(config, **kwargs)
        if isinstance(callbacks, BaseCallbackManager):
            extended: Any = callbacks.copy()
            extended.add_handler(handler)
        else:
            extended = [*(callbacks or ()), handler]
        return original({**config, "callbacks": extended}, **kwargs)

    return look_up


def _has_ours(callbacks: Any) -> bool:
    handlers = callbacks.handlers if isinstance(callbacks, BaseCallbackManager) else callbacks or ()
    return any(isinstance(handler, RelayCallbackHandler) for handler in handlers)
