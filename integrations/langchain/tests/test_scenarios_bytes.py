# SPDX-License-Identifier: Apache-2.0
"""Scenario 26, byte by byte: without an intercept the provider gets what it would get without us; and 25 for calls
outside of agents, where the tool choice has the provider's own form."""

from __future__ import annotations

import asyncio
import base64
import importlib.util
import json
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from typing import Any

import pytest
from langchain.agents import create_agent
from langchain_core.messages import AIMessage, HumanMessage, ToolMessage

from nemo_relay import LLMRequestInterceptOutcome
from nemo_relay.integrations.langchain import (
    AdapterOptions,
    RelayCallbackHandler,
    RelayMiddleware,
    UnsupportedEdit,
    wrap_chat_model,
)
from nemo_relay.integrations.langchain.testing import ScriptedChatModel
from nemo_relay.testing import CapturedEvents

from .agents import intercepting, marks, of, run, weather
from .wires import PROVIDERS, Wire, client

pytestmark = [
    pytest.mark.allow_blocking,  # Google's client reads files when it is made
    pytest.mark.filterwarnings("ignore:Inheritance class AiohttpClientSession"),  # in Google's client
]
BOTH = pytest.mark.parametrize("mode", ["invoke", "ainvoke"])
HAS_GOOGLE = importlib.util.find_spec("langchain_google_genai") is not None
EACH = pytest.mark.parametrize(
    "provider",
    [
        pytest.param(name, marks=pytest.mark.skipif(not HAS_GOOGLE, reason="langchain-google-genai is not installed"))
        if name == "google"
        else name
        for name in PROVIDERS
    ],
)
PNG = base64.b64encode(b"\x89PNG\r\n\x1a\n" + bytes(range(40))).decode()
IMAGES: dict[str, Any] = {
    "anthropic": {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": PNG}},
}
THOUGHTS: dict[str, Any] = {
    "openai": {"type": "text", "text": "Let me see."},
    "responses": {"type": "reasoning", "id": "rs_1", "summary": [{"type": "summary_text", "text": "It asks for it."}]},
    "anthropic": {"type": "thinking", "thinking": "It asks for it.", "signature": "c2lnbmF0dXJl"},
    "google": {"type": "thinking", "thinking": "It asks for it.", "signature": "c2lnbmF0dXJl"},
}


def conversation(provider: str) -> list[Any]:
    """Reasoning, a tool that failed, an image, and what LangChain keeps beside the text."""
    image = IMAGES.get(provider, {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PNG}"}})
    call = {"name": "weather", "args": {"city": "Päris", "days": 2.0}, "id": "t1"}
    blocks: list[Any] = [THOUGHTS[provider]]
    if provider == "anthropic":
        blocks.append({"type": "tool_use", "id": "t1", "name": "weather", "input": call["args"]})
    return [
        HumanMessage("What is the weather? 🌦", id="h1"),
        AIMessage(
            blocks,
            id="a1",
            tool_calls=[call],
            additional_kwargs={"reasoning_content": "private"},
            response_metadata={"model_name": "m-0", "when": object()},
        ),
        ToolMessage("no service", tool_call_id="t1", status="error", artifact=object(), name="weather"),
        HumanMessage([{"type": "text", "text": "And this?"}, image], name="anna"),
    ]


@pytest.fixture(scope="module")
def wire() -> Iterator[Wire]:
    made = Wire()
    yield made
    made.close()


async def sent(wire: Wire, model: Any, provider: str, mode: str, how: str) -> bytes:
    """The body of the request."""
    config: Any = {} if how == "plain" else {"callbacks": [RelayCallbackHandler()]}
    graph = create_agent(
        wrap_chat_model(model) if how == "wrapped" else model,
        [weather],
        system_prompt="Be brief.",
        middleware=[RelayMiddleware()] if how == "managed" else [],
    )
    state = await run(graph, mode, {"messages": conversation(provider)}, **config)
    assert state["messages"][-1].text == "fine"
    return wire.taken()


@BOTH
@EACH
async def test_s26_the_same_bytes(events: CapturedEvents, wire: Wire, mode: str, provider: str) -> None:
    model = client(provider, wire.url)
    plain = await sent(wire, model, provider, mode, "plain")
    assert of(events, "llm") == []
    assert PNG in plain.decode()
    for how in ("watched", "managed", "wrapped"):
        assert await sent(wire, model, provider, mode, how) == plain, how
    calls = of(events, "llm")
    assert [(call.outcome, call.tokens.total if call.tokens else None) for call in calls] == [("ok", 6)] * 3
    assert all("fine" in json.dumps(call.output["content"]) for call in calls)
    text = "".join(event.to_json() for event in events)
    assert PNG not in text
    assert "c2lnbmF0dXJl" not in text


# --- scenario 25 for a model that is called by itself


def edits(name: str, make: Callable[[Any], Any]) -> Any:
    """An intercept that sets this part of the request."""

    def change(_: str, request: Any, annotated: Any) -> LLMRequestInterceptOutcome:
        setattr(annotated, name, make(annotated))
        return LLMRequestInterceptOutcome(request, annotated)

    return intercepting("llm_request", change)


CLOCK = {
    "type": "function",
    "function": {"name": "clock", "description": "Tell the time.", "parameters": {"type": "object", "properties": {}}},
}


async def asked(wire: Wire, model: Any, mode: str, choice: Any, *edit: Any) -> Any:
    """The body of a call with two tools; with an edit of the choice, on a wrapped model."""
    bound = (wrap_chat_model(model) if edit else model).bind_tools([weather, CLOCK], tool_choice=choice)
    with edits("tool_choice", lambda annotated: edit[0]) if edit else nullcontext():
        await (asyncio.to_thread(bound.invoke, "hi") if mode == "invoke" else bound.ainvoke("hi"))
    return json.loads(wire.taken())


CHOICES: dict[str, tuple[Any, Any]] = {  # in the normalised request, and as LangChain takes it
    "one": ({"type": "function", "function": {"name": "clock"}}, "clock"),
    "required": ("required", "any"),
    "none asked for": (None, None),
}


@BOTH
@EACH
async def test_s25_a_tool_choice_outside_of_agents(
    events: CapturedEvents, wire: Wire, mode: str, provider: str
) -> None:
    model = client(provider, wire.url)
    for edit, bound in CHOICES.values():
        assert await asked(wire, model, mode, "weather", edit) == await asked(wire, model, mode, bound)
    assert [call.outcome for call in of(events, "llm")] == ["ok"] * 3


def test_s25_a_tool_choice_that_cannot_be_made(events: CapturedEvents) -> None:
    model = wrap_chat_model(ScriptedChatModel(script=["hello"]))
    with edits("tool_choice", lambda annotated: "required"):
        with pytest.raises(UnsupportedEdit, match="no tools to choose from"):
            model.invoke("hi")
        with pytest.raises(UnsupportedEdit, match="'ScriptedChatModel' has no tool choice"):
            model.bind_tools([weather]).invoke("hi")
        options = AdapterOptions(on_unsupported_edit="mark")
        assert wrap_chat_model(ScriptedChatModel(script=["hello"]), options).invoke("hi").content == "hello"
    (mark,) = marks(events, "edit.unsupported")
    assert mark.data["edit"] == "tool_choice"
