# SPDX-License-Identifier: Apache-2.0
"""The LangGraph handler, and what only a deep agent tells: who delegates, what a human decided, which file."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from langchain_core.messages import BaseMessage, ToolMessage

from nemo_relay.integrations import langgraph
from nemo_relay.integrations.langchain import AdapterOptions
from nemo_relay.integrations.langchain.adapter import (
    Ending,
    Run,
    RunNotes,
    ask_for_model,
    attempt,
    chat_request,
    end_run,
    find_open_run,
    find_run,
    model_name,
    outside_managed_calls,
    provider_name,
    tool_returned,
)

from . import _agents, _decisions, _files, _requests, _resumptions
from ._agents import TaskCall

_REVIEWS = "deepagents"
_NO_MESSAGES: list[BaseMessage] = []

# As long as the framework holds on to the run id, and no longer: a cancelled tool never tells that it ended.
_tasks: RunNotes[TaskCall] = RunNotes()


class NemoRelayDeepAgentsCallbackHandler(langgraph.RelayCallbackHandler):
    """Records a deep agent: all that the LangGraph handler records, delegation, reviews and files.

    Pass it in ``config["callbacks"]``; ``create_deep_agent`` of this package does it for you.

    >>> from nemo_relay.integrations.deepagents import NemoRelayDeepAgentsCallbackHandler
    >>> config = {"callbacks": [NemoRelayDeepAgentsCallbackHandler()]}
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        # The published handler takes, and ignores, any argument.
        options = next((item for item in (*args, *kwargs.values()) if isinstance(item, AdapterOptions)), None)
        super().__init__(options)

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
        """A graph, agent, node or other runnable starts."""
        name, about = kwargs.pop("name", None), metadata
        if metadata is not None and _agents.is_deep(metadata):
            given = (name, metadata)
            make = lambda: _described(*given, tags or (), parent_run_id, inputs, lcel="run_type" in kwargs)  # noqa: E731
            name, about = attempt("on_chain_start", make, given)
        super().on_chain_start(
            serialized,
            inputs,
            run_id=run_id,
            parent_run_id=parent_run_id,
            tags=tags,
            metadata=about,
            name=name,
            **kwargs,
        )
        self.observe("on_chain_start", _decisions.node_starts, run_id, inputs, metadata or {})

    def on_chain_end(self, outputs: Any, *, run_id: UUID, **kwargs: Any) -> None:
        """A graph, agent, node or other runnable returned."""
        self.observe("on_chain_end", _decisions.run_ends, run_id, outputs)
        super().on_chain_end(outputs, run_id=run_id, **kwargs)

    def on_chain_error(self, error: BaseException, *, run_id: UUID, **kwargs: Any) -> None:
        """A graph, agent, node or other runnable raised, was interrupted, cancelled or closed."""
        self.observe("on_chain_error", _decisions.run_fails, run_id, error)
        super().on_chain_error(error, run_id=run_id, **kwargs)

    def on_chat_model_start(
        self,
        serialized: dict[str, Any],
        messages: list[list[BaseMessage]],
        *,
        run_id: UUID,
        parent_run_id: UUID | None = None,
        tags: list[str] | None = None,
        metadata: dict[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        """A chat model is asked; the guardrails decide again where middleware behind ours changed the request."""
        unseen = attempt("on_chat_model_start", lambda: _requests.added(messages[0]), _NO_MESSAGES)
        if unseen and self.options.enforce_in_callbacks:
            _ask_again(serialized, messages[0], run_id, parent_run_id, metadata or {}, kwargs)
        super().on_chat_model_start(
            serialized,
            messages,
            run_id=run_id,
            parent_run_id=parent_run_id,
            tags=tags,
            metadata=metadata,
            **kwargs,
        )
        if unseen:
            self.mark_once(run_id, "changed", "llm.request_changed", {"messages": self.view(unseen)})

    def on_tool_start(
        self,
        serialized: dict[str, Any] | None,
        input_str: str,
        *,
        run_id: UUID,
        parent_run_id: UUID | None = None,
        tags: list[str] | None = None,
        metadata: dict[str, Any] | None = None,
        inputs: dict[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        """A tool is called."""
        about = metadata
        if _agents.is_deep(metadata or {}):
            name = str((serialized or {}).get("name"))
            call_id = kwargs.get("tool_call_id")
            make = lambda: _tool_metadata(run_id, name, inputs, call_id)  # noqa: E731
            about = {**(metadata or {}), **attempt("on_tool_start", make, {})}
        super().on_tool_start(
            serialized,
            input_str,
            run_id=run_id,
            parent_run_id=parent_run_id,
            tags=tags,
            metadata=about,
            inputs=inputs,
            **kwargs,
        )

    def on_tool_end(self, output: Any, *, run_id: UUID, **kwargs: Any) -> None:
        """A tool returned."""
        run = find_open_run(run_id)
        nothing: dict[str, Any] = {}
        extra = attempt("on_tool_end", lambda: _file_ending(run, output), nothing)
        if run is None or not extra:
            super().on_tool_end(output, run_id=run_id, **kwargs)
            return

        def ending() -> Ending:
            made = tool_returned(output)
            made.extra.update(extra)
            return made

        self.observe("on_tool_end", lambda: end_run(run, ending, otherwise="ok"))

    def mark_graph(self, run_id: UUID | None, key: object, name: str, data: Any, metadata: dict[str, Any]) -> None:
        """The mark of a pause or a resumption; one that is about a review of tool calls says so.

        Args:
            run_id: of the graph's run.
            key: the occasion: of several handlers that are told of it, one leaves the mark.
            name: of the mark.
            data: of the mark.
            metadata: of the mark.
        """
        run = find_run(run_id)
        if run is not None and not run.first((_REVIEWS, key)):
            return  # another handler has been told, and has taken what was noted about it
        if name == "Graph Interrupt":
            shown = _resumptions.pause(data)
            if shown is not None:
                about = _resumptions.metadata_of("interrupt", name, metadata)
                name, data, metadata = _resumptions.INTERRUPT, shown, about
        elif name == "Graph Resume":
            found = _resumptions.resume(name, key, data, metadata)
            if found is not None and run is not None:
                _decisions.graph_resumes(run, found)
                return
        super().mark_graph(run_id, key, name, data, metadata)


def _described(
    name: str | None,
    metadata: dict[str, Any],
    tags: Sequence[str],
    parent_run_id: UUID | None,
    inputs: Any,
    *,
    lcel: bool,
) -> tuple[str | None, dict[str, Any]]:
    call = _tasks.get(parent_run_id) if parent_run_id is not None else None
    if not _agents.is_agent(name, metadata, tags, call, lcel=lcel):
        return name, metadata
    about = {**metadata, **_agents.described(name, metadata, call, inputs)}
    return _agents.span_name(name, metadata), about


def _ask_again(
    serialized: Any,
    messages: list[BaseMessage],
    run_id: UUID,
    parent_run_id: UUID | None,
    metadata: dict[str, Any],
    kwargs: dict[str, Any],
) -> None:
    """Let the guardrails decide about the request as it is sent; raises ``GuardrailRejected``."""
    params = kwargs.get("invocation_params") or {}
    find = lambda: provider_name(params, metadata, serialized, kwargs.get("name"))  # noqa: E731
    provider = attempt("on_chat_model_start", find, "model")

    def content() -> dict[str, Any]:
        return chat_request(messages, params, model_name(params, metadata))[0]

    with outside_managed_calls():  # the managed call has been asked about, in the form it had further out
        ask_for_model(provider, content, run_id, parent_run_id)


def _tool_metadata(run_id: UUID, name: str, inputs: Any, tool_call_id: Any) -> dict[str, Any]:
    if name == _agents.TASK:
        call = _agents.task_call(inputs, tool_call_id)
        _tasks.put(run_id, call)
        return {**_agents.INTEGRATION, "subagent_type": call.subagent} if call.subagent else {}
    known = _agents.setup.get()
    found = _files.resource(name, inputs, known.backend if known is not None else None)
    return {"resource": found} if found is not None else {}


def _file_ending(run: Run | None, output: Any) -> dict[str, Any]:
    if run is None or run.handle is None or not isinstance(output, ToolMessage):
        return {}
    claimed = run.claim.about if run.claim is not None else run.handle.metadata
    about = (claimed or {}).get("resource")
    if about is None:
        return {}
    extra: dict[str, Any] = {"error.code": "permission_denied"} if _files.is_denied(run.name, output) else {}
    size = _files.read_bytes(run.name, output)
    return {**extra, "resource": {**about, "bytes": size}} if size is not None else extra
