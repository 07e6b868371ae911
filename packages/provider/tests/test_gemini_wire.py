# SPDX-License-Identifier: Apache-2.0
"""Gemini's wire format, heard by the client library of Google's that LangChain brings."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from google import genai
from google.genai import errors, types

from nemo_relay_provider import Failure, Reply, ScriptedProvider, ToolCall, Usage

ASKED = "What is the weather in Paris?"


@pytest.fixture
def client() -> Iterator[Any]:
    made: list[genai.Client] = []

    def build(provider: ScriptedProvider) -> genai.Client:
        options = types.HttpOptions(base_url=provider.url)
        made.append(genai.Client(api_key="any", http_options=options))
        return made[-1]

    yield build
    for one in made:
        one.close()


def test_a_whole_answer_with_a_call(client: Any) -> None:
    reply = Reply("Let me look.", tool_calls=[ToolCall("weather", {"city": "Paris"})], usage=Usage(7, 5, 2, 1))
    with ScriptedProvider([reply]) as provider:
        answer = client(provider).models.generate_content(model="gemini-2.5-pro", contents=ASKED)
        (request,) = provider.requests
    assert request.path.endswith("/models/gemini-2.5-pro:generateContent")
    assert answer.model_version == "gemini-2.5-pro"
    assert [call.args for call in answer.function_calls] == [{"city": "Paris"}]
    counts = answer.usage_metadata
    assert (counts.prompt_token_count, counts.candidates_token_count, counts.thoughts_token_count) == (7, 4, 1)
    assert (counts.total_token_count, counts.cached_content_token_count) == (12, 2)


def test_a_stream(client: Any) -> None:
    with ScriptedProvider([Reply(["It is ", "sunny."])]) as provider:
        chunks = list(client(provider).models.generate_content_stream(model="m", contents=ASKED))
    assert "".join(chunk.text or "" for chunk in chunks) == "It is sunny."
    assert chunks[-1].candidates[0].finish_reason == types.FinishReason.STOP


def test_an_error_has_the_provider_s_shape(client: Any) -> None:
    with ScriptedProvider([Failure(403, "no")]) as provider:
        with pytest.raises(errors.ClientError, match="PERMISSION_DENIED"):
            client(provider).models.generate_content(model="m", contents=ASKED)


def test_tokens_are_counted_and_what_is_wrong_is_refused(client: Any, send: Any) -> None:
    with ScriptedProvider([]) as provider:
        assert client(provider).models.count_tokens(model="m", contents=ASKED).total_tokens > 0
        status, _, raw = send(provider, "/v1beta/models/m:generateContent", {"contents": []})
        assert (status, json.loads(raw)["error"]["status"]) == (400, "INVALID_ARGUMENT")
        wrong = {"contents": [{"role": "system", "parts": [{"text": "x"}]}]}
        assert send(provider, "/v1beta/models/m:generateContent", wrong)[0] == 400
        assert send(provider, "/v1beta/models/m:tune", {})[0] == 404
