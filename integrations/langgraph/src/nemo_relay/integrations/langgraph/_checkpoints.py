# SPDX-License-Identifier: Apache-2.0
"""Checkpoints as marks: what a graph saved, what it was restored from, where its history was forked."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from langgraph.checkpoint.base import BaseCheckpointSaver
from nemo_relay import scope, subscribers
from nemo_relay.integrations.langchain.adapter import Run, guard, open_runs

from . import _pauses
from ._metering import Meter, metered

RUN_KEY = "relay.run_uuid"  # in the metadata of a checkpoint: the span of the run that saved it
_METADATA = {"integration": "langgraph"}
_FORKS = ("update", "fork")
_PASSED_ON = (
    *("list", "alist", "put_writes", "aput_writes", "delete_thread", "adelete_thread", "get_next_version"),
    *("copy_thread", "acopy_thread", "delete_for_runs", "adelete_for_runs", "prune", "aprune"),
    *("get_delta_channel_history", "aget_delta_channel_history"),
)


class RelayCheckpointer(BaseCheckpointSaver[Any]):
    """A checkpointer that leaves a mark for each checkpoint that ``inner`` saves or restores.

    The marks ``Checkpoint Save``, ``Checkpoint Restore`` and ``Checkpoint Fork`` stand on the span of the graph run,
    or on the current scope where a graph is read or changed from the outside. Everything else is up to ``inner``.

    The metadata of what a run saves gets one key more, ``relay.run_uuid``: so that a resumption can be linked to the
    run that paused, even if that was in another process.

    Args:
        inner: any checkpointer of LangGraph.

    >>> from langgraph.checkpoint.memory import InMemorySaver
    >>> from nemo_relay.integrations.langgraph import RelayCheckpointer
    >>> checkpointer = RelayCheckpointer(InMemorySaver())
    """

    def __init__(self, inner: BaseCheckpointSaver[Any]) -> None:
        super().__init__()
        self.serde = inner.serde  # whatever its truth value is
        self.inner = inner

    @property
    def config_specs(self) -> list[Any]:
        """Those of ``inner``."""
        return self.inner.config_specs

    def put(self, config: Any, checkpoint: Any, metadata: Any, new_versions: Any) -> Any:
        """Save a checkpoint."""
        meter = Meter()
        found = metered(self.inner, meter).put(config, checkpoint, _signed(config, metadata), new_versions)
        guard("checkpoint", _saved, config, checkpoint, metadata, meter)
        return found

    async def aput(self, config: Any, checkpoint: Any, metadata: Any, new_versions: Any) -> Any:
        """Save a checkpoint."""
        meter = Meter()
        found = await metered(self.inner, meter).aput(config, checkpoint, _signed(config, metadata), new_versions)
        guard("checkpoint", _saved, config, checkpoint, metadata, meter)
        return found

    def get_tuple(self, config: Any) -> Any:
        """Read a checkpoint."""
        found = self.inner.get_tuple(config)
        guard("checkpoint", _restored, config, found)
        return found

    async def aget_tuple(self, config: Any) -> Any:
        """Read a checkpoint."""
        found = await self.inner.aget_tuple(config)
        guard("checkpoint", _restored, config, found)
        return found

    def with_allowlist(self, extra_allowlist: Any) -> Any:
        """The same around what ``inner`` makes of it."""
        made = self.inner.with_allowlist(extra_allowlist)
        return self if made is self.inner else RelayCheckpointer(made)

    def __getattr__(self, name: str) -> Any:
        if name == "inner":  # before it is there: copies ask
            raise AttributeError(name)
        return getattr(self.inner, name)


def _passed_on(name: str) -> Callable[..., Any]:
    def method(self: RelayCheckpointer, *args: Any, **kwargs: Any) -> Any:
        return getattr(self.inner, name)(*args, **kwargs)

    method.__name__ = name
    method.__doc__ = f"``{name}`` of the inner checkpointer."
    return method


for _name in _PASSED_ON:
    if hasattr(BaseCheckpointSaver, _name):  # younger versions have more of them
        setattr(RelayCheckpointer, _name, _passed_on(_name))


def recording(checkpointer: Any) -> Any:
    """``checkpointer`` with marks; what is none, or leaves them already, comes back as it is."""
    plain = isinstance(checkpointer, BaseCheckpointSaver) and not isinstance(checkpointer, RelayCheckpointer)
    return RelayCheckpointer(checkpointer) if plain else checkpointer


def _signed(config: Any, metadata: Any) -> Any:
    signed: list[Any] = []

    def sign() -> None:
        run = _graph_run(config.get("configurable") or {})
        if run is not None and run.handle is not None:
            signed.append({**metadata, RUN_KEY: run.handle.uuid})

    guard("checkpoint", sign)
    return signed[0] if signed else metadata


def _saved(config: Any, checkpoint: Any, metadata: Any, meter: Meter) -> None:
    place = config.get("configurable") or {}
    run = _graph_run(place)
    handle = run.handle if run is not None else None
    if not subscribers.is_heard(handle):
        return
    data = {
        "thread_id": place.get("thread_id"),
        "checkpoint_id": checkpoint.get("id"),
        "parent_checkpoint_id": place.get("checkpoint_id"),
        "checkpoint_ns": place.get("checkpoint_ns", ""),
        "source": metadata.get("source"),
        "step": metadata.get("step"),
    }
    if meter.taken is not None:
        data["bytes"] = meter.taken  # what this saver serialised; some store unchanged channels only once
    scope.event("Checkpoint Save", handle=handle, data=data, metadata=_METADATA)
    if data["source"] in _FORKS:
        fork = {key: data[key] for key in ("thread_id", "checkpoint_id", "checkpoint_ns")}
        fork["from"] = data["parent_checkpoint_id"]
        scope.event("Checkpoint Fork", handle=handle, data=fork, metadata=_METADATA)


def _restored(config: Any, found: Any) -> None:
    place = config.get("configurable") or {}
    run = _graph_run(place)
    if found is None or run is None:  # somebody looks at the state: nothing goes on from it
        return
    _link(found, run)
    read = found.config.get("configurable") or {}
    data = {
        "thread_id": read.get("thread_id"),
        "checkpoint_id": read.get("checkpoint_id"),
        "checkpoint_ns": read.get("checkpoint_ns", ""),
        "source": (found.metadata or {}).get("source"),
        "step": (found.metadata or {}).get("step"),
    }
    scope.event("Checkpoint Restore", handle=run.handle, data=data, metadata=_METADATA)


def _link(found: Any, run: Run) -> None:
    """Note which run paused where this one goes on; it may have been another process's."""
    read, before = found.config.get("configurable") or {}, (found.metadata or {}).get(RUN_KEY)
    if not isinstance(before, str) or (run.handle is not None and before == run.handle.uuid):
        return
    namespace = read.get("checkpoint_ns") or ""
    written = [value for _, channel, value in found.pending_writes or () if channel == "__interrupt__"]
    ids = [str(pause.id) for pauses_of_task in written for pause in pauses_of_task]
    parts = tuple(namespace.split("|")) if namespace else ()
    _pauses.restore(_pauses.Checkpoint(read.get("thread_id"), parts, read.get("checkpoint_id")), before, ids)


def _graph_run(place: dict[str, Any]) -> Run | None:
    """The open run of the graph that this checkpoint belongs to; of the whole thread's where none is nearer."""
    thread, namespace = place.get("thread_id"), place.get("checkpoint_ns") or ""
    nearest: Run | None = None
    for run in reversed(open_runs()):
        about = run.handle.metadata if run.kind in _pauses.GRAPHS and run.handle is not None else None
        if not isinstance(about, dict) or thread is None or about.get("thread_id") != thread:
            continue
        if (about.get("langgraph_checkpoint_ns") or "") == namespace:
            return run
        if "langgraph_node" not in about:
            nearest = run
    return nearest
