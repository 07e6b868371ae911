# SPDX-License-Identifier: Apache-2.0
"""Giving a compiled graph a handler of its own, so that callers need not think of it."""

from __future__ import annotations

from typing import Any, TypeVar

from langchain_core.callbacks import BaseCallbackManager

from langgraph.pregel import Pregel

from .handler import RelayCallbackHandler

GraphT = TypeVar("GraphT", bound=Pregel[Any, Any, Any, Any])

# One for all: the framework itself then sees that a wrapped graph inside a wrapped graph brings nothing new.
_HANDLER = RelayCallbackHandler()


def wrap_graph(graph: GraphT) -> GraphT:
    """A copy of ``graph`` that records each of its runs.

    Args:
        graph: a compiled graph (``StateGraph.compile()``, ``create_agent(...)``, an ``@entrypoint``).

    Returns:
        A copy of the same type; the original is untouched. A graph that is wrapped already is returned as it
        is. A wrapped graph may be a node or a subgraph of another wrapped graph: its run is recorded once.

    Raises:
        TypeError: ``graph`` is not a compiled graph.

    >>> from langgraph.graph import START, MessagesState, StateGraph
    >>> from nemo_relay.integrations.langgraph import wrap_graph
    >>> builder = StateGraph(MessagesState)
    >>> _ = builder.add_node("hello", lambda state: {"messages": [("ai", "hi")]})
    >>> _ = builder.add_edge(START, "hello")
    >>> graph = wrap_graph(builder.compile())
    >>> graph.invoke({"messages": [("user", "hello?")]})["messages"][-1].content
    'hi'
    """
    if not isinstance(graph, Pregel):
        raise TypeError(
            f"wrap_graph: {type(graph).__name__!r} object is not a compiled graph; compile it first, or pass "
            "config={'callbacks': [RelayCallbackHandler()]} when you call it"
        )
    return graph if _is_wrapped(graph) else graph.with_config(callbacks=[_HANDLER])


def configure_graph(graph: GraphT, *, in_place: bool = False) -> GraphT:
    """``wrap_graph`` under the name of the published package.

    Args:
        graph: a compiled graph.
        in_place: change ``graph`` itself, as the published package does, and return it.

    Returns:
        The recording graph.

    Raises:
        TypeError: ``graph`` is not a compiled graph.
    """
    wrapped = wrap_graph(graph)
    if not in_place:
        return wrapped
    graph.config = wrapped.config
    return graph


def _is_wrapped(graph: Pregel[Any, Any, Any, Any]) -> bool:
    callbacks = (graph.config or {}).get("callbacks") or []
    handlers = callbacks.handlers if isinstance(callbacks, BaseCallbackManager) else callbacks
    return any(isinstance(handler, RelayCallbackHandler) for handler in handlers)
