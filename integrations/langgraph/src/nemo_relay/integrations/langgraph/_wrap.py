# SPDX-License-Identifier: Apache-2.0
"""Giving a compiled graph a handler of its own, so that callers need not think of it."""

from __future__ import annotations

import sys
from dis import opname
from types import FrameType
from typing import Any, TypeVar

from langchain_core.callbacks import BaseCallbackManager

from langgraph.pregel import Pregel
from nemo_relay import logs
from nemo_relay.integrations.langchain import AdapterOptions, chosen
from nemo_relay.integrations.langchain.adapter import GUARDRAIL_PASSAGES, close_gate, open_gate

from . import _caches, _checkpoints
from ._handler import RelayCallbackHandler

GraphT = TypeVar("GraphT", bound=Pregel[Any, Any, Any, Any])

# One for all: the framework itself then sees that a wrapped graph inside a wrapped graph brings nothing new.
_HANDLER = RelayCallbackHandler()
close_gate(_HANDLER)  # until there is a graph that has it


def wrap_graph(graph: GraphT, options: AdapterOptions | None = None, **choices: Any) -> GraphT:
    """A copy of ``graph`` that records each of its runs.

    Args:
        graph: a compiled graph (``StateGraph.compile()``, ``create_agent(...)``, an ``@entrypoint``).
        options: see ``AdapterOptions``. A graph that is wrapped already keeps those it has.
        choices: the options by name, instead of ``options``.

    Returns:
        A copy of the same type; the original is untouched. Its checkpointer and its cache, if it has them, leave
        marks (``RelayCheckpointer``, ``RelayCache``). A graph that is wrapped already is returned as it is. A wrapped
        graph may be a node or a subgraph of another wrapped graph: its run is recorded once.

    Raises:
        TypeError: ``graph`` is not a compiled graph; options were given twice, or a name is no option.
        OptionError: an option has a value that it cannot have (a ValueError).

    >>> from langgraph.graph import START, MessagesState, StateGraph
    >>> from nemo_relay.integrations.langgraph import wrap_graph
    >>> builder = StateGraph(MessagesState)
    >>> _ = builder.add_node("hello", lambda state: {"messages": [("ai", "hi")]})
    >>> _ = builder.add_edge(START, "hello")
    >>> graph = wrap_graph(builder.compile())
    >>> graph.invoke({"messages": [("user", "hello?")]})["messages"][-1].content
    'hi'
    """
    _check(graph, "wrap_graph")
    if not _is_wrapped(graph):
        _report_discarded("wrap_graph", "graph = wrap_graph(graph)", sys._getframe(1))
    return _wrapped(graph, options, choices)


def _wrapped(graph: GraphT, options: AdapterOptions | None, choices: dict[str, Any]) -> GraphT:
    wanted = chosen(options, choices)
    if _is_wrapped(graph):
        return graph
    handler = _HANDLER if wanted is None else RelayCallbackHandler(wanted)
    if handler is _HANDLER:
        open_gate(_HANDLER, *GUARDRAIL_PASSAGES)
    return graph.copy(_recording(graph)).with_config(callbacks=[handler])


def configure_graph(
    graph: GraphT, options: AdapterOptions | None = None, *, in_place: bool = False, **choices: Any
) -> GraphT:
    """``wrap_graph`` under the name of the published package.

    Args:
        graph: a compiled graph.
        options: see ``AdapterOptions``.
        in_place: change ``graph`` itself, as the published package does, and return it.
        choices: the options by name, instead of ``options``.

    Returns:
        The recording graph.

    Raises:
        TypeError, OptionError: as ``wrap_graph``.
    """
    _check(graph, "configure_graph")
    if not in_place and not _is_wrapped(graph):
        _report_discarded("configure_graph", "configure_graph(graph, in_place=True)", sys._getframe(1))
    wrapped = _wrapped(graph, options, choices)
    if not in_place:
        return wrapped
    graph.config = wrapped.config
    for name, part in _recording(graph).items():
        setattr(graph, name, part)
    return graph


def _check(graph: Any, caller: str) -> None:
    if not isinstance(graph, Pregel):
        raise TypeError(
            f"{caller}: {type(graph).__name__!r} object is not a compiled graph; compile it first, or pass "
            "config={'callbacks': [RelayCallbackHandler()]} when you call it"
        )


def _report_discarded(caller: str, remedy: str, frame: FrameType) -> None:
    """Say so where the caller throws the copy away: its graph would run as before, and nothing would be recorded."""
    code, after = frame.f_code.co_code, frame.f_lasti + 2
    while after < len(code) and opname[code[after]] in ("CACHE", "NOP"):
        after += 2
    if after < len(code) and opname[code[after]] == "POP_TOP":
        place = f"{frame.f_code.co_filename}:{frame.f_lineno}"
        logs.error(
            f"{caller} returns a recording copy, and {place} does not keep it: no run of the graph is recorded. "
            f"Write: {remedy}",
            target="integrations.langgraph",
            fields={"event": "copy_discarded"},
        )


def _recording(graph: Pregel[Any, Any, Any, Any]) -> dict[str, Any]:
    """The parts of the graph that tell what its callbacks do not."""
    return {"checkpointer": _checkpoints.recording(graph.checkpointer), "cache": _caches.recording(graph.cache)}


def _is_wrapped(graph: Pregel[Any, Any, Any, Any]) -> bool:
    callbacks = (graph.config or {}).get("callbacks") or []
    handlers = callbacks.handlers if isinstance(callbacks, BaseCallbackManager) else callbacks
    return any(isinstance(handler, RelayCallbackHandler) for handler in handlers)
