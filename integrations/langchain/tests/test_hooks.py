# SPDX-License-Identifier: Apache-2.0
"""C9: subclasses of the middleware that override its steps, or call them, as those of the published package do."""

from __future__ import annotations

from typing import Any

import pytest
from langchain.agents import create_agent
from langchain.agents.middleware import AgentMiddleware
from langchain_core.messages import AIMessage
from langchain_core.tools import tool

from nemo_relay import LLMRequest, guardrails, scope, tools
from nemo_relay.errors import GuardrailRejected
from nemo_relay.integrations.langchain import AdapterOptions, NemoRelayMiddleware, RelayCallbackHandler, RelayMiddleware
from nemo_relay.integrations.langchain.testing import ScriptedChatModel
from nemo_relay.testing import CapturedEvents
from nemo_relay.utils import run_sync

from .agents import MODES, agent, calling, of, run, weather

SECRET = "4111-1111"
ASKED = {"messages": [("user", f"my card is {SECRET}")]}


def hidden(value: Any) -> Any:
    if isinstance(value, str):
        return value.replace(SECRET, "[card]")
    if isinstance(value, list):
        return [hidden(item) for item in value]
    return {key: hidden(item) for key, item in value.items()} if isinstance(value, dict) else value


def listening(*script: Any) -> tuple[ScriptedChatModel, list[Any]]:
    """A model with this script, and the conversations that it gets."""
    heard: list[Any] = []

    def reply(number: int) -> Any:
        return lambda messages: heard.append(list(messages)) or script[number]

    return ScriptedChatModel(script=[reply(number) for number in range(len(script))]), heard


def llms(events: CapturedEvents) -> list[Any]:
    return [event for event in events if event.category == "llm" and event.scope_category == "start"]


class Anew(NemoRelayMiddleware):
    """Hands a request of its own on."""

    async def _llm_execute(
        self, model_name: str, request: LLMRequest, codec: Any, response_codec: Any, func: Any
    ) -> Any:
        made = LLMRequest(request.headers, hidden(request.content))
        return await super()._llm_execute(
            model_name=model_name, request=made, codec=codec, response_codec=response_codec, func=func
        )


class InPlace(NemoRelayMiddleware):
    """Changes the request that it is given."""

    async def _llm_execute(
        self, model_name: str, request: LLMRequest, codec: Any, response_codec: Any, func: Any
    ) -> Any:
        for message in request.content["messages"]:
            message["content"] = hidden(message["content"])
        return await super()._llm_execute(model_name, request, codec, response_codec, func)


class Prepared(NemoRelayMiddleware):
    """Changes what the call is made of."""

    def _prepare_model_call(self, request: Any) -> Any:
        objects, made, name, codec = super()._prepare_model_call(request)
        return objects, LLMRequest(made.headers, hidden(made.content)), name, codec


class WithoutCodec(NemoRelayMiddleware):
    """Shows an event of its own making."""

    async def _llm_execute(
        self, model_name: str, request: LLMRequest, codec: Any, response_codec: Any, func: Any
    ) -> Any:
        made = LLMRequest({}, hidden(request.content))
        return await super()._llm_execute("unknown", made, None, None, func)


@pytest.mark.parametrize("watched", [False, True], ids=["alone", "with a handler"])
@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("kind", [Anew, InPlace, Prepared, WithoutCodec])
async def test_c9_what_a_subclass_hides_reaches_neither_the_model_nor_its_event(
    events: CapturedEvents, kind: Any, mode: str, watched: bool
) -> None:
    model, heard = listening(calling(("weather", {"city": "Paris"})), "fine")
    config = {"callbacks": [RelayCallbackHandler()]} if watched else {}
    state = await run(agent(kind(), model=model), mode, ASKED, **config)
    assert state["messages"][-1].content == "fine"
    assert [SECRET in str(asked) for asked in heard] == [False, False]
    assert "[card]" in str(heard[0])
    found = llms(events)
    assert len(found) == 2
    assert not [event for event in found if SECRET in str(event.to_dict())]
    assert "[card]" in str(found[0].to_dict())


@pytest.mark.parametrize("mode", MODES)
async def test_c9_the_application_gets_the_very_answer_that_nobody_changed(mode: str) -> None:
    class Quiet(NemoRelayMiddleware):
        async def _llm_execute(self, *given: Any, **named: Any) -> Any:
            return await super()._llm_execute(*given, **named)

    answer = AIMessage("here", response_metadata={"own": 1})
    state = await run(agent(Quiet(), script=[answer]), mode)
    assert (state["messages"][-1].content, state["messages"][-1].response_metadata["own"]) == ("here", 1)


@pytest.mark.parametrize("mode", MODES)
async def test_c9_a_subclass_changes_the_answer(mode: str) -> None:
    class Uncovering(Anew):
        async def _llm_execute(self, *given: Any, func: Any, **named: Any) -> Any:
            async def changed(request: LLMRequest) -> Any:
                answer = await func(request)
                answer["content"] = answer["content"].replace("[card]", SECRET)
                return answer

            return await super()._llm_execute(*given, func=changed, **named)

    state = await run(agent(Uncovering(), script=["it is [card]"]), mode, ASKED)
    assert state["messages"][-1].content == f"it is {SECRET}"


class Masking(NemoRelayMiddleware):
    """Lets no text of an exception into events, and hands the exception itself to the application."""

    async def _llm_execute(
        self, model_name: str, request: LLMRequest, codec: Any, response_codec: Any, func: Any
    ) -> Any:
        kept: list[BaseException] = []

        async def masked(asked: LLMRequest) -> Any:
            try:
                return await func(asked)
            except Exception as error:
                kept.append(error)
            raise RuntimeError("masked") from None

        try:
            return await super()._llm_execute(model_name, request, codec, response_codec, masked)
        except RuntimeError:
            raise kept[0] from None


@pytest.mark.parametrize("mode", MODES)
async def test_c9_an_exception_that_a_subclass_keeps_back(events: CapturedEvents, mode: str) -> None:
    failure = ValueError(f"refused {SECRET}")
    with pytest.raises(ValueError) as caught:
        await run(agent(Masking(), script=[failure]), mode)
    assert caught.value is failure
    (end,) = (event for event in events if event.category == "llm" and event.scope_category == "end")
    assert SECRET not in str(end.to_dict())
    assert "masked" in str(end.metadata)


@pytest.mark.parametrize("mode", MODES)
async def test_c9_guardrails_refuse_the_calls_of_a_subclass(events: CapturedEvents, mode: str) -> None:
    guardrails.register_llm_conditional_execution("no", 0, lambda request: "no models today")
    model, heard = listening("never")
    with pytest.raises(GuardrailRejected, match="no models today"):
        await run(agent(Anew(), model=model), mode)
    state = await run(agent(Anew(AdapterOptions(on_llm_rejection="message")), model=model), mode)
    assert not heard
    assert "no models today" in str(state["messages"][-1].content)


@pytest.mark.parametrize("mode", MODES)
async def test_c9_inside_another_of_ours_it_is_one_event(events: CapturedEvents, mode: str) -> None:
    model, heard = listening("fine")
    await run(agent(RelayMiddleware(), Anew(), model=model), mode, ASKED)
    assert SECRET not in str(heard)
    assert len(llms(events)) == 1


class Own(NemoRelayMiddleware):
    """Makes the calls itself, of the parts that the middleware prepares."""

    def wrap_model_call(self, request: Any, handler: Any) -> Any:
        kept: list[Any] = []

        async def func(_: LLMRequest) -> Any:
            kept.append(handler(request))
            return {"content": "[answer]"}

        _, made, name, _ = self._prepare_model_call(request)
        made = LLMRequest({}, hidden(made.content))
        run_sync(self._llm_execute(model_name=name, request=made, codec=None, response_codec=None, func=func))
        return kept[0]

    def wrap_tool_call(self, request: Any, handler: Any) -> Any:
        parent, codec, name, args, call_id = self._prepare_tool_call(request)
        assert codec.from_json(codec.to_json(args)) == args
        called = lambda given: handler(request.override(tool_call={**request.tool_call, "args": given}))  # noqa: E731
        return tools.execute_sync(name, args, called, handle=parent, tool_call_id=call_id)


def test_c9_a_subclass_that_makes_the_calls_itself(events: CapturedEvents) -> None:
    model, _ = listening(calling(("weather", {"city": "Paris"})), "fine")
    with scope.scope("outside", scope.ScopeType.Agent):
        state = create_agent(model, [weather], middleware=[Own()]).invoke(ASKED)  # type: ignore[arg-type]
    assert [message.content for message in state["messages"]][-2:] == ["sunny in Paris", "fine"]
    assert [SECRET in str(event.to_dict()) for event in llms(events)] == [False, False]


class Elsewhere(NemoRelayMiddleware):
    def _prepare_tool_call(self, request: Any) -> Any:
        parent, codec, name, args, call_id = super()._prepare_tool_call(request)
        return parent, codec, name, {"city": "Rome" if args["city"] == "Paris" else args["city"]}, call_id


@pytest.mark.parametrize("mode", MODES)
async def test_c9_arguments_that_a_subclass_prepares_reach_tool_and_event(events: CapturedEvents, mode: str) -> None:
    state = await run(agent(Elsewhere()), mode)
    assert state["messages"][-2].content == "sunny in Rome"
    (start,) = (event for event in events if event.category == "tool" and event.scope_category == "start")
    assert start.data == {"city": "Rome"}


async def test_c9_a_method_that_a_program_replaces_is_called(monkeypatch: pytest.MonkeyPatch) -> None:
    seen = []
    own = NemoRelayMiddleware._llm_execute

    async def replaced(self: Any, *given: Any, **named: Any) -> Any:
        seen.append(named["model_name"])
        return await own(self, *given, **named)

    monkeypatch.setattr(NemoRelayMiddleware, "_llm_execute", replaced)
    await run(agent(NemoRelayMiddleware(), script=["fine"]), "ainvoke")
    assert len(seen) == 1


class OwnAsync(Own):
    async def awrap_tool_call(self, request: Any, handler: Any) -> Any:
        parent, _, name, args, call_id = self._prepare_tool_call(request)

        async def called(given: Any) -> Any:
            return await handler(request.override(tool_call={**request.tool_call, "args": given}))

        return await tools.execute(name, args, called, handle=parent, tool_call_id=call_id)

    async def awrap_model_call(self, request: Any, handler: Any) -> Any:
        return await handler(request)


class Redacting(AgentMiddleware[Any, Any, Any]):
    """Of the application's own making, and no subclass: shows nothing of what the tool gets and gives."""

    def wrap_tool_call(self, request: Any, handler: Any) -> Any:
        answers: list[Any] = []

        def called(_: Any) -> str:
            answers.append(handler(request))
            return "[hidden]"

        tools.execute_sync(request.tool_call["name"], {"city": "[hidden]"}, called)
        return answers[0]


def of_tools(events: CapturedEvents) -> list[Any]:
    return [event for event in events if event.category == "tool" and event.scope_category == "start"]


@pytest.mark.parametrize("mode", MODES)
async def test_c9_a_tool_that_a_subclass_calls_itself_is_one_event(events: CapturedEvents, mode: str) -> None:
    asked: list[str] = []
    guardrails.register_tool_conditional_execution("count", 0, lambda name, args: asked.append(name))
    state = await run(agent(OwnAsync()), mode, ASKED, callbacks=[RelayCallbackHandler()])
    assert state["messages"][-1].content == "it is sunny"
    (call,) = of(events, "tool")
    assert (call.tool_call_id, call.metadata["langgraph_node"]) == ("c1", "tools")
    assert asked == ["weather"]


def test_c9_what_a_middleware_keeps_back_is_not_shown_by_the_handler(events: CapturedEvents) -> None:
    graph = agent(Redacting(), script=[calling(("weather", {"city": SECRET})), "fine"])
    state = graph.invoke({"messages": [("user", "?")]}, {"callbacks": [RelayCallbackHandler()]})
    assert state["messages"][2].content == f"sunny in {SECRET}"
    assert len(of_tools(events)) == 1
    assert not [event for event in events if event.category == "tool" and SECRET in str(event.to_dict())]


def test_c9_each_of_parallel_calls_is_its_own(events: CapturedEvents) -> None:
    script = [calling(*(("weather", {"city": city}) for city in ("Paris", "Rome", "Oslo"))), "fine"]
    agent(Own(), script=script).invoke(ASKED, {"callbacks": [RelayCallbackHandler()]})
    assert sorted(event.data["city"] for event in of_tools(events)) == ["Oslo", "Paris", "Rome"]


def test_c9_a_tool_that_is_tried_again_inside_one_call(events: CapturedEvents) -> None:
    class Twice(NemoRelayMiddleware):
        def wrap_tool_call(self, request: Any, handler: Any) -> Any:
            def called(_: Any) -> Any:
                handler(request)
                return handler(request)

            return tools.execute_sync(request.tool_call["name"], request.tool_call["args"], called)

    agent(Twice()).invoke(ASKED, {"callbacks": [RelayCallbackHandler()]})
    whole, again = of_tools(events)
    assert again.parent_uuid == whole.uuid
    assert again.metadata["relay.attempt"] == 2


def test_c9_a_tool_that_calls_one_of_its_name_is_two_events(events: CapturedEvents) -> None:
    @tool("weather")
    def outer(city: str) -> str:
        """Tell the weather, as another knows it."""
        return str(weather.invoke({"city": city}))

    agent(Own(), tools=[outer]).invoke(ASKED, {"callbacks": [RelayCallbackHandler()]})
    first, second = of_tools(events)
    assert second.parent_uuid == first.uuid


def test_c9_a_tool_that_the_application_runs_outside_of_agents(events: CapturedEvents) -> None:
    config: Any = {"callbacks": [RelayCallbackHandler()]}
    found = tools.execute_sync("weather", {"city": "Rome"}, lambda args: weather.invoke(args, config))
    other = tools.execute_sync("climate", {"city": "Rome"}, lambda args: weather.invoke(args, config))
    assert found == other == "sunny in Rome"
    assert [event.name for event in of_tools(events)] == ["weather", "climate", "weather"]
