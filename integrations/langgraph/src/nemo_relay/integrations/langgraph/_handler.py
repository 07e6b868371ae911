# SPDX-License-Identifier: Apache-2.0
"""The LangChain handler, and what only LangGraph tells: a graph paused, a graph was resumed."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from langgraph.callbacks import (
    GraphCallbackHandler,
    GraphInterruptEvent,
    GraphLifecycleEvent,
    GraphResumeEvent,
)
from nemo_relay import scope
from nemo_relay.integrations import langchain
from nemo_relay.integrations.langchain import RunInfo
from nemo_relay.integrations.langchain.adapter import Run, attempt, find_open_run, interrupts_of, unguarded

from . import _identity, _loops, _pauses, _propagation, _supersteps

_METADATA = {"integration": "langgraph"}


# Every callback of a handler is guarded once.
_start = unguarded(langchain.RelayCallbackHandler.on_chain_start)
_end = unguarded(langchain.RelayCallbackHandler.on_chain_end)


class RelayCallbackHandler(langchain.RelayCallbackHandler, GraphCallbackHandler):
    """Records a graph run: all that the LangChain handler records, and interrupts and resumptions.

    >>> from nemo_relay.integrations.langgraph import RelayCallbackHandler
    >>> config = {"callbacks": [RelayCallbackHandler()]}
    """

    def on_chain_start(
        self,
        serialized: dict[str, Any] | None,
        inputs: Any,
        *,
        run_id: UUID,
        parent_run_id: UUID | None = None,
        tags: list[str] | None = None,
        metadata: dict[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        """A graph, node or other runnable starts; with the first node of a superstep, the superstep."""
        kwargs.update(run_id=run_id, parent_run_id=parent_run_id, tags=tags)
        if parent_run_id is not None:
            if _supersteps.is_node(tags):
                self.observe("superstep", _supersteps.node_starts, self, kwargs.get("name"), parent_run_id, metadata)
            _start(self, serialized, inputs, metadata=metadata, **kwargs)
            return
        call = attempt("on_chain_start", _loops.call, None)
        about = attempt("on_chain_start", lambda: _identity.with_identity(call, metadata), metadata)
        with _propagation.remote_parent(call):
            _start(self, serialized, inputs, metadata=about, **kwargs)

    def on_chain_end(self, outputs: Any, *, run_id: UUID, **kwargs: Any) -> None:
        """A graph, node or other runnable returned."""
        self._end_superstep(run_id)
        _end(self, outputs, run_id=run_id, **kwargs)

    def on_chain_error(self, error: BaseException, *, run_id: UUID, **kwargs: Any) -> None:
        """A graph, node or other runnable raised, was interrupted, cancelled or closed."""
        self._end_superstep(run_id)
        if isinstance(error, GeneratorExit):
            self.observe("on_interrupt", self._consumer_left, run_id)
        super().on_chain_error(error, run_id=run_id, **kwargs)

    def _end_superstep(self, run_id: UUID) -> None:
        run = find_open_run(run_id)
        if run is not None and run.step is not None:
            self.observe("superstep", _supersteps.graph_ends, self, run)

    def on_interrupt(self, event: GraphInterruptEvent) -> None:
        """A graph paused: the mark ``Graph Interrupt`` on its span, which will end ``interrupted``."""
        self.observe("on_interrupt", self._interrupted, event)

    def on_resume(self, event: GraphResumeEvent) -> None:
        """A graph goes on from a checkpoint: the mark ``Graph Resume`` on the span of the new run."""
        self.observe("on_resume", self._resumed, event)

    def mark_graph(self, run_id: UUID | None, key: object, name: str, data: Any, metadata: dict[str, Any]) -> None:
        """The mark of a pause or a resumption; where nobody saw the run start, it stands on the current scope.

        Args:
            run_id: of the graph's run.
            key: the occasion: of several handlers that are told of it, one leaves the mark.
            name: of the mark.
            data: of the mark.
            metadata: of the mark.
        """
        if self.run_info(run_id) is None:
            scope.event(name, data=data, metadata=metadata)
        else:
            self.mark_once(run_id, key, name, data, metadata)

    def _consumer_left(self, run_id: UUID) -> None:
        """The stream of a graph is closed: one that had paused by then would have told so with its next step."""
        run = find_open_run(run_id)
        if run is None or not run.interrupts or any(_is_pause(key) for key in run.marks):
            return
        self._interrupted(_loops.pause(run_id) or _pause_of(run_id, run))

    def _interrupted(self, event: GraphInterruptEvent) -> None:
        run = self.run_info(event.run_id)
        ids = [str(pause.id) for pause in event.interrupts]
        data = {
            **_described(event, run),
            "interrupts": [{"id": pause.id, "value": self.view(pause.value)} for pause in event.interrupts],
            "next": list(run.paused_nodes) if run is not None and event.interrupts else _loops.waiting_nodes(),
        }
        if run is not None:
            self.pause_run(event.run_id, ids)
            _pauses.remember(_place(data), run.uuid, ids)
        self.mark_graph(event.run_id, _key(event), "Graph Interrupt", data, {**_METADATA, "relay.interrupt_ids": ids})

    def _resumed(self, event: GraphResumeEvent) -> None:
        run = self.run_info(event.run_id)
        data = _described(event, run)
        before, ids = _asked_before(_place(data), run)
        metadata: dict[str, Any] = {**_METADATA, "relay.interrupt_ids": list(ids)}
        if before is not None and (run is None or before.uuid != run.uuid):
            data["resumed_run_uuid"] = metadata["relay.resumed_run_uuid"] = before.uuid
        if run is not None and run.resume is not None:
            data["answers"] = self.view(_pauses.answers(run.resume, ids))
        self.mark_graph(event.run_id, _key(event), "Graph Resume", data, metadata)


def _asked_before(place: _pauses.Checkpoint, run: RunInfo | None) -> tuple[_pauses.Pause | None, tuple[str, ...]]:
    """The run that paused where this one goes on, if one did, and the interrupts that wait for an answer."""
    before, waiting = _pauses.recall(place), _loops.waiting()
    ids = waiting.ids if waiting is not None else ()
    if run is not None and run.resume is not None:
        # Whether its question stands beside the checkpoint already depends on how far the loop came: not on all
        # versions of Python the same.
        left = _pauses.left_open(place, run.uuid, ids)
        if left is not None and (before is None or not ids or left.uuid > before.uuid):
            return left, ids or left.ids
    if waiting is None:
        return before, before.ids if before is not None else ()
    return (before if ids or waiting.at_breakpoint else None), ids


def _pause_of(run_id: UUID, run: Run) -> GraphInterruptEvent:
    # An asynchronous graph tells that it is closed from a task of its own, where its loop cannot be found. What its
    # nodes asked is known; the checkpoint is not.
    about = run.handle.metadata if run.handle is not None else None
    namespace = (about or {}).get("langgraph_checkpoint_ns") or ""
    asked = tuple(one for error in run.failed.values() for one in interrupts_of(error))
    return GraphInterruptEvent(run_id, "pending", "", tuple(namespace.split("|")) if namespace else (), asked)


def _is_pause(key: object) -> bool:
    return isinstance(key, tuple) and key[:1] == (GraphInterruptEvent.__name__,)


def _key(event: GraphLifecycleEvent) -> object:
    # Two handlers of one run are told the same event; only one of them may leave the mark.
    return type(event).__name__, event.status, event.checkpoint_id, event.checkpoint_ns


def _described(event: GraphLifecycleEvent, run: RunInfo | None) -> dict[str, Any]:
    return {
        "run_id": str(event.run_id),
        "status": event.status,
        "checkpoint_id": event.checkpoint_id or None,
        "checkpoint_ns": list(event.checkpoint_ns),
        "thread_id": run.metadata.get("thread_id") if run is not None else None,
    }


def _place(data: dict[str, Any]) -> _pauses.Checkpoint:
    return _pauses.Checkpoint(data["thread_id"], tuple(data["checkpoint_ns"]), data["checkpoint_id"])
