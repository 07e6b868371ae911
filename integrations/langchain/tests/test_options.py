# SPDX-License-Identifier: Apache-2.0
"""Every option acts, and none takes a value that it cannot have."""

from __future__ import annotations

import contextlib
import gc
import json
from collections.abc import Iterator, Mapping
from typing import Any

import pytest
from langchain.agents import create_agent
from langchain_core.callbacks import CallbackManagerForRetrieverRun
from langchain_core.documents import Document
from langchain_core.messages import AIMessage
from langchain_core.output_parsers import StrOutputParser
from langchain_core.prompts import ChatPromptTemplate
from langchain_core.retrievers import BaseRetriever
from langchain_core.runnables import RunnableLambda
from langchain_core.tools import tool

from nemo_relay import LLMRequestInterceptOutcome, guardrails, intercepts
from nemo_relay.errors import GuardrailRejected, RelayError
from nemo_relay.integrations.langchain import (
    AdapterOptions,
    Capture,
    OptionError,
    RelayCallbackHandler,
    RelayMiddleware,
    UnsupportedEdit,
    callback_failures,
    instrument,
    is_wanted,
    uninstrument,
    wrap_chat_model,
    wrap_tool,
)
from nemo_relay.integrations.langchain.testing import ScriptedChatModel
from nemo_relay.testing import CapturedEvents, capture_events

from .agents import ASK
from .agents import agent as weather_agent

CANARIES = {
    "prompts": "canary-prompt",
    "responses": "canary-answer",
    "tool_args": "canary-arg",
    "tool_results": "canary-result",
}


@tool
def search(query: str) -> str:
    """Look something up."""
    return "canary-result"


def agent(middleware: list[Any]) -> Any:
    call = {"name": "search", "args": {"query": "canary-arg"}, "id": "call-1"}
    script: list[Any] = [AIMessage("canary-answer", tool_calls=[call]), "canary-answer"]
    return create_agent(ScriptedChatModel(script=script), [search], name="a", middleware=middleware)


@pytest.fixture(autouse=True)
def _no_middleware_of_another_test() -> None:
    gc.collect()  # as long as there is one, its options hold as well


def record(options: AdapterOptions, *, handler: bool = True, middleware: bool = False) -> CapturedEvents:
    layers = [RelayMiddleware(options)] if middleware else []
    with capture_events() as captured:
        config: Any = {"callbacks": [RelayCallbackHandler(options)] if handler else []}
        agent(layers).invoke({"messages": [("user", "canary-prompt")]}, config)
    return captured


# --- values


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("detail", "everything"),
        ("capture", ["prompts"]),
        ("capture", {"prompt": False}),
        ("capture", {"prompts": "no"}),
        ("capture", Capture(prompts=0)),  # type: ignore[arg-type]
        ("max_payload_bytes", 0),
        ("max_payload_bytes", 2.5),
        ("max_payload_bytes", True),
        ("dedupe_state", "yes"),
        ("stream_marks", "some"),
        ("session_id", "thread"),
        ("on_tool_rejection", "ignore"),
        ("on_llm_rejection", "ignore"),
        ("on_unsupported_edit", "ignore"),
        ("enforce_in_callbacks", 1),
        ("model_resolver", "gpt"),
        ("tool_registry", [search]),
        ("header_policy", {}),
    ],
)
def test_a_value_that_cannot_be(option: str, value: Any) -> None:
    with pytest.raises(OptionError) as caught:
        AdapterOptions(**{option: value})
    assert isinstance(caught.value, (ValueError, RelayError))
    assert caught.value.option.startswith(option)
    assert option in str(caught.value)


def test_options_by_name_or_as_an_object() -> None:
    with pytest.raises(TypeError, match="twice"):
        instrument(AdapterOptions(), detail="all")
    with pytest.raises(TypeError, match="is no AdapterOptions"):
        instrument({"detail": "all"})  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="unexpected keyword"):
        instrument(details="all")
    with pytest.raises(TypeError, match="has its options already"):
        instrument(handler=RelayCallbackHandler(), detail="all")
    assert uninstrument() is False


def test_instrument_takes_options(events: CapturedEvents) -> None:
    instrument(detail="semantic")
    try:
        (RunnableLambda(lambda x: x) | ScriptedChatModel(script=["hello"])).invoke("hi")
    finally:
        assert uninstrument() is True
    assert [event.category for event in events.starts()] == ["llm"]


# --- detail


def kinds(detail: Any) -> set[str]:
    captured = record(AdapterOptions(detail=detail))
    return {event.metadata["relay.kind"] for event in captured.starts()}


def test_detail() -> None:
    assert kinds("semantic") == {"agent", "llm", "tool"}
    assert kinds("nodes") == {"agent", "llm", "tool", "node"}
    assert kinds("all") == {"agent", "llm", "tool", "node"}  # this agent's routers are hidden by LangChain itself


def test_s02_detail_of_a_chain() -> None:
    def categories(detail: Any) -> list[str]:
        chain = ChatPromptTemplate.from_template("{x}") | ScriptedChatModel(script=["hello"]) | StrOutputParser()
        with capture_events() as captured:
            chain.invoke({"x": "1"}, {"callbacks": [RelayCallbackHandler(AdapterOptions(detail=detail))]})
        return [event.metadata["relay.kind"] for event in captured.starts()]

    assert categories("semantic") == ["llm"]
    assert categories("nodes") == ["runnable", "llm"]
    assert categories("all") == ["runnable", "prompt", "llm", "parser"]


# --- capture


@pytest.mark.parametrize("switch", CANARIES)
@pytest.mark.parametrize("setup", ["handler", "middleware", "both"])
def test_what_is_not_captured_is_nowhere(switch: str, setup: str) -> None:
    handler, middleware = setup != "middleware", setup != "handler"
    captured = record(AdapterOptions(capture={switch: False}), handler=handler, middleware=middleware)
    text = "".join(event.to_json() for event in captured.events)
    found = {name for name, canary in CANARIES.items() if canary in text}
    assert found == CANARIES.keys() - {switch}


@pytest.mark.parametrize("setup", ["handler", "middleware", "both"])
def test_what_a_refusal_shows(setup: str) -> None:
    options = AdapterOptions(capture={"tool_args": False})
    guardrails.register_tool_conditional_execution("never", 0, lambda name, args: "not today")
    try:
        with capture_events() as captured, contextlib.suppress(GuardrailRejected):
            layers = [] if setup == "handler" else [RelayMiddleware(options)]
            config: Any = {"callbacks": [] if setup == "middleware" else [RelayCallbackHandler(options)]}
            agent(layers).invoke({"messages": [("user", "canary-prompt")]}, config)
    finally:
        guardrails.deregister_tool_conditional_execution("never")
    (mark,) = captured.marks("tool.rejected")
    assert mark.data["reason"] == "not today"
    assert "canary-arg" not in "".join(event.to_json() for event in captured.events)


def test_capture_of_inputs_and_outputs() -> None:
    captured = record(AdapterOptions(capture=Capture(inputs=False, outputs=False)))
    chains = [event for event in captured.events if event.kind == "scope" and event.category in ("agent", "function")]
    assert len(chains) == 8
    assert {json.dumps(event.data) for event in chains} == {"null"}
    assert "canary-prompt" in "".join(event.to_json() for event in captured.starts(category="llm"))


def test_capture_of_a_retriever() -> None:
    class Shelf(BaseRetriever):
        def _get_relevant_documents(self, query: str, *, run_manager: CallbackManagerForRetrieverRun) -> list[Document]:
            return [Document(page_content="canary-document")]

    handler = RelayCallbackHandler(AdapterOptions(capture={"inputs": False, "outputs": False}))
    with capture_events() as captured:
        assert len(Shelf().invoke("canary-query", {"callbacks": [handler]})) == 1
    assert [event.data for event in captured.events] == [None, None]


def test_guardrails_see_what_is_not_captured(request: pytest.FixtureRequest) -> None:
    seen: list[str] = []
    guardrails.register_tool_conditional_execution("tools", 1, lambda name, args: seen.append(str(args)))
    guardrails.register_llm_conditional_execution("models", 1, lambda asked: seen.append(str(asked.content)))
    request.addfinalizer(lambda: guardrails.deregister_tool_conditional_execution("tools"))
    request.addfinalizer(lambda: guardrails.deregister_llm_conditional_execution("models"))
    nothing = dict.fromkeys(("prompts", "responses", "tool_args", "tool_results"), False)
    captured = record(AdapterOptions(capture=nothing), middleware=True)
    assert "canary-arg" in "".join(seen)
    assert "canary-prompt" in "".join(seen)
    assert "canary" not in "".join(event.to_json() for event in captured.events)


# --- size


@pytest.mark.parametrize("setup", ["handler", "both"])
def test_payloads_are_cut(setup: str) -> None:
    @tool
    def big(query: str) -> str:
        """Return much."""
        return "r" * 10_000

    call = {"name": "big", "args": {"query": "q" * 10_000}, "id": "c"}
    options = AdapterOptions(max_payload_bytes=1_000)
    script: list[Any] = [AIMessage("a" * 10_000, tool_calls=[call]), "b" * 10_000]
    layers = [RelayMiddleware(options)] if setup == "both" else []
    model = create_agent(ScriptedChatModel(script=script), [big], middleware=layers)
    with capture_events() as captured:
        answer = model.invoke({"messages": [("user", "u" * 10_000)]}, {"callbacks": [RelayCallbackHandler(options)]})
    assert len(answer["messages"][-1].content) == 10_000
    for event in captured.events:
        assert len(json.dumps(event.data)) < 2_500, event
    assert "$truncated" in captured.ends(category="tool")[0].to_json()
    assert '\\"$truncated\\": ' in captured.starts(category="llm")[0].to_json()


def test_the_first_call_after_a_cut_request_repeats_nothing_that_was_cut() -> None:
    captured = record(AdapterOptions(max_payload_bytes=256))
    assert not [event for event in captured.starts(category="llm") if "$history" in event.data["content"]]


# --- streams


@pytest.mark.parametrize("marks", ["off", "first", "sampled", "all"])
def test_stream_marks(events: CapturedEvents, marks: Any) -> None:
    model = ScriptedChatModel(script=[" ".join("word" for _ in range(22))])
    chunks = list(model.stream("hi", {"callbacks": [RelayCallbackHandler(AdapterOptions(stream_marks=marks))]}))
    count = events.ends(category="llm")[0].metadata["relay.chunks"]
    assert count >= len([chunk for chunk in chunks if chunk.content])
    assert len(events.marks("llm.first_token")) == (marks != "off")
    told = [mark.data for mark in events.marks("llm.chunk")]
    steps = {"all": 1, "sampled": 10}
    assert [mark["index"] for mark in told] == (list(range(0, count, steps[marks])) if marks in steps else [])
    assert all(mark.keys() == {"index", "text_len", "tool_call_delta"} for mark in told)


# --- sessions


def test_session_id(events: CapturedEvents) -> None:
    def session(metadata: Mapping[str, Any]) -> str | None:
        return metadata.get("customer")

    handler = RelayCallbackHandler(AdapterOptions(session_id=session))
    for metadata in ({"customer": "c-7"}, {"thread_id": "t-1"}):
        agent([]).invoke({"messages": [("user", "hi")]}, {"callbacks": [handler], "metadata": metadata})
    assert [event.metadata["session_id"] for event in events.starts(category="agent")] == ["c-7", "t-1"]


def test_a_session_id_that_raises_loses_nothing() -> None:
    def session(metadata: Mapping[str, Any]) -> str:
        raise LookupError("no customer")

    before = callback_failures().get("session_id: LookupError", 0)
    captured = record(AdapterOptions(session_id=session))
    assert callback_failures()["session_id: LookupError"] == before + 1
    (root,) = captured.starts(category="agent")
    assert root.metadata["session_id"] == root.metadata["relay.run_id"]


# --- refusals and edits


@pytest.fixture
def refusing() -> Iterator[None]:
    guardrails.register_llm_conditional_execution("no", 1, lambda asked: "not today")
    yield
    guardrails.deregister_llm_conditional_execution("no")


@pytest.mark.usefixtures("refusing")
async def test_a_refusal_as_a_message() -> None:
    model = wrap_chat_model(ScriptedChatModel(script=["never"]), AdapterOptions(on_llm_rejection="message"))
    answers: list[Any] = [model.invoke("hi"), await model.ainvoke("hi"), *model.stream("hi")]
    answers += [chunk async for chunk in model.astream("hi")]
    told = [answer for answer in answers if answer.content]
    assert [answer.content for answer in told] == ["not today"] * 4
    assert {answer.response_metadata["relay.guardrail"] for answer in told} == {"no"}
    with pytest.raises(GuardrailRejected):
        wrap_chat_model(ScriptedChatModel(script=["never"])).invoke("hi")


@pytest.mark.usefixtures("refusing")
def test_enforce_in_callbacks() -> None:
    def ask(*, enforce: bool) -> Any:
        handler = RelayCallbackHandler(AdapterOptions(enforce_in_callbacks=enforce))
        return ScriptedChatModel(script=["hello"]).invoke("hi", {"callbacks": [handler]}).content

    assert ask(enforce=False) == "hello"
    with pytest.raises(GuardrailRejected):
        ask(enforce=True)


def test_on_tool_rejection(request: pytest.FixtureRequest) -> None:
    guardrails.register_tool_conditional_execution("no", 1, lambda name, args: "not today")
    request.addfinalizer(lambda: guardrails.deregister_tool_conditional_execution("no"))
    soft = agent([RelayMiddleware()]).invoke({"messages": [("user", "hi")]})
    assert [message.content for message in soft["messages"] if message.type == "tool"] == ["not today"]
    with pytest.raises(GuardrailRejected):
        agent([RelayMiddleware(AdapterOptions(on_tool_rejection="raise"))]).invoke({"messages": [("user", "hi")]})
    with pytest.raises(GuardrailRejected):
        wrap_tool(search, AdapterOptions(on_tool_rejection="raise")).invoke({"query": "x"})


def test_on_unsupported_edit(events: CapturedEvents, request: pytest.FixtureRequest) -> None:
    def rename(name: str, asked: Any, annotated: Any) -> Any:
        annotated.model = "another"
        return LLMRequestInterceptOutcome(asked, annotated)

    intercepts.register_llm_request("rename", 1, False, rename)
    request.addfinalizer(lambda: intercepts.deregister_llm_request("rename"))
    model = ScriptedChatModel(script=["hello"])
    with pytest.raises(UnsupportedEdit):
        wrap_chat_model(model, AdapterOptions(model_resolver=refuse_model)).invoke("hi")
    lenient = AdapterOptions(model_resolver=refuse_model, on_unsupported_edit="mark")
    assert wrap_chat_model(model, lenient).invoke("hi").content == "hello"
    assert [mark.data["edit"] for mark in events.marks("edit.unsupported")] == ["model"]
    other = AdapterOptions(model_resolver=lambda name, current: ScriptedChatModel(script=[f"I am {name}"]))
    assert wrap_chat_model(model, other).invoke("hi").content == "I am another"


def refuse_model(name: str, current: Any) -> Any:
    raise UnsupportedEdit("model", "there is only one")


@pytest.mark.parametrize("middleware", [False, True])
@pytest.mark.parametrize("place", ["configurable", "metadata"])
def test_a12_events_say_for_whom_a_run_is_made(events: CapturedEvents, middleware: bool, place: str) -> None:
    who = {"thread_id": "t1", "session_id": "s1", "user_id": "u1"}
    config: Any = {place: who, "callbacks": [] if middleware else [RelayCallbackHandler()]}
    weather_agent(*([RelayMiddleware()] if middleware else [])).invoke(ASK, config)
    (root,) = events.tree().roots
    calls = [node for node in root.walk() if node.category in ("llm", "tool")]
    assert [node.metadata[name] for node in calls for name in who] == [*who.values()] * 3
    assert {name: root.metadata[name] for name in ("thread_id", "user_id")} == {"thread_id": "t1", "user_id": "u1"}


def test_a_misspelt_framework_is_told(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("NEMO_RELAY_INSTRUMENT", "langchian")
    assert not is_wanted("langchain")
    assert not is_wanted("langgraph")
    told = capsys.readouterr().err
    assert told.count("'langchian' is not recorded") == 1
    assert "did you mean 'langchain'?" in told
