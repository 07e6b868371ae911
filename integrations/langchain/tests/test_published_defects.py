# SPDX-License-Identifier: Apache-2.0
"""The published package's defects E-01 to E-19, as far as LangChain alone shows them: ours has none of them.

Each number has its tests here, in the file of that name of the LangGraph adapter, or in that of Deep Agents.
"""

from __future__ import annotations

import asyncio
import contextvars
import datetime
import math
import threading
from typing import Any

import pytest
from langchain.agents import create_agent
from langchain.agents.middleware import ToolRetryMiddleware
from langchain_core.documents import Document
from langchain_core.embeddings import Embeddings
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, ChatMessage, HumanMessage, ToolMessage
from langchain_core.outputs import ChatGeneration, ChatResult
from langchain_core.retrievers import BaseRetriever
from langchain_core.runnables import RunnableLambda
from langchain_core.tools import tool

from nemo_relay import ScopeType, ToolExecutionInterceptOutcome, scope
from nemo_relay.integrations.langchain import (
    AdapterOptions,
    RelayCallbackHandler,
    RelayMiddleware,
    wrap_embeddings,
    wrap_tool,
)
from nemo_relay.integrations.langchain.testing import ScriptedChatModel
from nemo_relay.testing import CapturedEvents

from .agents import ASK, agent, calling, intercepting, llm_guardrail, marks, named, of, run, tool_guardrail
from .test_chains import test_s06_batches_are_siblings as test_e02_inputs_of_a_batch_do_not_nest  # noqa: F401
from .test_scenarios_agents import (  # noqa: F401
    test_s16_parallel_tools_with_scopes as test_e13_parallel_tools_that_open_scopes_do_not_crash,
)
from .test_scenarios_agents import (  # noqa: F401
    test_s19_requests_commands_and_artifacts_pass_by_identity as test_e06_tool_results_are_not_altered,
)
from .test_scenarios_edits import test_s25_what_cannot_be_done_is_said as test_e10_no_edit_is_ignored  # noqa: F401
from .test_scenarios_streams import (  # noqa: F401
    test_s28_an_intercept_sees_each_chunk as test_e19_stream_intercepts_are_called,
)
from .test_scenarios_wrapping import (  # noqa: F401
    test_s32_a_server_that_was_touched_at_start_up as test_e13_a_server_that_was_touched_at_start_up,
)

BOTH = pytest.mark.parametrize("mode", ["invoke", "ainvoke"])


async def test_e01_managed_calls_have_the_right_parent_under_concurrency(events: CapturedEvents) -> None:
    graph, handler = agent(RelayMiddleware()), RelayCallbackHandler()
    await asyncio.gather(*(graph.ainvoke(ASK, {"callbacks": [handler]}) for _ in range(3)))
    graph.batch([ASK] * 3, {"callbacks": [handler]})
    assert len(named(events, "A")) == 6
    for root in named(events, "A"):
        assert [[below.name for below in child.children] for child in root.children] == [
            ["scripted"],
            ["weather"],
            ["scripted"],
        ]


LETTER: contextvars.ContextVar[str] = contextvars.ContextVar("e05", default="a")


class Local(ScriptedChatModel):
    """A synchronous model that runs a loop of its own, and says where it ran."""

    def _generate(self, *args: Any, **kwargs: Any) -> ChatResult:
        asyncio.run(asyncio.sleep(0))
        LETTER.set("b")
        return super()._generate(*args, **kwargs)


def test_e05_a_synchronous_model_may_run_a_loop_of_its_own(events: CapturedEvents) -> None:
    where: list[int] = []

    @tool
    def weather(city: str) -> str:
        """Use a loop of its own."""
        where.append(threading.get_ident())
        LETTER.set("b")
        return asyncio.run(asyncio.sleep(0, "sunny"))

    model = Local(script=[calling(("weather", {"city": "Paris"})), "done"])
    state = agent(RelayMiddleware(), model=model, tools=[weather]).invoke(ASK, {"callbacks": [RelayCallbackHandler()]})
    assert state["messages"][-1].content == "done"
    assert [call.outcome for call in events.tree().walk()] == ["ok"] * 7
    where.clear()
    assert wrap_tool(weather).invoke({"city": "Paris"}) == "sunny"
    assert where == [threading.get_ident()]


async def test_e05_inside_a_running_loop_the_model_stays_on_its_thread(events: CapturedEvents) -> None:
    seen: list[int] = []

    def reply(messages: Any) -> str:
        seen.append(threading.get_ident())
        LETTER.set("c")
        return "done"

    with llm_guardrail(lambda request: None):
        agent(RelayMiddleware(), script=[reply]).invoke(ASK, {"callbacks": [RelayCallbackHandler()]})
    assert seen == [threading.get_ident()]


class Nameless(BaseChatModel):
    """A model without any attribute for its name."""

    seen: list[Any] = []  # noqa: RUF012 - a field of pydantic, which copies it

    @property
    def _llm_type(self) -> str:
        return "nameless"

    def _generate(self, messages: Any, stop: Any = None, run_manager: Any = None, **kwargs: Any) -> ChatResult:
        self.seen.append((list(messages), kwargs))
        answer = AIMessage("fine", response_metadata={"when": datetime.datetime(2026, 1, 1)})
        return ChatResult(generations=[ChatGeneration(message=answer)])


AWKWARD: dict[str, Any] = {
    "chat message": ChatMessage("hi", role="critic"),
    "bytes": HumanMessage([{"type": "image", "data": b"\x00\xff"}]),
    "datetime": HumanMessage("hi", additional_kwargs={"when": datetime.datetime(2026, 1, 1)}),
    "not a number": HumanMessage("hi", additional_kwargs={"score": math.nan}),
    "large": HumanMessage("hi", additional_kwargs={"count": 2**80}),
}


@BOTH
@pytest.mark.parametrize("kind", AWKWARD)
async def test_e08_no_request_fails_because_of_telemetry(events: CapturedEvents, mode: str, kind: str) -> None:
    model = Nameless()
    graph = create_agent(model, name="A", middleware=[RelayMiddleware()])
    given = AWKWARD[kind]
    with llm_guardrail(lambda request: None):  # somebody reads the request
        state = await run(graph, mode, {"messages": [given]}, callbacks=[RelayCallbackHandler()])
    assert state["messages"][-1].content == "fine"
    ((messages, _),) = model.seen
    assert messages[0].content == given.content
    (call,) = of(events, "llm")
    assert (call.outcome, call.output["content"]) == ("ok", "fine")


@BOTH
async def test_e09_the_model_sees_the_very_messages(events: CapturedEvents, mode: str) -> None:
    model = Nameless()
    call = {"name": "weather", "args": {"city": "Paris"}, "id": "c1"}
    given: list[Any] = [
        HumanMessage("weather?", id="h"),
        AIMessage(
            "let me see",
            id="a",
            tool_calls=[call],
            additional_kwargs={"reasoning_content": "hm"},
            response_metadata={"model_name": "m"},
            usage_metadata={"input_tokens": 1, "output_tokens": 2, "total_tokens": 3},
        ),
        ToolMessage("no service", tool_call_id="c1", status="error", artifact=object(), id="t"),
    ]
    seen: list[Any] = []
    for middleware in ([], [RelayMiddleware()]):
        await run(create_agent(model, middleware=middleware), mode, {"messages": given})
        seen.append(model.seen.pop())
    (plain, plain_kwargs), (ours, our_kwargs) = seen
    assert all(one is other for one, other in zip(plain, given, strict=True))
    assert all(one is other for one, other in zip(ours, given, strict=True))
    assert our_kwargs == plain_kwargs


@BOTH
async def test_e11_a_rejection_is_a_message_and_is_not_retried(events: CapturedEvents, mode: str) -> None:
    asked: list[Any] = []
    retry = ToolRetryMiddleware(max_retries=3, initial_delay=0, jitter=False)
    with tool_guardrail(lambda name, args: asked.append(args) or "not allowed"):  # type: ignore[func-returns-value]
        state = await run(agent(retry, RelayMiddleware()), mode, callbacks=[RelayCallbackHandler()])
    assert [message.type for message in state["messages"]] == ["human", "ai", "tool", "ai"]
    assert (state["messages"][2].status, state["messages"][2].content) == ("error", "not allowed")
    assert len(asked) == 1


@BOTH
async def test_e11_a_substitute_is_a_tool_message(events: CapturedEvents, mode: str) -> None:
    for value, content in (("rain", "rain"), ({"rain": 3}, '{"rain": 3}')):

        async def answer(context: Any, proceed: Any, value: Any = value) -> Any:
            return ToolExecutionInterceptOutcome(value)

        with intercepting("tool_execution", answer):
            state = await run(agent(RelayMiddleware()), mode)
        assert type(state["messages"][2]) is ToolMessage
        assert state["messages"][2].content == content


@BOTH
async def test_e11_a_provider_document_is_an_answer(events: CapturedEvents, mode: str) -> None:
    document = {"choices": [{"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": "hi"}}]}

    async def answer(name: str, request: Any, context: Any, proceed: Any) -> Any:
        return document

    with intercepting("llm_execution", answer):
        state = await run(agent(RelayMiddleware()), mode)
    assert state["messages"][-1].content == "hi"


@BOTH
async def test_e13_two_handlers_on_one_run_do_not_crash(events: CapturedEvents, mode: str) -> None:
    with scope.scope("app", ScopeType.Function):
        await run(agent(RelayMiddleware()), mode, callbacks=[RelayCallbackHandler(), RelayCallbackHandler()])
    assert len(of(events, "llm")) == 2
    assert [root.name for root in events.tree().roots] == ["app"]


@BOTH
async def test_e14_no_header_and_no_session_is_called_after_a_node(events: CapturedEvents, mode: str) -> None:
    seen: list[dict[str, Any]] = []

    async def look(name: str, request: Any, context: Any, proceed: Any) -> Any:
        seen.append(dict(request.headers))
        return await proceed(request)

    with intercepting("llm_execution", look):
        await run(agent(RelayMiddleware()), mode, callbacks=[RelayCallbackHandler()])
    assert len(seen) == 2
    assert not [name for headers in seen for name in headers if name.startswith("x-dynamo")]
    (root,) = named(events, "A")
    assert root.metadata["session_id"] == root.metadata["relay.run_id"]
    assert [node.name for node in events.tree().walk() if node.category == "agent"] == ["A"]


class Shelf(BaseRetriever):
    def _get_relevant_documents(self, query: str, **_: Any) -> list[Document]:
        return [Document("about " + query)]


class Lengths(Embeddings):
    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        return [[float(len(text))] for text in texts]

    def embed_query(self, text: str) -> list[float]:
        return [float(len(text))]


def test_e15_the_handler_alone_records_all_of_it(events: CapturedEvents) -> None:
    config: Any = {"callbacks": [RelayCallbackHandler()], "tags": ["mine"]}
    failures = [ConnectionError("busy")]

    def reply(messages: Any) -> str:
        if failures:
            raise failures.pop()
        return "fine"

    model = ScriptedChatModel(script=[reply]).with_retry(stop_after_attempt=2, wait_exponential_jitter=False)
    chain = RunnableLambda(lambda asked: Shelf().invoke(asked)[0].page_content) | model
    assert chain.invoke("cats", config).content == "fine"
    list(ScriptedChatModel(script=["one two"]).stream("hi", config))
    agent(script=["done"]).invoke(ASK, config)
    wrap_embeddings(Lengths()).embed_query("a")
    asked = [call for call in of(events, "llm") if call.outcome == "ok"]
    assert len(asked) == 3
    for call in asked:
        assert call.output["usage"]["cache_read_tokens"] == 3
        assert call.output["usage"]["reasoning_tokens"] == 2
    assert [node.category for node in events.tree().walk()].count("retriever") == 1
    assert [node.category for node in events.tree().walk()].count("embedder") == 1
    assert {"retry", "llm.first_token"} <= {event.name for event in events if event.kind == "mark"}
    assert all(root.metadata["relay.tags"] == ["mine"] for root in events.tree().roots if root.category != "embedder")


def test_e15_the_fallback_is_named(events: CapturedEvents) -> None:
    backup = ScriptedChatModel(script=["here"], model="backup")
    model = ScriptedChatModel(script=[ConnectionError("down")], model="primary").with_fallbacks([backup])
    model.invoke("hi", {"callbacks": [RelayCallbackHandler()]})
    assert [(call.model, call.outcome) for call in of(events, "llm")] == [("primary", "error"), ("backup", "ok")]


@BOTH
async def test_e16_a_tool_that_says_error_is_no_success_and_no_failure(events: CapturedEvents, mode: str) -> None:
    graph = agent(RelayMiddleware(), script=[calling(("wether", {})), "sorry"])
    await run(graph, mode, callbacks=[RelayCallbackHandler()])
    (call,) = of(events, "tool")
    assert (call.outcome, call.metadata["otel.status_code"]) == ("tool_error", "UNSET")


def test_e16_a_closed_stream_is_cancelled(events: CapturedEvents) -> None:
    stream: Any = ScriptedChatModel(script=["a b c"]).stream("hi", {"callbacks": [RelayCallbackHandler()]})
    next(stream)
    stream.close()
    (call,) = of(events, "llm")
    assert (call.outcome, call.metadata["otel.status_code"]) == ("cancelled", "UNSET")


@BOTH
async def test_e10_the_model_that_is_asked_is_the_one_in_the_event(events: CapturedEvents, mode: str) -> None:
    def change(name: str, request: Any, annotated: Any) -> Any:
        from nemo_relay import LLMRequestInterceptOutcome

        annotated.model = "scripted-2"
        annotated.instructions = "Be kind."
        return LLMRequestInterceptOutcome(request, annotated)

    seen: list[Any] = []

    def reply(messages: Any) -> str:
        seen.extend(messages)
        return "done"

    with intercepting("llm_request", change):
        options = AdapterOptions(on_unsupported_edit="raise")
        state = await run(agent(RelayMiddleware(options), script=[reply]), mode, callbacks=[RelayCallbackHandler()])
    assert state["messages"][-1].response_metadata["model_name"] == "scripted-2"
    assert [message.text for message in seen] == ["Be kind.", "weather?"]
    assert of(events, "llm")[0].output["model"] == "scripted-2"
    assert marks(events, "edit.unsupported") == []
