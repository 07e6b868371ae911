# SPDX-License-Identifier: Apache-2.0
"""Scenarios 1, 3, 4, 12 and 28 for a wrapped model, and stream intercepts in an agent."""

from __future__ import annotations

from typing import Any

import pytest
from langchain_core.caches import InMemoryCache
from langchain_core.messages import HumanMessage
from langchain_core.runnables import RunnableLambda
from langchain_openai import ChatOpenAI

from nemo_relay.errors import GuardrailRejected
from nemo_relay.integrations.langchain import RelayCallbackHandler, RelayMiddleware, wrap_chat_model
from nemo_relay.integrations.langchain.testing import ScriptedChatModel
from nemo_relay.testing import CapturedEvents, expect_tree
from nemo_relay_provider import ScriptedProvider

from .agents import ASK, TIMEOUTS, agent, calling, intercepting, llm_guardrail, marks, of

HANDLERS = pytest.mark.parametrize("handlers", [0, 1])


def wrapped(*script: Any, **options: Any) -> ScriptedChatModel:
    return wrap_chat_model(ScriptedChatModel(script=list(script), **options))


@HANDLERS
async def test_s01_one_call_is_one_event(events: CapturedEvents, handlers: int) -> None:
    config: Any = {"callbacks": [RelayCallbackHandler()] * handlers}
    model = wrapped("hello")
    assert isinstance(model, ScriptedChatModel)
    assert type(model).__name__ == "ScriptedChatModel"
    assert wrap_chat_model(model) is model
    assert model.invoke("hi", config).content == "hello"
    assert (await model.ainvoke("hi", config)).content == "hello"
    expect_tree(events.tree(), "llm:scripted {ok, usage=18, model=scripted-1} x2")
    for call in of(events, "llm"):
        assert call.input["content"]["messages"][0]["content"] == "hi"
        assert call.output["content"] == "hello"


@HANDLERS
async def test_s01_batches(events: CapturedEvents, handlers: int) -> None:
    config: Any = {"callbacks": [RelayCallbackHandler()] * handlers}
    chain = RunnableLambda(lambda x: x) | wrapped(lambda messages: messages[-1].text)
    assert [m.content for m in chain.batch(["a", "b"], config)] == ["a", "b"]
    assert [m.content for m in await chain.abatch(["a", "b"], config)] == ["a", "b"]
    model = wrapped(lambda messages: messages[-1].text)
    found = model.generate([[HumanMessage("a")], [HumanMessage("b")]], callbacks=config["callbacks"])
    assert [given[0].text for given in found.generations] == ["a", "b"]
    assert [call.outcome for call in of(events, "llm")] == ["ok"] * 6


@HANDLERS
async def test_s03_a_stream(events: CapturedEvents, handlers: int) -> None:
    config: Any = {"callbacks": [RelayCallbackHandler()] * handlers}
    plain = [chunk.content for chunk in ScriptedChatModel(script=["a b c"]).stream("hi")]
    model = wrapped("a b c")
    assert [chunk.content for chunk in model.stream("hi", config)] == plain
    assert [chunk.content async for chunk in model.astream("hi", config)] == plain
    for call in of(events, "llm"):
        assert (call.outcome, call.attributes) == ("ok", ("streaming",))
        assert call.output["content"] == "a b c "
        assert call.tokens is not None
        assert call.tokens.total == 18
        assert [mark.name for mark in call.marks].count("llm.first_token") == handlers
    assert len(of(events, "llm")) == 2


@HANDLERS
async def test_s04_a_stream_closed_early(events: CapturedEvents, handlers: int) -> None:
    config: Any = {"callbacks": [RelayCallbackHandler()] * handlers}
    stream = wrapped("a b c").stream("hi", config)
    assert next(stream).content == "a "
    stream.close()  # type: ignore[attr-defined]
    astream = wrapped("a b c").astream("hi", config)
    assert (await anext(astream)).content == "a "
    await astream.aclose()  # type: ignore[attr-defined]
    for call in of(events, "llm"):
        assert (call.outcome, call.metadata["reason"]) == ("cancelled", "consumer_closed")
        assert call.output["content"] == "a "
    assert len(of(events, "llm")) == 2


@HANDLERS
@pytest.mark.parametrize("how", ["invoke", "stream"])
async def test_s17_a_wrapped_model_raises(events: CapturedEvents, handlers: int, how: str) -> None:
    config: Any = {"callbacks": [RelayCallbackHandler()] * handlers}
    error = ValueError("no")
    model = wrapped(error)
    for _ in range(2):
        with pytest.raises(ValueError, match="no") as caught:
            model.invoke("hi", config) if how == "invoke" else list(model.stream("hi", config))
        assert caught.value is error
    assert [call.outcome for call in of(events, "llm")] == ["error", "error"]
    assert of(events, "llm")[0].output["error"]["type"] == "ValueError"


def test_s12_a_cache_answers(events: CapturedEvents) -> None:
    config: Any = {"callbacks": [RelayCallbackHandler()]}
    model = wrapped("hello", cache=InMemoryCache())
    assert model.invoke("hi", config).content == model.invoke("hi", config).content == "hello"
    first, second = of(events, "llm")
    assert (first.outcome, second.outcome) == ("ok", "ok")
    assert second.metadata["relay.cache_hit"] is True
    assert second.output["usage"] is None


async def chunks(graph: Any, mode: str) -> list[str]:
    """The tokens that the consumer of an agent gets."""
    config: Any = {"callbacks": [RelayCallbackHandler()]}
    if mode == "stream":
        return [m.content for m, _ in graph.stream(ASK, config, stream_mode="messages") if m.type == "AIMessageChunk"]
    found = graph.astream(ASK, config, stream_mode="messages")
    return [m.content async for m, _ in found if m.type == "AIMessageChunk"]


@pytest.mark.parametrize("mode", ["stream", "astream"])
async def test_s28_an_intercept_sees_each_chunk(events: CapturedEvents, mode: str) -> None:
    seen: list[Any] = []

    def upper(chunk: dict[str, Any]) -> dict[str, Any]:
        seen.append(chunk["content"])
        return {**chunk, "content": chunk["content"].upper()} if chunk["content"] == "two " else chunk

    def sync_intercept(name: str, request: Any, context: Any, proceed: Any) -> Any:
        return (upper(chunk) for chunk in proceed(request))

    async def async_intercept(name: str, request: Any, context: Any, proceed: Any) -> Any:
        async def changed() -> Any:
            async for chunk in await proceed(request):
                yield upper(chunk)

        return changed()

    graph = agent(RelayMiddleware(), script=["one two three"])
    with intercepting("llm_stream_execution", sync_intercept if mode == "stream" else async_intercept):
        found = await chunks(graph, mode)
    assert [text for text in found if text] == ["one ", "TWO ", "three "]
    assert [text for text in seen if text] == ["one ", "two ", "three "]
    expect_tree(
        events.tree(),
        """
        agent:A {ok}
            function:model {ok}
                llm:scripted {ok, streaming}
                    <llm.first_token>
        """,
    )
    assert of(events, "llm")[0].output["content"] == "one TWO three "


@pytest.mark.parametrize("mode", ["stream", "astream"])
async def test_s28_back_pressure(events: CapturedEvents, mode: str) -> None:
    made: list[str] = []

    class Counting(ScriptedChatModel):
        def _stream(self, *args: Any, **kwargs: Any) -> Any:
            for chunk in super()._stream(*args, **kwargs):
                made.append(str(chunk.message.content))
                yield chunk

        async def _astream(self, *args: Any, **kwargs: Any) -> Any:
            async for chunk in super()._astream(*args, **kwargs):
                made.append(str(chunk.message.content))
                yield chunk

    model = wrap_chat_model(Counting(script=["one two three"]))
    if mode == "stream":
        source = model.stream("hi")
        next(source)
        assert made == ["one "]
        source.close()  # type: ignore[attr-defined]
    else:
        asource = model.astream("hi")
        await anext(asource)
        assert made == ["one "]
        await asource.aclose()  # type: ignore[attr-defined]


async def test_s28_tools_still_work_when_streams_are_intercepted(events: CapturedEvents) -> None:
    async def pass_on(name: str, request: Any, context: Any, proceed: Any) -> Any:
        return await proceed(request)

    graph = agent(RelayMiddleware(), script=[calling(("weather", {"city": "Paris"})), "it is sunny"])
    with intercepting("llm_stream_execution", pass_on):
        assert "".join(await chunks(graph, "astream")).strip() == "it is sunny"
    assert [call.outcome for call in of(events, "tool")] == ["ok"]
    assert [call.outcome for call in of(events, "llm")] == ["ok", "ok"]


@HANDLERS
async def test_s24_a_wrapped_model_is_refused(events: CapturedEvents, handlers: int) -> None:
    config: Any = {"callbacks": [RelayCallbackHandler()] * handlers}
    asked: list[int] = []

    def decide(request: Any) -> str:
        asked.append(1)
        return "no"

    with llm_guardrail(decide):
        with pytest.raises(GuardrailRejected):
            wrapped("hello").invoke("hi", config)
        with pytest.raises(GuardrailRejected):
            await wrapped("hello").ainvoke("hi", config)
        with pytest.raises(GuardrailRejected):
            list(wrapped("hello").stream("hi", config))
    assert len(asked) == 3
    assert of(events, "llm") == []
    assert len(marks(events, "llm.rejected")) == 3


@pytest.mark.parametrize("streaming", [False, True])
async def test_s26_a_wrapped_client_sends_the_same(events: CapturedEvents, streaming: bool) -> None:
    async with ScriptedProvider(["fine day", "fine day"]) as server:
        given: dict[str, Any] = {"base_url": server.openai_url, "api_key": "sk-x", "max_retries": 0}
        model = ChatOpenAI(model="m-1", timeout=next(TIMEOUTS), **given)
        bound = [made.bind_tools([lookup]) for made in (model, wrap_chat_model(model))]
        for made in bound:
            if streaming:
                assert "".join([str(chunk.text) async for chunk in made.astream("hi")]) == "fine day"
            else:
                assert (await made.ainvoke("hi")).text == "fine day"
        plain, ours = server.requests
    assert ours.body == plain.body
    (call,) = of(events, "llm")
    assert (call.outcome, call.output["content"]) == ("ok", "fine day")


def lookup(word: str) -> str:
    """Look it up."""
    return word
