# SPDX-License-Identifier: Apache-2.0
"""Messages out of requests and responses, whatever provider's shape they have. Takes any JSON and never raises."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from nemo_relay_projections.facts import mapping

_TEXT_KINDS = ("text", "input_text", "output_text", "summary_text")
_THOUGHTS = ("thinking", "reasoning", "reasoning_text")
_CALLS = ("tool_use", "function_call", "tool_call", "server_tool_use", "custom_tool_call")
_RESULTS = ("tool_result", "function_call_output", "custom_tool_call_output")
_PICTURES = ("image", "image_url", "input_image", "media")


class Part(NamedTuple):
    """A piece of a message: ``text``, ``reasoning``, ``call``, ``result``, ``image`` or ``other``."""

    kind: str
    text: str
    name: str = ""
    id: str = ""
    failed: bool = False


class Message(NamedTuple):
    """One message: ``system``, ``user``, ``assistant`` or ``tool`` (or the provider's own word), and its parts."""

    role: str
    parts: tuple[Part, ...]

    @property
    def text(self) -> str:
        """All of it as plain text."""
        return "\n".join(part.text for part in self.parts)


def asked(event: Mapping[str, Any]) -> list[Message]:
    """The messages of an LLM start event: those that the model saw, as far as the event has them."""
    annotated = mapping(mapping(event.get("category_profile")).get("annotated_request"))
    data = event.get("data")
    content = mapping(data).get("content", data)
    for source in (annotated, content):
        if found := list(_messages(source)):
            return found
    return []


def offered(event: Mapping[str, Any]) -> list[tuple[str, str]]:
    """The tools that a request offers, as names and texts of their definitions."""
    annotated = mapping(mapping(event.get("category_profile")).get("annotated_request"))
    content = mapping(mapping(event.get("data")).get("content"))
    tools = annotated.get("tools") or content.get("tools")
    found: list[tuple[str, str]] = []
    for tool in tools if isinstance(tools, list) else ():
        for one in _declared(mapping(tool)):
            name = mapping(one.get("function")).get("name") or one.get("name") or one.get("type") or "?"
            found.append((str(name), pretty(tool)))
    return found


def _declared(tool: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    several = tool.get("functionDeclarations") or tool.get("function_declarations")
    return [mapping(one) for one in several] if isinstance(several, list) else [tool]


def said(event: Mapping[str, Any]) -> list[Message]:
    """The answer in an LLM end event: as the provider sent it, else as it was normalised."""
    data = event.get("data")
    found = _answers(data)
    if not found:
        annotated = mapping(mapping(event.get("category_profile")).get("annotated_response"))
        found = _normalised(annotated)
    return [message for message in found if message.parts]


def _answers(data: Any) -> list[Message]:
    if isinstance(data, str):
        return [Message("assistant", (Part("text", data),))] if data else []
    answer = mapping(data)
    choices = answer.get("choices") or answer.get("candidates")
    if isinstance(choices, list):
        inner = [mapping(choice).get("message") or mapping(choice).get("content") or choice for choice in choices]
        return [_message(mapping(one), "assistant") for one in inner]
    if isinstance(output := answer.get("output"), list):
        return list(_items(output))
    if isinstance(message := answer.get("message") or mapping(answer.get("output")).get("message"), Mapping):
        return [_message(message, "assistant")]
    if "content" in answer or "tool_calls" in answer:
        return [_message(answer, "assistant")]
    return []


def _normalised(annotated: Mapping[str, Any]) -> list[Message]:
    parts = tuple(_parts(annotated.get("message")))
    return [Message("assistant", parts + tuple(_called(annotated.get("tool_calls"))))]


def _messages(source: Any) -> Iterator[Message]:
    if isinstance(source, list):
        yield from _items(source)
        return
    request = mapping(source)
    system = request.get("system") or request.get("systemInstruction") or request.get("instructions")
    if system and (parts := tuple(_parts(mapping(system).get("parts") or system))):
        yield Message("system", parts)
    for name in ("messages", "input", "contents", "prompt"):
        value = request.get(name)
        if isinstance(value, str) and value:
            yield Message("user", (Part("text", value),))
        elif isinstance(value, list):
            yield from _items(value)
        if value:
            return


def _items(items: list[Any]) -> Iterator[Message]:
    for item in items:
        if isinstance(item, list) and len(item) == 2 and isinstance(item[0], str):
            yield Message(item[0], tuple(_parts(item[1])))
        elif isinstance(item, list):
            yield from _items(item)
        elif isinstance(item, str):
            yield Message("user", (Part("text", item),))
        elif isinstance(item, Mapping):
            yield _message(item, "user")


def _message(item: Mapping[str, Any], role: str) -> Message:
    kind = item.get("type")
    if isinstance(kind, str) and "role" not in item and kind != "message":
        role = "tool" if kind in _RESULTS else "assistant" if kind in (*_CALLS, *_THOUGHTS) else role
        return Message(role, tuple(_part(item)))
    said_role = item.get("role")
    role = said_role if isinstance(said_role, str) and said_role else role
    role = {"model": "assistant", "developer": "system", "ai": "assistant", "human": "user"}.get(role, role)
    parts = [*_thoughts(item), *_parts(item.get("content") if "content" in item else item.get("parts"))]
    if role in ("tool", "function"):
        failed = item.get("status") == "error" or item.get("is_error") is True
        text = "\n".join(part.text for part in parts)
        parts = [Part("result", text, str(item.get("name") or ""), str(item.get("tool_call_id") or ""), failed)]
        return Message("tool", tuple(parts))
    parts += _called(item.get("tool_calls"))
    if isinstance(refusal := item.get("refusal"), str) and refusal:
        parts.append(Part("other", refusal, "refusal"))
    if parts and all(part.kind == "result" for part in parts):
        role = "tool"
    return Message(role, tuple(parts))


def _thoughts(item: Mapping[str, Any]) -> Iterator[Part]:
    for name in ("reasoning_content", "reasoning"):
        if isinstance(text := item.get(name), str) and text:
            yield Part("reasoning", text)


def _called(calls: Any) -> list[Part]:
    found = []
    for call in calls if isinstance(calls, list) else ():
        inner = mapping(mapping(call).get("function")) or mapping(call)
        arguments = inner.get("arguments", inner.get("args"))
        found.append(Part("call", readable(arguments), str(inner.get("name", "?")), str(mapping(call).get("id") or "")))
    return found


def _parts(content: Any) -> Iterator[Part]:
    if isinstance(content, str):
        if content:
            yield Part("text", content)
    elif isinstance(content, list):
        for item in content:
            yield from _part(item)
    elif isinstance(content, Mapping):
        yield from _part(content)
    elif content is not None:
        yield Part("other", pretty(content))


def _part(item: Any) -> Iterator[Part]:
    if isinstance(item, str):
        yield Part("text", item)
        return
    part = mapping(item)
    kind = str(part.get("type", ""))
    if kind in _THOUGHTS or "reasoningContent" in part:
        yield Part("reasoning", _thought(part))
    elif kind in _CALLS or "functionCall" in part or "toolUse" in part:
        call = mapping(part.get("functionCall") or part.get("toolUse")) or part
        arguments = next((call[key] for key in ("input", "arguments", "args") if key in call), None)
        name = str(call.get("name", "?"))
        yield Part("call", readable(arguments), name, str(_id(call)))
    elif kind in _RESULTS or "functionResponse" in part or "toolResult" in part:
        yield _result(part)
    elif kind in _PICTURES or "inlineData" in part:
        yield Part("image", _picture(part))
    elif isinstance(text := part.get("text"), str):
        yield Part("text", text)
    elif kind == "redacted_thinking":
        yield Part("reasoning", "(encrypted)")
    elif part or item is not None:
        yield Part("other", pretty(item), kind)


def _id(call: Mapping[str, Any]) -> str:
    names = ("call_id", "id", "toolUseId", "tool_use_id")
    return next((str(call[name]) for name in names if isinstance(call.get(name), str)), "")


def _thought(part: Mapping[str, Any]) -> str:
    texts = [part.get(name) for name in ("thinking", "reasoning", "text")]
    listed = part.get("summary") or part.get("content")
    texts += [mapping(one).get("text") for one in listed] if isinstance(listed, list) else []
    joined = "\n".join(text for text in texts if isinstance(text, str) and text)
    return joined or "(hidden by the provider)"


def _result(part: Mapping[str, Any]) -> Part:
    inner = mapping(part.get("functionResponse") or part.get("toolResult")) or part
    value = next((inner[key] for key in ("content", "output", "response") if key in inner), None)
    text = "\n".join(one.text for one in _parts(value)) if isinstance(value, list) else readable(value)
    failed = part.get("is_error") is True or inner.get("status") == "error"
    return Part("result", text, str(inner.get("name") or ""), _id(part) or _id(inner), failed)


def _picture(part: Mapping[str, Any]) -> str:
    source = mapping(part.get("source") or part.get("inlineData") or part.get("image_url"))
    kind = source.get("media_type") or source.get("mimeType") or part.get("media_type") or ""
    held = source.get("data") or source.get("url") or part.get("image_url") or part.get("url") or ""
    if isinstance(held, str) and not held.startswith("data:") and not source.get("data"):
        return f"[image at {held}]"
    return f"[image {kind} {len(str(held)) * 3 // 4:,} bytes]".replace("  ", " ")


def readable(value: Any) -> str:
    """A value as text; JSON inside a string is unfolded."""
    if isinstance(value, str):
        try:
            inner = json.loads(value)
        except (ValueError, RecursionError):
            return value
        return pretty(inner) if isinstance(inner, dict | list) else value
    return "" if value is None else pretty(value)


def pretty(value: Any) -> str:
    """A value as indented JSON."""
    try:
        return json.dumps(value, ensure_ascii=False, indent=2, default=repr)
    except (ValueError, RecursionError):
        return "(nested too deep to show)"
