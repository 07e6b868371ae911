# SPDX-License-Identifier: Apache-2.0
"""The LangChain handler, and what only LangGraph tells: a graph paused, a graph was resumed."""

from __future__ import annotations

from contextlib import nullcontext
from typing import Any
from uuid import UUID

from langgraph.callbacks import (
    GraphCallbackHandler,
    GraphInterruptEvent,
    GraphLifecycleEvent,
    GraphResumeEvent,
)
from nemo_relay.integrations import langchain
from nemo_relay.integrations.langchain import RunInfo
from nemo_relay.integrations.langchain.adapter import find_open_run

from . import _loops, _pauses, _propagation, _supersteps

_METADATA = {"integration": "langgraph"}
_HERE = nullcontext()


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
        name = kwargs.get("name")
        self.observe("superstep", _supersteps.node_starts, self, name, parent_run_id, metadata, tags)
        start = super().on_chain_start
        with _HERE if parent_run_id is not None else _propagation.remote_parent():
            start(
                serialized,
                inputs,
                run_id=run_id,
                parent_run_id=parent_run_id,
                tags=tags,
                metadata=metadata,
                **kwargs,
            )

    def on_chain_end(self, outputs: Any, *, run_id: UUID, **kwargs: Any) -> None:
        """A graph, node or other runnable returned."""
        self.observe("superstep", _supersteps.graph_ends, self, find_open_run(run_id))
        super().on_chain_end(outputs, run_id=run_id, **kwargs)

    def on_chain_error(self, error: BaseException, *, run_id: UUID, **kwargs: Any) -> None:
        """A graph, node or other runnable raised, was interrupted, cancelled or closed."""
        self.observe("superstep", _supersteps.graph_ends, self, find_open_run(run_id))
        super().on_chain_error(error, run_id=run_id, **kwargs)

    def on_interrupt(self, event: GraphInterruptEvent) -> None:
        """A graph paused: the mark ``Graph Interrupt`` on its span, which will end ``interrupted``."""
        self.observe("on_interrupt", self._interrupted, event)

    def on_resume(self, event: GraphResumeEvent) -> None:
        """A graph goes on from a checkpoint: the mark ``Graph Resume`` on the span of the new run."""
        self.observe("on_resume", self._resumed, event)

    def _interrupted(self, event: GraphInterruptEvent) -> None:
        run = self.run_info(event.run_id)
        if run is None:
            return
        ids = [str(pause.id) for pause in event.interrupts]
        self.pause_run(event.run_id, ids)
        data = {
            **_described(event, run),
            "interrupts": [{"id": pause.id, "value": self.view(pause.value)} for pause in event.interrupts],
            "next": list(run.paused_nodes) if event.interrupts else _loops.waiting_nodes(),
        }
        _pauses.remember(data["thread_id"], event.checkpoint_ns, run.uuid, ids)
        self.mark_once(event.run_id, _key(event), "Graph Interrupt", data, {**_METADATA, "relay.interrupt_ids": ids})

    def _resumed(self, event: GraphResumeEvent) -> None:
        run = self.run_info(event.run_id)
        if run is None:
            return
        data = _described(event, run)
        before = _pauses.recall(data["thread_id"], event.checkpoint_ns)
        if before is not None and before.uuid != run.uuid:
            data["resumed_run_uuid"] = before.uuid
        if run.resume is not None:
            data["answers"] = self.view(_pauses.answers(run.resume, before))
        self.mark_once(event.run_id, _key(event), "Graph Resume", data, _METADATA)


def _key(event: GraphLifecycleEvent) -> object:
    # Two handlers of one run are told the same event; only one of them may leave the mark.
    return type(event).__name__, event.status, event.checkpoint_id, event.checkpoint_ns


def _described(event: GraphLifecycleEvent, run: RunInfo) -> dict[str, Any]:
    return {
        "run_id": str(event.run_id),
        "status": event.status,
        "checkpoint_id": event.checkpoint_id,
        "checkpoint_ns": list(event.checkpoint_ns),
        "thread_id": run.metadata.get("thread_id"),
    }
