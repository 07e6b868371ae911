# SPDX-License-Identifier: Apache-2.0
"""The application comes first: nothing that observation does, or fails to do, reaches it."""

from __future__ import annotations

import copy
import gc
import inspect
import pickle
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest
from langchain_core.callbacks import BaseCallbackHandler
from langchain_core.messages import AIMessage, HumanMessage
from langchain_core.prompts import ChatPromptTemplate
from langchain_core.runnables import RunnableLambda
from langchain_core.tools import StructuredTool, tool
from langsmith.utils import tracing_is_enabled

import nemo_relay
from nemo_relay import guardrails
from nemo_relay.integrations.langchain import (
    NemoRelayCallbackHandler,
    RelayCallbackHandler,
    callback_failures,
)
from nemo_relay.integrations.langchain._runs import lifecycle
from nemo_relay.integrations.langchain._runs.table import counts
from nemo_relay.integrations.langchain.testing import ScriptedChatModel
from nemo_relay.testing import CapturedEvents, capture_events, check_lifecycles

COPIES: list[Callable[[Any], Any]] = [
    copy.copy,
    copy.deepcopy,
    lambda handler: pickle.loads(pickle.dumps(handler)),
]


def broken(*_: Any, **__: Any) -> Any:
    raise RuntimeError("the core is broken")


@pytest.mark.parametrize(
    ("module", "function"),
    [
        ("scope", "start"),
        ("scope", "end"),
        ("scope", "event"),
        ("llm", "call"),
        ("llm", "call_end"),
        ("tools", "call"),
        ("tools", "call_end"),
    ],
)
def test_a_broken_core_harms_nobody(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, module: str, function: str
) -> None:
    @tool
    def double(value: int) -> int:
        """Double."""
        return value * 2

    chain = RunnableLambda(double.invoke) | (lambda value: str(value)) | ScriptedChatModel(script=["ok"])
    config = {"callbacks": [RelayCallbackHandler()]}
    before = sum(callback_failures().values())
    with capture_events(), monkeypatch.context() as patch:
        patch.setattr(getattr(nemo_relay, module), function, broken)
        assert chain.invoke({"value": 2}, config).content == "ok"
        assert "".join(str(chunk.content) for chunk in chain.stream({"value": 2}, config)) == "ok "
    gc.collect()
    assert sum(callback_failures().values()) > before
    assert counts()[0] == 0
    assert not [record for record in caplog.records if record.name.startswith("langchain")]


def test_a_failure_is_logged_once_and_counted(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    class OddError(RuntimeError):
        pass

    def odd(*_: Any, **__: Any) -> Any:
        raise OddError

    with capture_events(), monkeypatch.context() as patch:
        patch.setattr(nemo_relay.scope, "start", odd)
        for _ in range(3):
            RunnableLambda(lambda x: x).invoke(1, {"callbacks": [RelayCallbackHandler()]})
    assert callback_failures()["on_chain_start: OddError"] == 3
    assert capsys.readouterr().err.count("could not record on_chain_start: OddError") == 1


def test_results_are_the_very_same_objects(events: CapturedEvents, handler: RelayCallbackHandler) -> None:
    thing, seen = object(), []
    request = HumanMessage("hi", additional_kwargs={"odd": thing})
    answer = AIMessage("there")

    class Identity(ScriptedChatModel):
        def _reply(self, messages: Any) -> AIMessage:
            seen.extend(messages)
            return answer

    assert RunnableLambda(lambda value: value).invoke(thing, {"callbacks": [handler]}) is thing
    assert Identity(script=[]).invoke([request], {"callbacks": [handler]}) is answer
    assert seen[0] is request
    assert request.additional_kwargs == {"odd": thing}


def test_an_exception_is_the_very_same_object(events: CapturedEvents, handler: RelayCallbackHandler) -> None:
    error = ValueError("mine")

    def fail(_: Any) -> None:
        raise error

    with pytest.raises(ValueError, match="mine") as caught:
        RunnableLambda(fail).invoke(1, {"callbacks": [handler]})
    assert caught.value is error


def test_an_exception_that_cannot_be_printed(events: CapturedEvents, handler: RelayCallbackHandler) -> None:
    class MuteError(Exception):
        def __str__(self) -> str:
            raise RuntimeError

    def fail(_: Any) -> None:
        raise MuteError

    with pytest.raises(MuteError):
        RunnableLambda(fail).invoke(1, {"callbacks": [handler]})
    assert events.ends()[0].metadata["otel.status_description"] == "MuteError"


@pytest.mark.parametrize("make", COPIES, ids=["copy", "deepcopy", "pickle"])
def test_copies_are_as_good_as_the_original(events: CapturedEvents, make: Callable[[Any], Any]) -> None:
    original = RelayCallbackHandler()
    RunnableLambda(lambda x: x).invoke(1, {"callbacks": [original, make(original)]})
    assert len(events.starts()) == 1


@pytest.mark.parametrize("both", [False, True])
def test_s13_by_constructor_and_by_config(events: CapturedEvents, both: bool) -> None:
    model = ScriptedChatModel(script=["one two"], callbacks=[RelayCallbackHandler()])
    chain = ChatPromptTemplate.from_template("{x}") | model
    config: Any = {"callbacks": [RelayCallbackHandler(), RelayCallbackHandler()] if both else []}
    list(chain.stream({"x": "1"}, config))
    assert len(events.starts(category="llm")) == 1
    assert len(events.marks("llm.first_token")) == 1
    assert len(events.starts()) == (2 if both else 1)


def test_nothing_leaks(handler: RelayCallbackHandler) -> None:
    chain = ChatPromptTemplate.from_template("{x}") | ScriptedChatModel(script=["one two"])
    gc.collect()
    before = counts()
    with capture_events():
        for _ in range(50):
            chain.invoke({"x": "1"}, {"callbacks": [handler]})
            stream = chain.stream({"x": "1"}, {"callbacks": [handler]})
            next(stream)
            stream.close()
            with pytest.raises(KeyError):
                chain.invoke({"y": "1"}, {"callbacks": [handler]})
    gc.collect()
    assert counts()[0] == before[0]
    if not tracing_is_enabled():  # LangSmith's client keeps the ids of runs until it has sent them
        assert counts() == before


def test_awkward_metadata_and_values(events: CapturedEvents, handler: RelayCallbackHandler) -> None:
    cycle: dict[str, Any] = {}
    cycle["self"] = cycle
    values = {"cycle": cycle, 1: "int key", "big": 2**80, "fn": print, "bytes": b"\xff", "nan": float("nan")}
    config: Any = {"callbacks": [handler], "metadata": {"who": object(), "set": {1}}}
    assert RunnableLambda(lambda value: value).invoke(values, config) is values
    start, end = events.starts()[0], events.ends()[0]
    assert start.data["1"] == end.data["1"] == "int key"
    assert start.data["big"] == str(2**80)


def test_a_message_that_cannot_be_viewed_does_not_lose_the_call(
    events: CapturedEvents, handler: RelayCallbackHandler
) -> None:
    class Hostile(HumanMessage):
        def __getattribute__(self, name: str) -> Any:
            if name == "additional_kwargs":
                raise RuntimeError("none of your business")
            return super().__getattribute__(name)

    ScriptedChatModel(script=["x"]).invoke([Hostile("hi")], {"callbacks": [handler]})
    (start,) = events.starts(category="llm")
    assert start.data["content"]["messages"][0]["$type"].endswith("Hostile")
    assert start.metadata["relay.degraded"] is True


@pytest.mark.parametrize(
    "view", ["_record.handler.request_shown", "_views.payloads.tool_view", "_views.responses.Answer.data"]
)
def test_a_failing_view_loses_no_span(
    monkeypatch: pytest.MonkeyPatch, handler: RelayCallbackHandler, view: str
) -> None:
    @tool
    def one() -> int:
        """One."""
        return 1

    with capture_events() as captured, monkeypatch.context() as patch:
        patch.setattr(f"nemo_relay.integrations.langchain.{view}", broken)
        patch.setattr("nemo_relay.integrations.langchain._runs.outcomes.tool_view", broken)
        patch.setattr("nemo_relay.integrations.langchain._runs.outcomes.shown", broken)
        one.invoke({}, {"callbacks": [handler]})
        ScriptedChatModel(script=["x"]).invoke("hi", {"callbacks": [handler]})
    check_lifecycles(captured.events, outside=[nemo_relay.scope.get_handle().uuid])
    assert [node.category for node in captured.tree().walk()] == ["tool", "llm"]
    assert {node.outcome for node in captured.tree().walk()} == {"ok"}
    degraded = [event.category for event in captured if (event.metadata or {}).get("relay.degraded")]
    assert ("llm" if "tool" not in view else "tool") in degraded


def test_a_plain_handler_sees_the_same_calls(events: CapturedEvents, handler: RelayCallbackHandler) -> None:
    class Names(BaseCallbackHandler):
        def __init__(self) -> None:
            self.seen: list[str] = []

        def on_chain_start(self, *args: Any, **kwargs: Any) -> None:
            self.seen.append(kwargs["name"])

    chain = ChatPromptTemplate.from_template("{x}") | ScriptedChatModel(script=["x"])
    alone, beside = Names(), Names()
    chain.invoke({"x": "1"}, {"callbacks": [alone]})
    chain.invoke({"x": "1"}, {"callbacks": [handler, beside]})
    assert alone.seen == beside.seen


def test_published_name() -> None:
    assert NemoRelayCallbackHandler is RelayCallbackHandler


def test_importing_the_adapter_needs_no_langgraph() -> None:
    program = (
        "import sys, nemo_relay.integrations.langchain as adapter; "
        "found = {'langgraph', 'langchain', 'openai'} & {name.split('.')[0] for name in sys.modules}; "
        "sys.exit(str(found) if found else 0)"
    )
    subprocess.run([sys.executable, "-c", program], check=True)


def _callbacks(handler: type[Any]) -> list[str]:
    return sorted(name for name in dir(handler) if name.startswith("on_"))


@pytest.mark.parametrize("name", _callbacks(RelayCallbackHandler))
def test_a4_nothing_of_ours_gets_out_of_a_callback(name: str) -> None:
    handler = RelayCallbackHandler()
    callback = getattr(handler, name)
    parameters = [p for p in inspect.signature(callback).parameters.values() if p.default is p.empty]
    places = [p.name for p in parameters if p.kind is p.POSITIONAL_OR_KEYWORD]
    for odd in (object(), None, 1, "text", [], {}, Hostile()):
        callback(*[odd for _ in places], run_id=odd, parent_run_id=odd, tags=odd, metadata=odd, name=odd)
    lifecycle.end_everything()


class Hostile:
    """Nothing about it can be looked at."""

    def __getattribute__(self, name: str) -> Any:
        raise RuntimeError(name)

    def __repr__(self) -> str:
        raise RuntimeError("repr")

    def __eq__(self, other: object) -> bool:
        raise RuntimeError("eq")

    __hash__ = None  # type: ignore[assignment]


def test_a4_only_the_verdict_of_a_guardrail_does() -> None:
    def refuse(name: str, args: Any) -> str | None:
        raise LookupError("policy file is gone")

    guardrails.register_tool_conditional_execution("g", 10, refuse)
    try:
        with pytest.raises(LookupError, match="policy file") as caught:
            double = StructuredTool.from_function(lambda value: value * 2, name="double", description="Double.")
            double.invoke({"value": 1}, {"callbacks": [RelayCallbackHandler()]})
        assert caught.value.__cause__ is None
    finally:
        guardrails.deregister_tool_conditional_execution("g")
