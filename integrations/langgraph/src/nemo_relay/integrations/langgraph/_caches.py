# SPDX-License-Identifier: Apache-2.0
"""Cached nodes as marks: a node that a cache answers for does not run, and no callback tells of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from langgraph.cache.base import BaseCache
from nemo_relay import scope
from nemo_relay.integrations.langchain.adapter import find_run, guard

from . import _loops

_METADATA = {"integration": "langgraph"}


class RelayCache(BaseCache[Any]):
    """A cache that leaves the mark ``node.cache_hit`` for each node or task that ``inner`` answers for.

    The mark stands on the span of the graph run. Everything else is up to ``inner``. ``wrap_graph`` puts it around
    the cache of the graph.

    Args:
        inner: any cache of LangGraph.

    >>> from langgraph.cache.memory import InMemoryCache
    >>> from nemo_relay.integrations.langgraph import RelayCache
    >>> cache = RelayCache(InMemoryCache())
    """

    def __init__(self, inner: BaseCache[Any]) -> None:
        super().__init__(serde=inner.serde)
        self.inner = inner

    def get(self, keys: Sequence[Any]) -> dict[Any, Any]:
        """What is cached under ``keys``."""
        found = self.inner.get(keys)
        guard("cache", _found, found)
        return found

    async def aget(self, keys: Sequence[Any]) -> dict[Any, Any]:
        """What is cached under ``keys``."""
        found = await self.inner.aget(keys)
        guard("cache", _found, found)
        return found

    def set(self, pairs: Mapping[Any, Any]) -> None:
        """Keep these values."""
        self.inner.set(pairs)

    async def aset(self, pairs: Mapping[Any, Any]) -> None:
        """Keep these values."""
        await self.inner.aset(pairs)

    def clear(self, namespaces: Sequence[Any] | None = None) -> None:
        """Forget what is kept under these namespaces; everything when None."""
        self.inner.clear(namespaces)

    async def aclear(self, namespaces: Sequence[Any] | None = None) -> None:
        """Forget what is kept under these namespaces; everything when None."""
        await self.inner.aclear(namespaces)


def recording(cache: Any) -> Any:
    """``cache`` with marks; what is no cache, or leaves them already, comes back as it is."""
    return RelayCache(cache) if isinstance(cache, BaseCache) and not isinstance(cache, RelayCache) else cache


def _found(hits: Mapping[Any, Any]) -> None:
    if not hits:
        return
    run = find_run(_loops.caller_run_id())
    for namespace, _ in hits:
        node = str(namespace[-1]).rpartition(".")[2]  # a task has only the path of its function
        scope.event(
            "node.cache_hit", handle=run.handle if run is not None else None, data={"node": node}, metadata=_METADATA
        )
