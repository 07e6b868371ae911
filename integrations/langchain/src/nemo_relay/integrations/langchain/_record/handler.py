# SPDX-License-Identifier: Apache-2.0
"""The callback handler: LangChain's callbacks as NeMo Relay events."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Literal
from uuid import UUID

from langchain_core.documents import Document
from langchain_core.messages import BaseMessage, HumanMessage
from langchain_core.outputs import LLMResult
from langchain_core.tracers.base import BaseTracer

from nemo_relay import LLMAttributes, LLMRequest, ScopeType, llm, scope, subscribers, tools
from nemo_relay.integrations.langchain._failures import guard_callbacks, observed
from nemo_relay.integrations.langchain._guards import enforcement, gates
from nemo_relay.integrations.langchain._options import AdapterOptions
from nemo_relay.integrations.langchain._record.sibling import SiblingHandler
from nemo_relay.integrations.langchain._runs import claims, graphs, naming, outcomes, resolver, states, table
from nemo_relay.integrations.langchain._runs.lifecycle import adopt, begin, end_run, mark, new_run
from nemo_relay.integrations.langchain._runs.model_run import Asked, answered, request_shown
from nemo_relay.integrations.langchain._runs.streaming import SAMPLED, StreamStats, chunk_text, event_text
from nemo_relay.integrations.langchain._runs.table import Handle, Run
from nemo_relay.integrations.langchain._views import payloads, requests
from nemo_relay.integrations.langchain._views.capture import capped
from nemo_relay.runtime_registrations import is_shaped


class RelayCallbackHandler(SiblingHandler):
    """Records chains, model calls, tools and retrievers as one event tree.

    Pass it wherever LangChain takes callbacks. It observes: what goes wrong in it stays inside, what it sees it
    does not change. Where guardrails are registered it also asks them for each tool and model call that nothing
    else has asked them for, and lets ``GuardrailRejected`` through. It holds no state of its own, so one instance
    serves any number of concurrent runs, threads and event loops, and can be copied and pickled. A second handler
    on the same run adds nothing.

    Args:
        options: see ``AdapterOptions``. What becomes of refusals and edits concerns the middleware and the wrappers:
            a handler can stop a call, not answer it.

    >>> from nemo_relay.integrations.langchain import RelayCallbackHandler
    >>> from langchain_core.runnables import RunnableLambda
    >>> RunnableLambda(lambda x: x + 1).invoke(1, {"callbacks": [RelayCallbackHandler()]})
    2
    """

    run_inline = True  # in the caller's context and order, in synchronous and asynchronous programs alike
    raise_error = True  # only what a guardrail says gets that far

    def __init__(self, options: AdapterOptions | None = None) -> None:
        super().__init__()
        if options is not None:
            self.options = options
        if self.options.enforce_in_callbacks:
            gates.open_gate(self, *gates.GUARDRAIL_PASSAGES)

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if cls.__module__.startswith("nemo_relay.integrations."):  # what others override is theirs to answer for
            guard_callbacks(cls)

    # --- LangChain's callbacks

    @observed
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
        """A chain, graph, node or other runnable starts."""
        about, parent, given = metadata or {}, resolver.parent_of(parent_run_id), kwargs.get("name")
        lcel = "run_type" in kwargs
        kind = naming.chain_kind(given, parent, tags or (), about, lcel=lcel, run_type=kwargs.get("run_type"))
        run = new_run(run_id, parent, kind, naming.chain_name(given, serialized, kind, parent), self)
        run.deferred = lcel and graphs.is_placeholder(inputs)
        run.resume = graphs.resumption(inputs)

        def start(parent: Handle | None) -> Handle:
            shown, draft = (None, None) if run.deferred else states.given(run, inputs)
            flag = payloads.DEGRADED if draft is not None and draft.degraded else {}
            about_all = {**about, **graphs.attempt(run, about, tags or ()), **flag}
            described = naming.start_metadata(run_id, parent_run_id, kind, tags, about_all, self.options.session_id)
            handle = scope.start(run.name, naming.scope_type(kind), parent=parent, metadata=described, input=shown)
            if draft is not None:
                draft.commit(handle)
            return handle

        begin(run_id, run, None if naming.is_plumbing(kind, tags or (), self.options.detail) else start)

    @observed
    def on_chain_end(self, outputs: Any, *, run_id: UUID, **kwargs: Any) -> None:
        """A chain returned."""
        run = table.find_open_run(run_id)
        if run is not None:
            graphs.route(run, outputs, self)
            end_run(run, lambda: graphs.chain_ending(run, outputs, kwargs), otherwise="ok")

    @observed
    def on_chain_error(self, error: BaseException, *, run_id: UUID, **kwargs: Any) -> None:
        """A chain raised, was interrupted, cancelled or closed."""
        self._fail(run_id, lambda run: graphs.error_ending(run, error), error)

    @observed
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
        """A chat model is asked; one run per conversation."""
        conversation = messages[0] if messages else []
        asked = Asked(run_id, parent_run_id, tags, metadata or {}, kwargs)
        self._start_model(serialized, asked, conversation)

    @observed
    def on_llm_start(
        self,
        serialized: dict[str, Any],
        prompts: list[str],
        *,
        run_id: UUID,
        parent_run_id: UUID | None = None,
        tags: list[str] | None = None,
        metadata: dict[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        """A completion model is asked; one run per prompt."""
        prompt = prompts[0] if prompts else ""
        asked = Asked(run_id, parent_run_id, tags, metadata or {}, kwargs)
        self._start_model(serialized, asked, [HumanMessage(prompt)])

    def _start_model(
        self, serialized: dict[str, Any] | None, asked: Asked, conversation: Sequence[BaseMessage]
    ) -> None:
        name = requests.provider_name(asked.params, asked.metadata, serialized, asked.name)
        if self._asks("llm"):
            request = lambda: requests.chat_request(conversation, asked.params, asked.model)[0]  # noqa: E731
            enforcement.ask_for_model(name, request, asked.run_id, asked.parent_run_id)
        self._open_model(name, asked, conversation)

    def _open_model(self, name: str, asked: Asked, conversation: Sequence[BaseMessage]) -> None:
        run = new_run(asked.run_id, resolver.parent_of(asked.parent_run_id), "llm", name, self)
        run.stream = StreamStats(asked.model)
        claim, is_call = claims.take("llm", run.key, name)
        about = asked.described({**asked.metadata, **asked.batch}) if claim is not None else {}
        if claim is not None and is_call:
            adopt(asked.run_id, run, claim, about)
            return

        def start(parent: Handle | None) -> Handle:
            content, flag, turn = request_shown(run, conversation, asked, parent)
            again = graphs.again(run, claim) if claim is not None and not claim.pending else None
            if again is None:
                again = graphs.attempt(run, asked.metadata, asked.tags or ())
            handle = llm.call(
                name,
                LLMRequest({}, content),
                handle=parent,
                attributes=LLMAttributes(LLMAttributes.STREAMING) if asked.params.get("stream") else None,
                metadata=asked.described({**asked.metadata, **asked.batch, **again, **flag}),
                model_name=asked.model,
            )
            if turn is not None:
                turn.commit(handle)
            return handle

        if claim is not None and claim.pending:
            if adopt(asked.run_id, run, claims.Claim("llm", name, None, late=start), about):
                claim.waiting.append(run)
            return
        begin(asked.run_id, run, start, under=claim.handle if claim is not None else None)

    @observed
    def on_llm_new_token(self, token: Any, *, chunk: Any = None, run_id: UUID, **kwargs: Any) -> None:
        """A chunk arrived."""
        self._count_chunk(run_id, *chunk_text(token, chunk))

    @observed
    def on_stream_event(self, event: Any, *, run_id: UUID, **kwargs: Any) -> None:
        """A content-block event arrived (streaming protocol version 2)."""
        text = event_text(event)
        if text is not None:
            self._count_chunk(run_id, text, True, False)

    def _count_chunk(self, run_id: UUID, text: str, carries: bool, calls: bool) -> None:
        run = table.find_open_run(run_id)
        if run is None or run.stream is None or run.owner is not self:
            return
        first, marks = run.stream.add(text, carries_output=carries), self.options.stream_marks
        if first and marks != "off":
            mark(run, "llm.first_token", {"ttft_ms": run.stream.ttft_ms})
        index = run.stream.chunks - 1
        if marks == "all" or (marks == "sampled" and index % SAMPLED == 0):
            mark(run, "llm.chunk", {"index": index, "text_len": len(text), "tool_call_delta": calls})

    @observed
    def on_llm_end(self, response: LLMResult, *, run_id: UUID, **kwargs: Any) -> None:
        """A model answered."""
        run = table.find_open_run(run_id)
        if run is not None:
            end_run(run, lambda: answered(run, outcomes.ok(None), response), otherwise="ok")

    @observed
    def on_llm_error(self, error: BaseException, *, run_id: UUID, **kwargs: Any) -> None:
        """A model call failed, or its stream was closed."""
        response = kwargs.get("response")
        self._fail(run_id, lambda run: answered(run, outcomes.ending_of(error), response), error)

    @observed
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
        name = str((serialized or {}).get("name") or kwargs.get("name") or "tool")
        call_id = str(kwargs["tool_call_id"]) if kwargs.get("tool_call_id") else None
        given = inputs if inputs is not None else input_str
        if self._asks("tool"):
            enforcement.ask_for_tool(name, given, run_id, parent_run_id, call_id, self.options)
        about = (tags, metadata or {})
        self._open_tool(name, given, run_id, parent_run_id, call_id, about)

    def _open_tool(
        self,
        name: str,
        given: Any,
        run_id: UUID,
        parent_run_id: UUID | None,
        call_id: str | None,
        about: tuple[list[str] | None, dict[str, Any]],
    ) -> None:
        tags, metadata = about
        run = new_run(run_id, resolver.parent_of(parent_run_id), "tool", name, self)
        claim, is_call = claims.take("tool", run.key, name, call_id, resolver.parent_key(parent_run_id))
        if claim is not None and is_call:
            adopt(run_id, run, claim, naming.start_metadata(run_id, parent_run_id, "tool", tags, metadata))
            return

        def start(parent: Handle | None) -> Handle:
            args, flag = payloads.shown(given) if self._shows("tool_args", parent) else (None, {})
            args = capped(args, self.options.max_payload_bytes)
            again = graphs.again(run, claim) if claim is not None else {}
            described = naming.start_metadata(run_id, parent_run_id, "tool", tags, {**metadata, **again, **flag})
            return tools.call(name, args, handle=parent, metadata=described, tool_call_id=call_id)

        begin(run_id, run, start, under=claim.handle if claim is not None else None)

    @observed
    def on_tool_end(self, output: Any, *, run_id: UUID, **kwargs: Any) -> None:
        """A tool returned."""
        run = table.find_open_run(run_id)
        if run is not None:
            end_run(run, lambda: outcomes.tool_returned(output), otherwise="ok")

    @observed
    def on_tool_error(self, error: BaseException, *, run_id: UUID, **kwargs: Any) -> None:
        """A tool raised."""
        self._fail(run_id, lambda run: outcomes.tool_raised(error), error)

    @observed
    def on_retriever_start(
        self,
        serialized: dict[str, Any] | None,
        query: str,
        *,
        run_id: UUID,
        parent_run_id: UUID | None = None,
        tags: list[str] | None = None,
        metadata: dict[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        """A retriever is asked."""
        about = metadata or {}
        name = naming.chain_name(kwargs.get("name") or about.get("ls_retriever_name"), serialized, "retriever", None)
        run = new_run(run_id, resolver.parent_of(parent_run_id), "retriever", name, self)
        described = naming.start_metadata(run_id, parent_run_id, "retriever", tags, about)
        shown = {"query": query} if self.options.captured.inputs else None

        def start(parent: Handle | None) -> Handle:
            asked = capped(shown, self.options.max_payload_bytes)
            return scope.start(name, ScopeType.Retriever, parent=parent, metadata=described, input=asked)

        begin(run_id, run, start)

    @observed
    def on_retriever_end(self, documents: Sequence[Document], *, run_id: UUID, **kwargs: Any) -> None:
        """A retriever answered."""
        run = table.find_open_run(run_id)
        if run is not None:
            end_run(run, lambda: outcomes.ok(payloads.documents_view(documents)), otherwise="ok")

    @observed
    def on_retriever_error(self, error: BaseException, *, run_id: UUID, **kwargs: Any) -> None:
        """A retriever raised."""
        self._fail(run_id, lambda run: outcomes.ending_of(error), error)

    @observed
    def on_custom_event(
        self,
        name: str,
        data: Any,
        *,
        run_id: UUID,
        tags: list[str] | None = None,
        metadata: dict[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        """The application dispatched an event of its own: a mark with that name."""
        self._mark(run_id, name, self.view(data), {"relay.tags": list(tags)} if tags else None)

    @observed
    def on_retry(self, retry_state: Any, *, run_id: UUID, **kwargs: Any) -> None:
        """A model integration is about to try again: the mark ``retry``."""
        self._mark(run_id, "retry", graphs.retry(retry_state), None)

    @observed
    def on_agent_action(self, action: Any, *, run_id: UUID, **kwargs: Any) -> None:
        """A legacy agent chose a tool: the mark ``agent.action``."""
        data = {"tool": action.tool, "tool_input": payloads.view(action.tool_input), "log": action.log}
        self._mark(run_id, "agent.action", data, None)

    def _fail(self, run_id: UUID, make: Callable[[Run], outcomes.Ending], error: BaseException) -> None:
        run = table.find_open_run(run_id)
        if run is not None:
            graphs.note_error(run, error)
            end_run(run, lambda: make(run), otherwise="error")

    def _asks(self, kind: Literal["tool", "llm"]) -> bool:
        """Whether the guardrails are to be asked here; where nothing at all asks them, that is told."""
        if not is_shaped(kind):
            return False
        if not self.options.enforce_in_callbacks:
            self.observe("status", gates.unreached)
        return self.options.enforce_in_callbacks

    def _shows(self, payload: str, handle: Handle | None) -> bool:
        """Whether payloads of that kind are recorded, and somebody hears of them."""
        return getattr(self.options.captured, payload) and subscribers.is_heard(handle)

    def _mark(self, run_id: UUID, name: str, data: Any, metadata: dict[str, Any] | None) -> None:
        run = resolver.parent_of(run_id)
        if run is None:
            scope.event(name, data=data, metadata=metadata)
        elif run.owner is self:
            mark(run, name, data, metadata)


# A node's author may say (``TracePolicy``) what tracers get to see of its payloads; by this class LangGraph knows them.
BaseTracer.register(RelayCallbackHandler)
