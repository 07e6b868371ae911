# SPDX-License-Identifier: Apache-2.0
"""A10: token counts from every place where integrations leave them, and answers with several choices."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from langchain_core.caches import InMemoryCache
from langchain_core.language_models.fake_chat_models import GenericFakeChatModel
from langchain_core.messages import AIMessage
from langchain_core.outputs import ChatGeneration, ChatResult

from nemo_relay.integrations.langchain import RelayCallbackHandler, wrap_chat_model
from nemo_relay.integrations.langchain._views.usage import usage_view
from nemo_relay.testing import CapturedEvents

from .agents import of

COUNTS = {"prompt_tokens": 5, "completion_tokens": 3, "total_tokens": 8}
ANTHROPIC = {"input_tokens": 5, "output_tokens": 3, "cache_read_input_tokens": 2}


class Answering(GenericFakeChatModel):
    """Answers with what it was given."""

    result: Any
    messages: Any = None

    def _generate(self, *_: Any, **__: Any) -> ChatResult:
        made: ChatResult = self.result
        return made


def result(message: AIMessage, *others: AIMessage, info: Any = None, output: Any = None) -> ChatResult:
    choices = [ChatGeneration(message=choice, generation_info=info) for choice in (message, *others)]
    return ChatResult(generations=choices, llm_output=output)


@pytest.mark.parametrize("wrapped", [False, True])
@pytest.mark.parametrize(
    "answer",
    [
        result(AIMessage("a"), output={"usage": COUNTS}),
        result(AIMessage("a"), output={"token_usage": COUNTS}),
        result(AIMessage("a"), info={"usage": COUNTS}),
        result(AIMessage("a"), info={"usage_metadata": COUNTS}),
        result(AIMessage("a", response_metadata={"token_usage": COUNTS})),
        result(AIMessage("a"), AIMessage("b", response_metadata={"usage": SimpleNamespace(**COUNTS)})),
    ],
    ids=["output", "token_usage", "info", "info.metadata", "response_metadata", "second choice"],
)
def test_a10_usage_is_found(events: CapturedEvents, answer: ChatResult, wrapped: bool) -> None:
    model = Answering(result=answer)
    chosen = wrap_chat_model(model) if wrapped else model
    chosen.invoke("x", {"callbacks": [RelayCallbackHandler()]})
    (call,) = of(events, "llm")
    assert call.tokens is not None
    assert (call.tokens.input, call.tokens.output, call.tokens.total) == (5, 3, 8)


def test_a10_choices_after_the_first(events: CapturedEvents) -> None:
    answer = result(AIMessage("a"), AIMessage("b"), AIMessage("c"), output={"usage": ANTHROPIC})
    Answering(result=answer).generate([[]], callbacks=[RelayCallbackHandler()])
    (call,) = of(events, "llm")
    assert [call.output["content"], *(choice["content"] for choice in call.output["choices"])] == ["a", "b", "c"]
    assert call.output["usage"] == {"prompt_tokens": 5, "completion_tokens": 3, "cache_read_tokens": 2}


@pytest.mark.parametrize(
    "odd",
    [
        {"total_cost": 0.0},
        {"total_cost": 1.5},
        {"total_cost": "free"},
        {"total_cost": None},
        {"input_token_details": {"cache_read": "many", "audio": None}},
        {"output_token_details": "none", "input_token_details": 7},
        {"server_tool_use": {"web_search_requests": 1}, "total_cost": False},
    ],
    ids=repr,
)
def test_a10_what_is_odd_in_usage_changes_nothing_else(events: CapturedEvents, odd: dict[str, Any]) -> None:
    message = AIMessage("a", response_metadata={"model_name": "m"})
    object.__setattr__(message, "usage_metadata", {"input_tokens": 5, "output_tokens": 3, "total_tokens": 8, **odd})
    Answering(result=result(message)).invoke("x", {"callbacks": [RelayCallbackHandler()]})
    (call,) = of(events, "llm")
    assert "relay.cache_hit" not in call.metadata
    assert call.tokens is not None
    assert (call.tokens.input, call.tokens.total) == (5, 8)


def test_a10_a_cached_answer_is_one(events: CapturedEvents) -> None:
    usage: Any = {"input_tokens": 5, "output_tokens": 3, "total_tokens": 8}
    model = Answering(result=result(AIMessage("a", usage_metadata=usage)), cache=InMemoryCache())
    for _ in range(2):
        model.invoke("x", {"callbacks": [RelayCallbackHandler()]})
    first, second = of(events, "llm")
    assert (first.metadata.get("relay.cache_hit"), second.metadata.get("relay.cache_hit")) == (None, True)


@pytest.mark.parametrize(
    "given", [None, 1, "x", [], {}, {"input_tokens": -1}, {"input_tokens": float("nan")}, object()]
)
def test_a10_what_is_no_usage(given: Any) -> None:
    assert usage_view(given) is None
