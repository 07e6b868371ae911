# SPDX-License-Identifier: Apache-2.0
"""What LLM calls take and use, as metrics."""

from __future__ import annotations

from typing import Any

import pytest
from conftest import Export
from receiver import Receiver, attributes

from nemo_relay import LLMRequest, ScopeType, llm, scope, tools

REQUEST = LLMRequest({}, {"model": "gpt-4.1", "messages": [{"role": "user", "content": "Hi"}]})
RESPONSE = {
    "id": "c-1",
    "model": "gpt-4.1-2025-04-14",
    "object": "chat.completion",
    "choices": [{"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": "Hello"}}],
    "usage": {"prompt_tokens": 10, "completion_tokens": 3, "total_tokens": 13},
}


def metrics(receiver: Receiver, export: Export, **more: Any) -> dict[str, Any]:
    section = {"metrics": {"enabled": True, "endpoints": [{"endpoint": receiver.url}], **more}}
    exporters = export(section)
    with scope.scope("planner", ScopeType.Agent):
        llm.execute_sync("openai.chat", REQUEST, lambda request: RESPONSE, model_name="gpt-4.1")
        with pytest.raises(ZeroDivisionError):
            llm.execute_sync("openai.chat", REQUEST, lambda request: 1 / 0, model_name="gpt-4.1")
        tools.execute_sync("search", {}, lambda arguments: None)
    assert exporters.force_flush()
    return {metric.name: metric for metric in receiver.metrics}


def test_duration_tokens_and_errors(receiver: Receiver, export: Export) -> None:
    found = metrics(receiver, export)
    points = found["gen_ai.client.operation.duration"].histogram.data_points
    by_operation = {}
    for point in points:
        told = attributes(point)
        by_operation[told["gen_ai.operation.name"], told.get("error.type")] = told
    assert set(by_operation) == {
        ("chat", None),
        ("chat", "internal_error"),
        ("execute_tool", None),
        ("invoke_agent", None),
    }
    assert by_operation["chat", None] == {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "openai",
        "gen_ai.request.model": "gpt-4.1",
        "gen_ai.response.model": "gpt-4.1-2025-04-14",
    }
    assert list(points[0].explicit_bounds[:3]) == [0.01, 0.02, 0.04]
    tokens = {
        attributes(point)["gen_ai.token.type"]: point.sum
        for point in found["gen_ai.client.token.usage"].histogram.data_points
    }
    assert tokens == {"input": 10, "output": 3}


def test_the_newest_conventions(receiver: Receiver, export: Export) -> None:
    found = metrics(receiver, export, genai_version="0.1")
    assert "gen_ai.client.inference.duration" in found
    assert "gen_ai.client.token.usage" not in found
    assert found["gen_ai.client.inference.usage.input_tokens"].sum.data_points[0].as_int == 10


def test_time_to_first_chunk(receiver: Receiver, export: Export) -> None:
    exporters = export({"metrics": {"enabled": True, "endpoints": [{"endpoint": receiver.url}]}})
    chunk = {"id": "c-1", "object": "chat.completion.chunk", "model": "m", "choices": []}
    callbacks: Any = (lambda request: iter([chunk, chunk]), lambda each: None, lambda: RESPONSE)
    list(llm.stream_execute_sync("openai.chat", REQUEST, *callbacks))
    assert exporters.force_flush()
    found = {metric.name: metric for metric in receiver.metrics}
    (point,) = found["gen_ai.client.operation.time_to_first_chunk"].histogram.data_points
    assert point.count == 1
    assert found["gen_ai.client.operation.time_to_first_chunk"].unit == "s"
