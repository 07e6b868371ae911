# SPDX-License-Identifier: Apache-2.0
"""The agent around a middleware: without a handler of the application, nobody would tell of it and of its nodes.

LangChain lets a library add a handler to every run. Ours follows only the agents whose middleware asks it to: it
notes each agent run that starts, records nothing, and forgets it when it ends. When the middleware of an agent is
first called, the agent and the node that is running get their spans, and what follows is recorded as it happens.
"""

from __future__ import annotations

from collections.abc import Iterable
from contextvars import ContextVar
from dataclasses import replace
from typing import Any, NamedTuple, cast
from uuid import UUID
from weakref import WeakSet

from langchain_core.runnables.config import var_child_runnable_config
from langchain_core.tracers.context import register_configure_hook

from nemo_relay.integrations.langchain import _failures
from nemo_relay.integrations.langchain._options import AdapterOptions
from nemo_relay.integrations.langchain._record.handler import RelayCallbackHandler
from nemo_relay.integrations.langchain._record.instrument import instrumented
from nemo_relay.integrations.langchain._runs import resolver, table
from nemo_relay.integrations.langchain._runs.table import RunNotes
from nemo_relay.integrations.langchain._views.capture import NAMES, Capture

_AGENTS = ("langchain_create_agent",)


class _Noted(NamedTuple):
    """The start of a run, as the framework told it."""

    serialized: Any
    inputs: Any
    parent_run_id: UUID | None
    rest: dict[str, Any]


_noted: RunNotes[_Noted] = RunNotes()


class _Follower(RelayCallbackHandler):
    """Records the runs below an agent that was woken; of the others it takes a note."""

    def on_chain_start(
        self, serialized: Any, inputs: Any, *, run_id: UUID, parent_run_id: UUID | None = None, **kwargs: Any
    ) -> None:
        """A chain, graph, node or other runnable starts."""
        if self._follows(parent_run_id):
            super().on_chain_start(serialized, inputs, run_id=run_id, parent_run_id=parent_run_id, **kwargs)
        elif parent_run_id in _noted or (kwargs.get("metadata") or {}).get("ls_integration") in _AGENTS:
            _noted.put(run_id, _Noted(serialized, inputs, parent_run_id, kwargs))

    def on_chain_end(self, outputs: Any, *, run_id: UUID, **kwargs: Any) -> None:
        """A chain returned."""
        _noted.pop(run_id)
        super().on_chain_end(outputs, run_id=run_id, **kwargs)

    def on_chain_error(self, error: BaseException, *, run_id: UUID, **kwargs: Any) -> None:
        """A chain raised, was interrupted, cancelled or closed."""
        _noted.pop(run_id)
        super().on_chain_error(error, run_id=run_id, **kwargs)

    def on_chat_model_start(self, *args: Any, parent_run_id: UUID | None = None, **kwargs: Any) -> None:
        """A chat model is asked."""
        if self._follows(parent_run_id):
            super().on_chat_model_start(*args, parent_run_id=parent_run_id, **kwargs)

    def on_llm_start(self, *args: Any, parent_run_id: UUID | None = None, **kwargs: Any) -> None:
        """A completion model is asked."""
        if self._follows(parent_run_id):
            super().on_llm_start(*args, parent_run_id=parent_run_id, **kwargs)

    def on_tool_start(self, *args: Any, parent_run_id: UUID | None = None, **kwargs: Any) -> None:
        """A tool is called."""
        if self._follows(parent_run_id):
            super().on_tool_start(*args, parent_run_id=parent_run_id, **kwargs)

    def on_retriever_start(self, *args: Any, parent_run_id: UUID | None = None, **kwargs: Any) -> None:
        """A retriever is asked."""
        if self._follows(parent_run_id):
            super().on_retriever_start(*args, parent_run_id=parent_run_id, **kwargs)

    def wake(self, run_id: UUID) -> None:
        """Open the spans of this run, and of the runs around it, as far as nobody else has."""
        start = _noted.pop(run_id)
        if start is None or table.find_run(run_id) is not None:
            return
        if start.parent_run_id is not None:
            self.wake(start.parent_run_id)
        super().on_chain_start(
            start.serialized, start.inputs, run_id=run_id, parent_run_id=start.parent_run_id, **start.rest
        )

    def _mark(self, run_id: UUID, name: str, data: Any, metadata: dict[str, Any] | None) -> None:
        if self._follows(run_id):
            super()._mark(run_id, name, data, metadata)

    def _follows(self, run_id: UUID | None) -> bool:
        run = resolver.parent_of(run_id)
        return run is not None and run.owner is self


_FOLLOWER = _Follower(AdapterOptions(enforce_in_callbacks=False))  # the middleware is the gate


class _WhileThereIsMiddleware:
    """The follower, as long as a middleware could need it; read by LangChain like a ContextVar."""

    def __init__(self) -> None:
        self.middleware: WeakSet[Any] = WeakSet()
        self.hooked = False

    def get(self) -> RelayCallbackHandler | None:
        """The handler to add to a run."""
        return _FOLLOWER if self.middleware and instrumented() is None else None


_switch = _WhileThereIsMiddleware()


def _shared(newest: AdapterOptions, all_of_them: Iterable[AdapterOptions]) -> AdapterOptions:
    """The options of the follower: those of the newest middleware, and of no payload more than each lets through."""
    given = list(all_of_them)
    capture = Capture(**{name: all(getattr(options.captured, name) for options in given) for name in NAMES})
    limits = [options.max_payload_bytes for options in given if options.max_payload_bytes is not None]
    limit = min(limits, default=None)
    return replace(newest, capture=capture, max_payload_bytes=limit, enforce_in_callbacks=False)


def _agree(newest: AdapterOptions) -> None:
    _FOLLOWER.options = _shared(newest, [middleware.options for middleware in _switch.middleware])


def serve(middleware: Any) -> None:
    """Follow the agents of ``middleware``, when it says so with ``wake``."""
    _switch.middleware.add(middleware)
    _failures.guard("serve", _agree, middleware.options)
    if not _switch.hooked:
        _switch.hooked = True
        # Not where the application, or ``instrument``, has a handler of ours on the run.
        register_configure_hook(cast("ContextVar[Any]", _switch), True, RelayCallbackHandler)


def wake() -> None:
    """Record the agent whose middleware is running here, from now on."""
    config = var_child_runnable_config.get()
    run_id = getattr(config.get("callbacks") if config else None, "parent_run_id", None)
    if run_id is not None and run_id in _noted:
        _failures.guard("wake", _FOLLOWER.wake, run_id)
