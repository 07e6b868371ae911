# SPDX-License-Identifier: Apache-2.0
"""Provider shapes: what the user said, what the model said and thought, what it cost."""

from __future__ import annotations

from typing import Any

import pytest

USER = {"role": "user", "content": "q"}
PNG = "https://host/a.PNG?size=1"


def answer(stream: Any, data: Any, messages: list[Any] | None = None, **more: Any) -> dict[str, Any]:
    """The agent step of one model call."""
    stream.start("run", "agent")
    stream.llm("l", "run", messages or [USER], data, **more)
    step: dict[str, Any] = stream.project()["steps"][-1]
    return step


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (None, ""),
        ("text", "text"),
        (
            ["a", {"type": "text", "text": "b"}],
            [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}],
        ),
        (
            [{"type": "text", "text": "a", "cache_control": {"type": "ephemeral"}}],
            [{"type": "text", "text": "a"}],
        ),
        (
            [{"type": "image_url", "image_url": {"url": PNG}}],
            [{"type": "image", "source": {"media_type": "image/png", "path": PNG}}],
        ),
        (
            [{"type": "image", "source": {"type": "url", "url": "https://host/picture"}}],
            [{"type": "text", "text": "[image: https://host/picture]"}],
        ),
        (
            [{"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "AAAA"}}],
            [{"type": "text", "text": "[image/png, inline]"}],
        ),
        (
            [{"type": "image_url", "image_url": "data:image/png;base64,AAAA"}],
            [{"type": "text", "text": "[image, inline]"}],
        ),
        ([{"type": "document", "source": {}}], [{"type": "text", "text": "[document]"}]),
        (
            [{"type": "tool_result", "content": "r"}, {"type": "text", "text": "a"}],
            [{"type": "text", "text": "a"}],
        ),
        ([1, {"b": 2, "a": "é"}], '[1,{"a":"é","b":2}]'),
    ],
)
def test_user_content(stream: Any, validate: Any, content: Any, expected: Any) -> None:
    answer(stream, {"content": "ok"}, [{"role": "user", "content": content}])
    document = stream.project()
    validate(document)
    assert document["steps"][0]["message"] == expected


@pytest.mark.parametrize(
    ("body", "asks"),
    [
        ({"messages": [USER, {"role": "assistant", "content": ""}, {"role": "tool", "content": ""}]}, None),
        ({"messages": [USER, {"role": "developer", "content": "x"}]}, "q"),
        ({"messages": [{"role": "user", "content": [{"type": "tool_result", "content": "r"}]}]}, None),
        ({"messages": [{"type": "human", "content": "q"}]}, "q"),
        ({"messages": [{"type": "human", "content": "q"}, {"type": "tool", "content": "r"}]}, None),
        ({"input": "q"}, "q"),
        ({"input": [{"role": "user", "content": [{"type": "input_text", "text": "q"}]}]}, "q"),
        ({"input": [USER, {"type": "function_call_output", "call_id": "c", "output": ""}]}, None),
        ({"contents": [{"role": "user", "parts": [{"text": "q"}, {"text": "r"}]}]}, "q\nr"),
        ({"contents": [{"role": "user", "parts": [{"functionResponse": {"name": "f"}}]}]}, None),
        ({"prompt": "q"}, "q"),
    ],
)
def test_whether_a_person_spoke(stream: Any, body: dict[str, Any], asks: str | None) -> None:
    stream.start("run", "agent")
    stream.start("l", "llm", "run", {"headers": {}, "content": body})
    stream.end("l", {"content": "ok"})
    steps = stream.project()["steps"]
    assert [step["message"] for step in steps[:-1]] == ([] if asks is None else [asks])
    assert ("llm_request" in steps[-1]["extra"]) is (asks is None)


@pytest.mark.parametrize(
    ("data", "message", "reasoning", "names"),
    [
        ({"choices": [{"message": {"content": "a", "reasoning_content": "t"}}]}, "a", "t", []),
        ({"choices": [{"message": {"content": None, "refusal": "no"}}]}, "no", None, []),
        ({"choices": [{"text": "a"}]}, "a", None, []),
        ({"message": {"role": "assistant", "content": "a"}}, "a", None, []),
        ({"content": "a", "reasoning": {"not": "text"}}, "a", None, []),
        (
            {
                "type": "message",
                "content": [
                    {"type": "thinking", "thinking": "t", "signature": "s"},
                    {"type": "text", "text": "a"},
                    {"type": "tool_use", "id": "c", "name": "f", "input": {}},
                ],
            },
            "a",
            "t",
            ["f"],
        ),
        (
            {
                "output": [
                    {"type": "reasoning", "summary": [{"type": "summary_text", "text": "t"}]},
                    {"type": "message", "content": [{"type": "output_text", "text": "a"}]},
                    {"type": "function_call", "id": "fc", "call_id": "c", "name": "f", "arguments": "{}"},
                    {"type": "custom_tool_call", "call_id": "d", "name": "g", "input": "print()"},
                ]
            },
            "a",
            "t",
            ["f", "g"],
        ),
        (
            {
                "candidates": [
                    {
                        "content": {
                            "parts": [
                                {"text": "t", "thought": True},
                                {"text": "a"},
                                {"functionCall": {"id": "c", "name": "f", "args": {}}},
                            ]
                        }
                    }
                ]
            },
            "a",
            "t",
            ["f"],
        ),
        (
            {
                "role": "assistant",
                "content": [{"type": "reasoning", "reasoning": "t"}, {"type": "text", "text": "a"}],
                "invalid_tool_calls": [{"id": "c", "name": "f", "args": "{", "error": "not JSON"}],
            },
            "a",
            "t",
            ["f"],
        ),
        (
            {"content": "a", "extra": {"lc": {"additional_kwargs": {"reasoning_content": "t"}}}},
            "a",
            "t",
            [],
        ),
    ],
)
def test_answers(stream: Any, validate: Any, data: Any, message: str, reasoning: Any, names: list[str]) -> None:
    step = answer(stream, data)
    validate(stream.project())
    assert step["message"] == message
    assert step.get("reasoning_content") == reasoning
    assert [call["function_name"] for call in step.get("tool_calls", [])] == names
    assert step["extra"]["llm_response"] == data


def test_a_responses_call_is_known_by_the_id_that_results_name(stream: Any) -> None:
    item = {"type": "function_call", "id": "fc_1", "call_id": "call_1", "name": "f", "arguments": '{"a": 1}'}
    call = answer(stream, {"output": [item]})["tool_calls"][0]
    assert call == {"tool_call_id": "call_1", "function_name": "f", "arguments": {"a": 1}}


def test_an_annotation_speaks_where_the_response_is_opaque(stream: Any) -> None:
    annotation = {
        "message": "a",
        "model": "m-9",
        "tool_calls": [{"id": "c", "name": "f", "arguments": {"x": 1}}],
    }
    step = answer(stream, {"opaque": True}, profile={"annotated_response": annotation})
    assert (step["message"], step["model_name"]) == ("a", "m-9")
    assert step["tool_calls"][0]["arguments"] == {"x": 1}


@pytest.mark.parametrize(
    ("usage", "expected"),
    [
        (
            {"prompt_tokens": 9, "completion_tokens": 2, "prompt_tokens_details": {"cached_tokens": 4}},
            {"prompt_tokens": 9, "completion_tokens": 2, "cached_tokens": 4},
        ),
        (
            {"prompt_tokens": 9, "cache_read_tokens": 3, "cache_write_tokens": 2, "reasoning_tokens": 1},
            {
                "prompt_tokens": 9,
                "cached_tokens": 3,
                "extra": {"reasoning_tokens": 1, "cache_write_tokens": 2},
            },
        ),
        (
            {
                "input_tokens": 4,
                "output_tokens": 1,
                "cache_read_input_tokens": 20000,
                "cache_creation_input_tokens": 0,
            },
            {
                "prompt_tokens": 20004,
                "completion_tokens": 1,
                "cached_tokens": 20000,
                "extra": {"cache_write_tokens": 0},
            },
        ),
        (
            {"input_tokens": 9, "input_token_details": {"cache_read": 3, "audio": 1}},
            {"prompt_tokens": 9, "cached_tokens": 3, "extra": {"input_token_details": {"audio": 1}}},
        ),
        ({"prompt_tokens": 2.0, "completion_tokens": True}, {"prompt_tokens": 2}),
        ({"cost": {"currency": "EUR", "total": 1}}, {"extra": {"cost": {"currency": "EUR", "total": 1}}}),
        ({}, None),
    ],
)
def test_usage(stream: Any, validate: Any, usage: Any, expected: Any) -> None:
    step = answer(stream, {"content": "a", "usage": usage})
    validate(stream.project())
    assert step.get("metrics") == expected


def test_counts_of_an_annotated_anthropic_answer(stream: Any) -> None:
    usage = {"prompt_tokens": 10, "cache_read_tokens": 3, "cache_write_tokens": 2, "cost": {"total": 0.5}}
    annotation = {"usage": usage, "api_specific": {"api": "anthropic_messages"}}
    metrics = answer(stream, {"content": "a"}, profile={"annotated_response": annotation})["metrics"]
    assert metrics == {
        "prompt_tokens": 15,
        "cached_tokens": 3,
        "cost_usd": 0.5,
        "extra": {"cache_write_tokens": 2},
    }


@pytest.mark.parametrize(
    ("result", "content", "kept"),
    [
        ("text", "text", False),
        ([{"type": "text", "text": "a"}], [{"type": "text", "text": "a"}], False),
        ([{"type": "text", "text": "a", "id": 1}], None, True),
        ([None], None, True),
        ({"content": "a", "status": "success"}, "a", False),
        ({"content": "a", "status": "success", "artifact_ref": {"type": "T"}}, "a", True),
        ({"content": None, "status": "success"}, None, True),
        ({"x": 1}, None, True),
        (0, None, True),
    ],
)
def test_tool_results(stream: Any, declared: Any, validate: Any, result: Any, content: Any, kept: bool) -> None:
    answer(stream, {"content": "", "tool_calls": declared(c1=("f", {}))})
    stream.tool("t", "run", "c1", {}, result, name="f")
    document = stream.project()
    validate(document)
    (back,) = document["steps"][-1]["observation"]["results"]
    assert back.get("content") == content
    assert (back["extra"].get("tool_result", ...) == result) is kept


def test_one_call_seen_by_hook_and_gateway_is_one_step(stream: Any) -> None:
    hook = {"hook_event_name": "h", "provider_payload_exact": False, "request_id": "r"}
    gateway = {"gateway_path": "/v1", "request_id": "r"}
    body = {"headers": {}, "content": {"messages": [USER]}}
    stream.start("run", "agent")
    stream.start("h", "llm", "run", body, metadata=hook)
    stream.start("g", "llm", "run", body, metadata=gateway)
    stream.end("g", {"content": "whole answer"})
    stream.end("h", {"content": "whole", "usage": {"prompt_tokens": 3}})
    stream.start("h2", "llm", "run", body, metadata=hook)
    stream.end("h2", {"content": "later"})
    messages = [step["message"] for step in stream.project()["steps"]]
    assert messages == ["q", "whole answer", "q", "later"]
    assert stream.project()["steps"][1]["metrics"] == {"prompt_tokens": 3}
