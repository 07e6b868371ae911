# SPDX-License-Identifier: Apache-2.0
"""What an execution intercept returns in place of a model's answer or a tool's result, as LangChain needs it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from langchain_core.messages import AIMessage, BaseMessage, ToolCall, ToolMessage, messages_from_dict
from langchain_core.messages.ai import UsageMetadata

from nemo_relay import codecs, tool_results
from nemo_relay.integrations.langchain._alignment import is_same_json
from nemo_relay.integrations.langchain._edits.message import with_edits
from nemo_relay.integrations.langchain._edits.parts import new_message
from nemo_relay.integrations.langchain._errors import UnknownSubstitute, UnsupportedEdit
from nemo_relay.integrations.langchain._views.payloads import tool_view
from nemo_relay.integrations.langchain._views.response_view import answer_of

ENVELOPE = "__nemo_relay_integrations_langchain_model_response"  # of the published package


def messages(value: Any) -> list[BaseMessage]:
    """A model's answer from whatever an intercept has: a text, messages, a provider's response document.

    Raises:
        UnknownSubstitute: it is none of these.
    """
    if isinstance(value, str):
        return [AIMessage(value)]
    if isinstance(value, BaseMessage):
        return [value]
    if isinstance(value, (list, tuple)) and value and all(isinstance(item, BaseMessage) for item in value):
        return list(value)
    if isinstance(value, dict):
        found = _from_document(value)
        if found is not None:
            return found
    raise UnknownSubstitute(value)


def _from_document(value: dict[str, Any]) -> list[BaseMessage] | None:
    if ENVELOPE in value:
        return messages_from_dict(value[ENVELOPE]["messages"])
    if value.get("type") in ("ai", "AIMessage", "constructor") and isinstance(value.get("data"), dict):
        return messages_from_dict([{"type": "ai", "data": value["data"]}])
    annotated = codecs.decode_response_best_effort(value)
    if annotated is not None:
        return [_annotated(annotated)]
    if value.get("role") == "assistant" and "content" in value:
        return [_assistant(value)]
    if value.get("type") == "ai" and "content" in value:
        return messages_from_dict([{"type": "ai", "data": value}])
    return None


def _annotated(answer: Any) -> AIMessage:
    about = {"model_name": answer.model, "finish_reason": answer.finish_reason, "id": answer.id}
    return AIMessage(
        content=answer.response_text() or "",
        tool_calls=[_tool_call(call) for call in answer.tool_calls or ()],
        response_metadata={name: value for name, value in about.items() if value is not None},
        usage_metadata=_usage(answer.usage),
    )


def _tool_call(call: dict[str, Any]) -> ToolCall:
    args = call.get("arguments")
    if not isinstance(args, dict):
        raise UnsupportedEdit("tool_calls", f"the arguments of {call.get('name')!r} are no object")
    return ToolCall(name=str(call.get("name")), args=args, id=call.get("id"), type="tool_call")


def _assistant(view: dict[str, Any]) -> AIMessage:
    made = new_message(view)
    assert isinstance(made, AIMessage)
    about = {"model_name": view.get("model"), "finish_reason": view.get("finish_reason")}
    made.response_metadata = {name: value for name, value in about.items() if value is not None}
    made.usage_metadata = _usage(view.get("usage"))
    return made


def _usage(counts: Any) -> UsageMetadata | None:
    if not isinstance(counts, dict) or not counts:
        return None
    into, out = int(counts.get("prompt_tokens") or 0), int(counts.get("completion_tokens") or 0)
    return UsageMetadata(
        input_tokens=into, output_tokens=out, total_tokens=int(counts.get("total_tokens") or into + out)
    )


def edited_answer(originals: Sequence[BaseMessage], before: dict[str, Any], after: dict[str, Any]) -> list[BaseMessage]:
    """The messages of a model's answer with what an intercept edited in its view."""
    original = answer_of(originals)
    if original is None:
        return messages(after)
    made = new_message(after)
    content = None if is_same_json(before.get("content"), after.get("content")) else made.content
    calls = None
    if not is_same_json(before.get("tool_calls"), after.get("tool_calls")):
        calls = getattr(made, "tool_calls", [])
    edited = with_edits(original, content=content, calls=calls)
    return [edited if message is original else message for message in originals]


def tool_result(value: Any, name: str, tool_call_id: str | None) -> Any:
    """A tool's result from whatever an intercept or a cache has.

    A text is the content; an object with ``content``, or a document named ``nemo.relay.tool_result@1``, is taken field
    by field; any other value is sent to the model as JSON and kept as the artifact. Messages and commands of the
    framework pass as they are.
    """
    if isinstance(value, ToolMessage) or type(value).__module__ == "langgraph.types":
        return value
    if isinstance(value, list) and value and all(_is_framework(item) for item in value):
        return value
    if isinstance(value, str):
        return ToolMessage(content=value, tool_call_id=tool_call_id or "", name=name)
    if tool_results.is_document(value):
        value = _fields(tool_results.view(value))
    if isinstance(value, dict) and "content" in value:
        status = {"status": value["status"]} if value.get("status") in ("success", "error") else {}
        return ToolMessage(
            content=_content(value["content"]),
            tool_call_id=tool_call_id or "",
            name=name,
            artifact=value.get("artifact"),
            **status,
        )
    return ToolMessage(content=_json(value), tool_call_id=tool_call_id or "", name=name, artifact=value)


def _fields(found: tool_results.ToolResultView) -> dict[str, Any]:
    values = found.values[0] if len(found.values) == 1 else list(found.values)
    artifact = None if is_same_json(values, found.content) else values
    return {"content": found.content, "status": "error" if found.is_error else "success", "artifact": artifact}


def edited_tool_result(original: Any, before: Any, after: Any) -> Any:
    """``original`` with what an intercept edited in its view.

    Raises:
        UnsupportedEdit: it is no tool message: return a ``Command`` of your own instead.
    """
    if not isinstance(original, ToolMessage) or not isinstance(after, dict):
        raise UnsupportedEdit("tool result", f"return a {type(original).__name__} of your own instead of its view")
    update = {
        name: _content(after[name]) if name == "content" else after[name]
        for name in ("content", "status", "artifact")
        if name in after and not is_same_json(before.get(name), after[name])
    }
    return original.model_copy(update=update)


def result_view(result: Any) -> Any:
    """The view of a tool's result, of each one where a tool gives several."""
    return [tool_view(item) for item in result] if isinstance(result, list) else tool_view(result)


def _is_framework(item: Any) -> bool:
    return isinstance(item, ToolMessage) or type(item).__module__ == "langgraph.types"


def _content(value: Any) -> Any:
    return value if isinstance(value, (str, list)) else _json(value)


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, default=str)
