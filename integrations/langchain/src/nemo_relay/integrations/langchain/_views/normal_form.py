# SPDX-License-Identifier: Apache-2.0
"""From the view of a message, a tool or a tool choice to the core's normalised form, and back to the view."""

from __future__ import annotations

from typing import Any

from nemo_relay.integrations.langchain._alignment import align, is_same_json

PROVIDER = "langchain"
_SPOKEN = ("system", "developer", "user")


def message(view: dict[str, Any]) -> dict[str, Any]:
    """A message of the view as the normalised request has it."""
    role, content = str(view.get("role")), parts(view.get("content"))
    named = {"name": str(view["name"])} if view.get("name") else {}
    if role in _SPOKEN:
        return {"role": role, "content": content, **named}
    if role == "assistant":
        calls = [_call(call) for call in view.get("tool_calls") or ()]
        return {"role": role, "content": content, **({"tool_calls": calls} if calls else {}), **named}
    if role == "tool":
        return {"role": role, "content": content, "tool_call_id": str(view.get("tool_call_id") or "")}
    if role == "function":
        return {"role": role, "name": str(view.get("name") or "function"), "content": _text(content)}
    return {"role": "provider_native", "provider": PROVIDER, "kind": role, "value": view}


def parts(content: Any) -> Any:
    """Content as the normalised request has it: a string, or parts of the kinds it knows."""
    if isinstance(content, list):
        return [part(item) for item in content]
    return content if isinstance(content, str) else "" if content is None else str(content)


def part(item: Any) -> dict[str, Any]:
    """One content block."""
    if isinstance(item, str):
        return {"type": "text", "text": item}
    if isinstance(item, dict):
        kind = item.get("type")
        if kind == "text" and isinstance(item.get("text"), str):
            return {"type": "text", "text": item["text"]}
        url = item.get("image_url")
        if kind == "image_url" and isinstance(url, dict) and isinstance(url.get("url"), str):
            return {"type": "image_url", "image_url": {"url": url["url"]}}
        if kind == "provider_native":
            return item
    kind = str(item.get("type")) if isinstance(item, dict) else type(item).__name__
    return {"type": "provider_native", "provider": PROVIDER, "kind": kind, "value": item}


def _call(call: Any) -> dict[str, Any]:
    function = call.get("function") or {}
    named = {"name": str(function.get("name") or ""), "arguments": str(function.get("arguments") or "")}
    return {"id": str(call.get("id") or ""), "type": "function", "function": named}


def _text(content: Any) -> str:
    if isinstance(content, str):
        return content
    return "".join(item.get("text", "") for item in content if isinstance(item, dict))


def tool_choice(choice: Any) -> Any:
    """LangChain's tool choice as the normalised request has it."""
    if choice is None or choice in ("auto", "none", "required"):
        return choice
    if choice in ("any", True):
        return "required"
    if isinstance(choice, str):
        return {"type": "function", "function": {"name": choice}}
    if isinstance(choice, dict) and choice.get("type") == "function" and "name" in (choice.get("function") or {}):
        return {"type": "function", "function": {"name": str(choice["function"]["name"])}}
    return {"provider": PROVIDER, "kind": "tool_choice", "value": choice}


def edited_messages(before: list[Any], after: list[Any]) -> list[Any]:
    """``after`` (normalised) with every untouched message as the view has it."""
    made = []
    for item, match in zip(after, align([message(view) for view in before], after, same_role), strict=True):
        if match is None:
            made.append(item)
        elif match.same:
            made.append(before[match.place])
        else:
            changed = {
                key: value for key, value in item.items() if not is_same_json(value, before[match.place].get(key))
            }
            made.append({**before[match.place], **changed})
    return made


def same_role(left: Any, right: Any) -> bool:
    """Whether one message may have been edited into the other."""
    return isinstance(left, dict) and isinstance(right, dict) and left.get("role") == right.get("role")
