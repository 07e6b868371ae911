# SPDX-License-Identifier: Apache-2.0
"""What is wrapped is, for everybody who looks at it, what it was; and a call of it is one call."""

from __future__ import annotations

import copy
import inspect
import pickle
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
from langchain_core.caches import InMemoryCache
from langchain_core.language_models import BaseChatModel
from langchain_core.language_models.chat_models import agenerate_from_stream, generate_from_stream
from langchain_core.load import dumpd
from langchain_core.messages import AIMessageChunk
from langchain_core.messages.tool import tool_call_chunk
from langchain_core.outputs import ChatGenerationChunk
from langchain_core.tools import BaseTool, StructuredTool

from nemo_relay.integrations.langchain import AdapterOptions, RelayCallbackHandler, wrap_chat_model, wrap_tool
from nemo_relay.integrations.langchain.testing import ScriptedChatModel
from nemo_relay.testing import CapturedEvents

from .agents import intercepting, of

MODEL = ScriptedChatModel(script=["one two"])


def double(number: int) -> int:
    """Double it."""
    return number * 2


class Doubler(BaseTool):
    """A tool that is a class."""

    name: str = "double"
    description: str = "Double it."

    def _run(self, number: int) -> int:
        return number * 2


TOOLS: list[BaseTool] = [StructuredTool.from_function(double), Doubler()]
SAME = pytest.mark.parametrize("plain", [MODEL, *TOOLS], ids=["model", "function", "class"])


@pytest.fixture
def wrapped(plain: Any) -> Any:
    return wrap_tool(plain) if isinstance(plain, BaseTool) else wrap_chat_model(plain)


@SAME
def test_a6_nobody_can_tell_it_from_the_original(plain: Any, wrapped: Any) -> None:
    kind, original = type(wrapped), type(plain)
    assert isinstance(wrapped, original)
    fresh = plain.model_copy()
    assert (wrapped == plain, plain == wrapped) == (fresh == plain, plain == fresh)
    assert repr(wrapped) == repr(plain)
    assert (kind.__name__, kind.__qualname__, kind.__module__) == (
        original.__name__,
        original.__qualname__,
        original.__module__,
    )
    assert kind.__doc__ == original.__doc__
    assert kind.lc_id() == original.lc_id()
    assert dumpd(wrapped) == dumpd(plain)
    assert wrapped.model_dump() == plain.model_dump()
    assert kind.model_json_schema == original.model_json_schema or kind.__name__ == original.__name__
    for name in ("run", "arun", "invoke", "generate", "agenerate", "stream", "astream", "_generate", "_stream"):
        if hasattr(plain, name):
            assert inspect.signature(getattr(kind, name)) == inspect.signature(getattr(original, name)), name
    if isinstance(plain, BaseTool):
        assert wrapped.args == plain.args
        assert wrapped.tool_call_schema.model_json_schema() == plain.tool_call_schema.model_json_schema()
        assert wrapped.get_input_schema().model_json_schema() == plain.get_input_schema().model_json_schema()


@SAME
@pytest.mark.parametrize(
    "twin",
    [copy.copy, copy.deepcopy, lambda item: pickle.loads(pickle.dumps(item)), lambda item: item.model_copy()],
    ids=["copy", "deepcopy", "pickle", "model_copy"],
)
def test_a6_a_copy_is_wrapped_too(events: CapturedEvents, plain: Any, wrapped: Any, twin: Any) -> None:
    try:
        twin(plain)
    except pickle.PicklingError:
        with pytest.raises(pickle.PicklingError):
            twin(wrapped)
        return
    made = twin(wrapped)
    if isinstance(plain, BaseChatModel):  # tools keep what they have worked out among their fields
        assert made == plain
    assert type(made).__name__ == type(plain).__name__
    given: Any = "hi" if isinstance(plain, BaseChatModel) else {"number": 2}
    asked: list[Any] = []

    def watch(name: str, given: Any, call: Any) -> Any:
        asked.append(name)
        return call(given)

    with intercepting("tool_execution", lambda name, args, call: watch(name, args, call)):
        made.invoke(given)
    assert len(events.starts()) == 1
    assert asked == ([] if isinstance(plain, BaseChatModel) else ["double"])


def test_a6_one_class_for_one_kind() -> None:
    assert type(wrap_chat_model(MODEL)) is type(wrap_chat_model(ScriptedChatModel(script=["x"])))
    options = AdapterOptions()
    assert type(wrap_tool(TOOLS[0], options)) is not type(wrap_tool(TOOLS[0]))


def test_a6_the_same_answers_in_a_cache(events: CapturedEvents) -> None:
    cache = InMemoryCache()
    plain = ScriptedChatModel(script=["hello"], cache=cache)
    plain.invoke("x")
    config: Any = {"callbacks": [RelayCallbackHandler()]}
    assert wrap_chat_model(plain).invoke("x", config).content == "hello"
    (call,) = of(events, "llm")
    assert call.metadata["relay.cache_hit"] is True


class Draining(ScriptedChatModel):
    """Answers at once by draining its own stream, as several integrations do."""

    def _generate(self, messages: Any, stop: Any = None, run_manager: Any = None, **kwargs: Any) -> Any:
        return generate_from_stream(self._stream(messages, stop, run_manager, **kwargs))

    async def _agenerate(self, messages: Any, stop: Any = None, run_manager: Any = None, **kwargs: Any) -> Any:
        return await agenerate_from_stream(self._astream(messages, stop, run_manager, **kwargs))


class Delegating(ScriptedChatModel):
    """Streams what it answers at once."""

    def _stream(self, messages: Any, stop: Any = None, run_manager: Any = None, **kwargs: Any) -> Any:
        message = self._generate(messages, stop, run_manager, **kwargs).generations[0].message
        return [ChatGenerationChunk(message=AIMessageChunk(message.content))]  # no generator, not even an iterator


@pytest.mark.parametrize("handlers", [0, 1])
@pytest.mark.parametrize("mode", ["invoke", "ainvoke", "stream", "astream"])
@pytest.mark.parametrize("kind", [Draining, Delegating])
async def test_a5_one_call_is_one_event(events: CapturedEvents, kind: Any, mode: str, handlers: int) -> None:
    model = wrap_chat_model(kind(script=["one two"]))
    config: Any = {"callbacks": [RelayCallbackHandler()] * handlers}
    if mode == "invoke":
        text = model.invoke("x", config).content
    elif mode == "ainvoke":
        text = (await model.ainvoke("x", config)).content
    elif mode == "stream":
        text = "".join(str(chunk.content) for chunk in model.stream("x", config))
    else:
        text = "".join([str(chunk.content) async for chunk in model.astream("x", config)])
    assert str(text).strip() == "one two"
    (call,) = of(events, "llm")
    assert call.outcome == "ok"


class Router(ScriptedChatModel):
    """Asks another model, or itself once more, for its answer."""

    inner: Any = None
    again: bool = False

    def _generate(self, messages: Any, stop: Any = None, run_manager: Any = None, **kwargs: Any) -> Any:
        if self.inner is not None:
            self.inner.invoke(messages)
        elif self.again and len(messages) == 1:
            self.invoke([*messages, *messages])
        return super()._generate(messages, stop, run_manager, **kwargs)


def test_a5_another_call_is_another_event(events: CapturedEvents) -> None:
    wrap_chat_model(Router(script=["outer"], inner=wrap_chat_model(MODEL))).invoke("x")
    assert [call.name for call in of(events, "llm")] == ["scripted", "scripted"]
    wrap_chat_model(Router(script=["outer"], again=True)).invoke("x")
    assert len(of(events, "llm")) == 4


class Piecewise(ScriptedChatModel):
    """Streams the arguments of one tool call in many pieces."""

    pieces: int = 2_000

    def _stream(self, messages: Any, stop: Any = None, run_manager: Any = None, **kwargs: Any) -> Iterator[Any]:
        for number in range(self.pieces):
            first = number == 0
            text = '{"text": "' if first else '"}' if number == self.pieces - 1 else "word "
            piece = tool_call_chunk(name="write" if first else None, args=text, id="c" if first else None, index=0)
            yield ChatGenerationChunk(message=AIMessageChunk("", tool_call_chunks=[piece]))

    async def _astream(
        self, messages: Any, stop: Any = None, run_manager: Any = None, **kwargs: Any
    ) -> AsyncIterator[Any]:
        for chunk in self._stream(messages, stop, run_manager, **kwargs):
            yield chunk


def test_a3_pieces_of_a_call_are_summed_once(monkeypatch: pytest.MonkeyPatch, events: CapturedEvents) -> None:
    from langchain_core.messages import ai

    parsed: list[int] = []
    original = ai.parse_partial_json
    monkeypatch.setattr(ai, "parse_partial_json", lambda text, **options: parsed.append(1) or original(text, **options))
    pieces = 300
    plain, wrapped = Piecewise(script=[""], pieces=pieces), wrap_chat_model(Piecewise(script=[""], pieces=pieces))
    chunks = list(plain.stream("x"))
    without = len(parsed)
    parsed.clear()
    assert [chunk.tool_call_chunks for chunk in wrapped.stream("x")] == [chunk.tool_call_chunks for chunk in chunks]
    assert len(parsed) <= without + 2 * pieces  # each piece for itself, and the whole
    (call,) = of(events, "llm")
    assert '"word word' in str(call.output["tool_calls"][0]["function"]["arguments"])
