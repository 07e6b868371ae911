# SPDX-License-Identifier: Apache-2.0
"""Our answers have the fields of recorded answers of the real providers."""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from nemo_relay_provider import Reply, ScriptedProvider, ToolCall

RECORDINGS = Path(__file__).resolve().parents[3] / "../shared/data/cassettes"
TOOLS = Reply("Sure. ", tool_calls=[ToolCall("a", {"x": 1}), ToolCall("b", {"y": "long enough to cut"})])

# Fields that came to the wire after the recording, or that only a real provider can fill.
OURS_ALONE = {"refusal", "service_tier", "annotations"}
THEIRS_ALONE = {"caller", "cache_creation", "inference_geo", "obfuscation"}


def recorded(file: str) -> tuple[Any, str]:
    path = RECORDINGS / file
    if not path.exists():
        pytest.skip("the recordings of real providers are not beside this checkout")
    interaction = yaml.safe_load(path.read_text(encoding="utf-8"))["interactions"][0]
    return json.loads(interaction["request"]["body"]), interaction["response"]["body"]["string"]


def shapes(events: list[Any]) -> dict[str, set[str]]:
    """Every path of keys in the events, with the JSON types seen there."""
    found: dict[str, set[str]] = {}

    def walk(value: Any, path: str) -> None:
        found.setdefault(path, set()).add(type(value).__name__)
        if isinstance(value, dict):
            for key, inner in value.items():
                if key not in OURS_ALONE | THEIRS_ALONE and not path.endswith((".input", ".arguments")):
                    walk(inner, f"{path}.{key}")
        if isinstance(value, list):
            for inner in value:
                walk(inner, f"{path}[]")

    for event in events:
        walk(event, f"{event.get('type', '')}:")
    return found


def frames(text: str) -> list[Any]:
    lines = [line.removeprefix("data: ") for line in text.splitlines() if line.startswith("data: ")]
    return [json.loads(line) for line in lines if line != "[DONE]"]


def test_an_openai_stream(send: Any) -> None:
    body, real = recorded(
        "open-telemetry__opentelemetry-python-contrib/"
        "cassettes__test_async_chat_completion_multiple_tools_streaming_no_content.yaml"
    )
    with ScriptedProvider([Reply(tool_calls=TOOLS.tool_calls)]) as provider:
        ours = send(provider, "/v1/chat/completions", body)[2].decode()
    assert shapes(frames(ours)) == shapes(frames(real))
    assert ours.endswith("\n\ndata: [DONE]\n\n")
    assert real.rstrip().endswith("data: [DONE]")


def test_an_anthropic_stream(send: Any) -> None:
    body, real = recorded(
        "Arize-ai__openinference/test_instrumentor__test_anthropic_instrumentation_multiple_tool_calling_streaming.yaml"
    )
    with ScriptedProvider([TOOLS]) as provider:
        ours = send(provider, "/v1/messages", body)[2].decode()
    assert shapes(frames(ours)) == shapes(frames(real))


def test_a_whole_anthropic_answer(send: Any) -> None:
    body, real = recorded(
        "Arize-ai__openinference/test_instrumentor__test_anthropic_instrumentation_multiple_tool_calling.yaml"
    )
    with ScriptedProvider([TOOLS]) as provider:
        ours = json.loads(send(provider, "/v1/messages", body)[2])
    assert shapes([ours]) == shapes([json.loads(real)])
