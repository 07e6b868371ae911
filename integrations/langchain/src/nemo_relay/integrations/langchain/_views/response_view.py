# SPDX-License-Identifier: Apache-2.0
"""The view of a model's answer for managed calls, and the codec by which observers read it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

from langchain_core.messages import AIMessage, BaseMessage
from langchain_core.outputs import ChatGeneration, ChatResult, LLMResult

from nemo_relay.codecs import AnnotatedLLMResponse
from nemo_relay.integrations.langchain import _failures
from nemo_relay.integrations.langchain._views.payloads import shown
from nemo_relay.integrations.langchain._views.responses import Answer, normal_finish

_HERE = {"seen": "here"}  # whether a cache answered is seen from the outside only: the callbacks know


def answer_of(messages: Sequence[BaseMessage]) -> AIMessage | None:
    """The model's own message among those that a call produced."""
    return next((message for message in messages if isinstance(message, AIMessage)), None)


def result_view(result: ChatResult, model: str | None = None) -> dict[str, Any]:
    """``answer_view`` of all that a chat model's own method returned: with its usage, and choices after the first."""
    whole = LLMResult(generations=[list(result.generations)], llm_output={**_HERE, **(result.llm_output or {})})
    messages = [choice.message for choice in result.generations[:1]]
    return answer_view(messages, None, model, whole)


def answer_view(
    messages: Sequence[BaseMessage], structured: Any = None, model: str | None = None, whole: LLMResult | None = None
) -> dict[str, Any]:
    """What a model answered, as observers and intercepts see it; a bare note where it refuses to be looked at."""
    try:
        return _answer_view(messages, structured, model, whole)
    except Exception as error:
        _failures.note_failure("response", error)
        return {"role": "assistant", "content": None, "tool_calls": []}


def _answer_view(
    messages: Sequence[BaseMessage], structured: Any, model: str | None, whole: LLMResult | None
) -> dict[str, Any]:
    message = answer_of(messages)
    if message is None:
        return {"role": "assistant", "content": "", "tool_calls": [], "messages": shown(list(messages))[0]}
    result = whole or LLMResult(generations=[[ChatGeneration(message=message)]], llm_output=_HERE)
    view = Answer(result, model).data() or {}
    if structured is not None:
        view["structured_response"] = shown(structured)[0]
    return view


class ResponseCodec:
    """Reads the view. Stateless."""

    codec_kind = "opaque"
    codec_id = "langchain"

    def decode_response(self, response: Any) -> AnnotatedLLMResponse:
        """The answer in the normalised shape."""
        view = response if isinstance(response, dict) else {"content": response}
        calls = [_call(call) for call in view.get("tool_calls") or ()]
        about = ((view.get("extra") or {}).get("lc") or {}).get("response_metadata") or {}
        members = {
            "id": about.get("id"),
            "model": view.get("model"),
            "message": text_of(view.get("content")) or None,
            "tool_calls": calls,
            "finish_reason": normal_finish(view.get("finish_reason"), bool(calls)),
            "usage": view.get("usage"),
        }
        return AnnotatedLLMResponse.from_event({name: member for name, member in members.items() if member})


def text_of(content: Any) -> str:
    """The text in an answer's content."""
    if isinstance(content, list):
        texts = (part if isinstance(part, str) else part.get("text") for part in content if part)
        return "".join(text for text in texts if isinstance(text, str))
    return content if isinstance(content, str) else ""


def _call(call: Any) -> dict[str, Any]:
    function = call.get("function") or {}
    arguments = function.get("arguments")
    with suppress(ValueError):
        arguments = json.loads(arguments) if isinstance(arguments, str) else arguments
    return {"id": str(call.get("id") or ""), "name": str(function.get("name") or ""), "arguments": arguments}
