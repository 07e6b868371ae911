# SPDX-License-Identifier: Apache-2.0
"""What a chain, a model, a retriever leave behind when all goes well."""

from __future__ import annotations

from typing import Any

import pytest
from langchain_core.callbacks import CallbackManagerForRetrieverRun, dispatch_custom_event
from langchain_core.documents import Document
from langchain_core.messages import AIMessage, HumanMessage, SystemMessage
from langchain_core.output_parsers import StrOutputParser
from langchain_core.prompts import ChatPromptTemplate
from langchain_core.retrievers import BaseRetriever
from langchain_core.runnables import RunnableLambda, RunnableParallel, RunnablePassthrough

from nemo_relay import ScopeType, scope
from nemo_relay.integrations.langchain import AdapterOptions, RelayCallbackHandler
from nemo_relay.integrations.langchain.testing import ScriptedChatModel
from nemo_relay.testing import CapturedEvents
from nemo_relay.tree import Node


def shape(node: Node) -> Any:
    """A tree as nested (category, name, outcome, children)."""
    return node.category, node.name, node.outcome, [shape(child) for child in node.children]


def only_root(events: CapturedEvents) -> Node:
    (root,) = events.tree().roots
    return root


def test_s01_model_only(events: CapturedEvents, handler: RelayCallbackHandler) -> None:
    model = ScriptedChatModel(script=["hello"])
    with scope.scope("app", ScopeType.Function):
        model.invoke([SystemMessage("be brief"), HumanMessage("hi")], {"callbacks": [handler]}, temperature=0.5)
    root = only_root(events)
    assert shape(root) == ("function", "app", "ok", [("llm", "scripted", "ok", [])])
    (call,) = root.children
    assert call.input["content"]["messages"] == [
        {"role": "system", "content": "be brief"},
        {"role": "user", "content": "hi"},
    ]
    assert call.input["headers"] == {}
    assert (call.output["role"], call.output["content"]) == ("assistant", "hello")
    assert (call.output["finish_reason"], call.output["model"]) == ("stop", "scripted-1")
    assert call.output["usage"] == {
        "prompt_tokens": 11,
        "completion_tokens": 7,
        "total_tokens": 18,
        "cache_read_tokens": 3,
        "reasoning_tokens": 2,
    }
    assert call.tokens is not None
    assert (call.tokens.input, call.tokens.output, call.tokens.cached) == (11, 7, 3)
    assert call.metadata["otel.status_code"] == "OK"
    assert call.metadata["batch_size"] == 1


def test_model_names_itself_and_its_parameters(events: CapturedEvents, handler: RelayCallbackHandler) -> None:
    class Parametrised(ScriptedChatModel):
        @property
        def _identifying_params(self) -> dict[str, Any]:
            return {
                "model": "asked-for",
                "temperature": 0.5,
                "_type": "secret-less",
                "api_key": "sk-1",
                "stop": None,
            }

    Parametrised(script=["x"], model="asked-for").invoke("hi", {"callbacks": [handler]})
    (start,) = events.starts(category="llm")
    content = start.data["content"]
    assert start.category_profile["model_name"] == "asked-for"
    assert (content["model"], content["temperature"]) == ("asked-for", 0.5)
    assert not {"api_key", "_type", "stop"} & content.keys()
    assert "sk-1" not in start.to_json()


def test_s02_sequence(events: CapturedEvents) -> None:
    handler = RelayCallbackHandler(AdapterOptions(detail="all"))
    chain = ChatPromptTemplate.from_template("{x}") | ScriptedChatModel(script=["hello"]) | StrOutputParser()
    assert chain.invoke({"x": "1"}, {"callbacks": [handler], "tags": ["t"], "metadata": {"team": "red"}}) == "hello"
    root = only_root(events)
    assert shape(root) == (
        "function",
        "RunnableSequence",
        "ok",
        [
            ("function", "ChatPromptTemplate", "ok", []),
            ("llm", "scripted", "ok", []),
            ("function", "StrOutputParser", "ok", []),
        ],
    )
    assert [child.metadata["relay.kind"] for child in root.children] == ["prompt", "llm", "parser"]
    assert (root.input, root.output) == ({"x": "1"}, "hello")
    assert root.metadata["team"] == root.children[1].metadata["team"] == "red"
    assert root.metadata["relay.tags"] == ["t"]
    assert root.metadata["relay.run_id"] == root.metadata["langchain_run_id"]
    assert root.children[0].metadata["relay.parent_run_id"] == root.metadata["relay.run_id"]
    assert root.children[0].output == [{"role": "user", "content": "1"}]


async def test_s05_parallel_branches(events: CapturedEvents) -> None:
    handler = RelayCallbackHandler(AdapterOptions(detail="all"))

    def branch(name: str) -> Any:
        return ChatPromptTemplate.from_template(name + "{x}") | ScriptedChatModel(script=[name], pace=0.001)

    both = RunnableParallel(a=branch("a"), b=branch("b"))
    both.invoke({"x": "1"}, {"callbacks": [handler]})
    await both.ainvoke({"x": "1"}, {"callbacks": [handler]})
    assert len(events.tree().roots) == 2
    for root in events.tree().roots:
        assert [len(child.children) for child in root.children] == [2, 2]
        for sequence in root.children:
            prompt, call = sequence.children
            assert prompt.output[0]["content"][0] == call.output["content"]


@pytest.mark.parametrize("mode", ["batch", "abatch", "batch_as_completed"])
async def test_s06_batches_are_siblings(events: CapturedEvents, handler: RelayCallbackHandler, mode: str) -> None:
    chain = ChatPromptTemplate.from_template("{x}") | ScriptedChatModel(script=["hello"])
    inputs, config = [{"x": str(number)} for number in range(3)], {"callbacks": [handler]}
    with scope.scope("app", ScopeType.Function):
        if mode == "abatch":
            await chain.abatch(inputs, config)
        elif mode == "batch":
            chain.batch(inputs, config)
        else:
            list(chain.batch_as_completed(inputs, config))
    root = only_root(events)
    assert [child.name for child in root.children] == ["RunnableSequence"] * 3
    assert [[grand.category for grand in child.children] for child in root.children] == [["llm"]] * 3


def test_s07_retriever(events: CapturedEvents, handler: RelayCallbackHandler) -> None:
    class Shelf(BaseRetriever):
        def _get_relevant_documents(self, query: str, *, run_manager: CallbackManagerForRetrieverRun) -> list[Document]:
            return [Document(page_content="x" * 5_000, metadata={"score": 0.9}, id="d1")]

    Shelf().invoke("books", {"callbacks": [handler]})
    root = only_root(events)
    assert (root.category, root.name, root.input) == ("retriever", "Shelf", {"query": "books"})
    (document,) = root.output
    assert (document["id"], document["score"], document["$truncated"]) == ("d1", 0.9, 1_000)


async def test_s07_retrieval_before_the_answer(events: CapturedEvents, handler: RelayCallbackHandler) -> None:
    class Shelf(BaseRetriever):
        def _get_relevant_documents(self, query: str, *, run_manager: CallbackManagerForRetrieverRun) -> list[Document]:
            return [Document(page_content="about " + query)]

    prompt = ChatPromptTemplate.from_template("{context} {question}")
    chain = (
        {"context": Shelf(), "question": RunnablePassthrough()}
        | prompt
        | ScriptedChatModel(script=[lambda messages: messages[-1].text])
    )
    config: Any = {"callbacks": [handler]}
    answers = [chain.invoke("books", config), await chain.ainvoke("books", config)]
    assert all("about books" in answer.text for answer in answers)
    for root in events.tree().roots:
        assert root.name == "RunnableSequence"
        parallel, call = root.children[0], root.children[-1]
        (shelf,) = (node for node in parallel.walk() if node.category == "retriever")
        assert (shelf.input, len(shelf.output)) == ({"query": "books"}, 1)
        assert (call.category, call.outcome) == ("llm", "ok")


def test_custom_event_is_a_mark(events: CapturedEvents, handler: RelayCallbackHandler) -> None:
    def work(value: int) -> int:
        dispatch_custom_event("progress", {"done": value})
        return value

    RunnableLambda(work).invoke(3, {"callbacks": [handler, RelayCallbackHandler()]})
    root = only_root(events)
    (mark,) = root.marks
    assert (mark.name, mark.data) == ("progress", {"done": 3})


def test_s09_retries_and_fallbacks(events: CapturedEvents, handler: RelayCallbackHandler) -> None:
    failures = [ValueError("one"), ValueError("two")]

    def reply(_: object) -> str:
        if failures:
            raise failures.pop(0)
        return "three"

    model = ScriptedChatModel(script=[reply])
    model.with_retry(stop_after_attempt=3, wait_exponential_jitter=False).invoke("hi", {"callbacks": [handler]})
    root = only_root(events)
    calls = [child for child in root.children if child.category == "llm"]
    assert [call.outcome for call in calls] == ["error", "error", "ok"]
    assert [call.metadata.get("relay.attempt") for call in calls[1:]] == [2, 3]
    assert [mark.data["error"]["message"] for mark in root.marks if mark.name == "retry"] == ["one", "two"]


def test_s10_fallback_names_the_model_that_answered(events: CapturedEvents, handler: RelayCallbackHandler) -> None:
    primary = ScriptedChatModel(script=[ValueError("down")], model="primary")
    backup = ScriptedChatModel(script=["here"], model="backup")
    primary.with_fallbacks([backup]).invoke("hi", {"callbacks": [handler]})
    first, second = only_root(events).children
    assert (first.outcome, first.error) == ("error", "ValueError: down")
    assert first.metadata["otel.status_code"] == "ERROR"
    assert (second.outcome, second.model) == ("ok", "backup")


def test_tool_calls_in_messages(events: CapturedEvents, handler: RelayCallbackHandler) -> None:
    call = {"name": "add", "args": {"a": 1}, "id": "c1"}
    model = ScriptedChatModel(script=[AIMessage("", tool_calls=[call])])
    model.bind_tools([{"name": "add", "description": "", "parameters": {}}]).invoke("hi", {"callbacks": [handler]})
    (start,), (end,) = events.starts(category="llm"), events.ends(category="llm")
    assert start.data["content"]["tools"][0]["function"]["name"] == "add"
    assert end.data["tool_calls"] == [
        {"id": "c1", "type": "function", "function": {"name": "add", "arguments": '{"a": 1}'}}
    ]
    assert end.category_profile["annotated_response"]["tool_calls"] == [
        {"id": "c1", "name": "add", "arguments": {"a": 1}}
    ]
    assert end.category_profile["annotated_response"]["finish_reason"] == "tool_use"


def test_s12_cached_answer_costs_nothing(events: CapturedEvents, handler: RelayCallbackHandler) -> None:
    from langchain_core.caches import InMemoryCache

    model = ScriptedChatModel(script=["hello"], cache=InMemoryCache())
    for _ in range(2):
        model.invoke("hi", {"callbacks": [handler]})
    asked, cached = events.tree().roots
    assert asked.total_tokens().total == 18
    assert cached.metadata["relay.cache_hit"] is True
    assert (cached.total_tokens().total, cached.output["content"]) == (0, "hello")


def test_completion_model(events: CapturedEvents, handler: RelayCallbackHandler) -> None:
    from langchain_core.language_models import FakeListLLM

    FakeListLLM(responses=["a", "b"]).batch(["one", "two"], {"callbacks": [handler]})
    roots = events.tree().roots
    assert sorted(root.input["content"]["messages"][0]["content"] for root in roots) == ["one", "two"]
    assert sorted(root.output["content"] for root in roots) == ["a", "b"]
