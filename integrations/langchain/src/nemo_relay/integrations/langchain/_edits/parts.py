# SPDX-License-Identifier: Apache-2.0
"""Carrying out what an intercept edited in the view of a request: exactly that, and nothing else."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from langchain_core.messages import (
    AIMessage,
    BaseMessage,
    ChatMessage,
    FunctionMessage,
    HumanMessage,
    SystemMessage,
    ToolCall,
    ToolMessage,
)

from nemo_relay.integrations.langchain._alignment import align, is_same_json
from nemo_relay.integrations.langchain._edits.message import with_edits
from nemo_relay.integrations.langchain._errors import EmptyRequestError, UnsupportedEdit
from nemo_relay.integrations.langchain._options import AdapterOptions
from nemo_relay.integrations.langchain._views import normal_form
from nemo_relay.integrations.langchain._views.request_view import tool_view

View = dict[str, Any]
_NAMES = ("model_name", "model", "model_id", "deployment_name")
_CHOICES = ("tool_choice", "tool_config")  # the second one is Google's
_APART = ("model", "messages", "tools", "tool_choice", "response_format", "instructions")


def conversation(before: View, after: View, originals: list[BaseMessage]) -> list[BaseMessage]:
    """The messages that ``after`` shows: the original objects where they are untouched.

    Raises:
        EmptyRequestError: there is none.
        UnsupportedEdit: a message has no form in LangChain.
    """
    shown, wanted = before["messages"], after.get("messages") or []
    if not wanted:
        raise EmptyRequestError
    made: list[BaseMessage] = []
    for item, match in zip(wanted, align(shown, wanted, normal_form.same_role), strict=True):
        if match is None:
            made.append(new_message(item))
        elif match.same:
            made.append(originals[match.place])
        else:
            made.append(_edited(originals[match.place], shown[match.place], item))
    return made


def with_instructions(messages: list[BaseMessage], instructions: Any) -> list[BaseMessage]:
    """``messages`` with ``instructions`` in place of the system message they begin with."""
    if instructions is None:
        return messages
    rest = messages[1:] if messages and isinstance(messages[0], SystemMessage) else messages
    return [SystemMessage(content=_blocks(instructions, None, None)), *rest]


def new_message(item: Any) -> BaseMessage:
    """A message that an intercept added."""
    if not isinstance(item, dict):
        raise UnsupportedEdit("messages", f"{type(item).__name__!r} is no message")
    role, content = item.get("role"), item.get("content")
    if role == "provider_native":
        return new_message(item.get("value"))
    blocks = _blocks("" if content is None else content, None, None)
    named = {"name": item["name"]} if item.get("name") else {}
    if role == "system":
        return SystemMessage(content=blocks, **named)
    if role == "user":
        return HumanMessage(content=blocks, **named)
    if role == "assistant":
        return AIMessage(content=blocks, tool_calls=_tool_calls(item.get("tool_calls") or []), **named)
    if role == "tool":
        status = {"status": item["status"]} if item.get("status") in ("success", "error") else {}
        return ToolMessage(content=blocks, tool_call_id=str(item.get("tool_call_id") or ""), **named, **status)
    if role == "function":
        return FunctionMessage(content=blocks, name=str(item.get("name") or "function"))
    if isinstance(role, str) and role:
        return ChatMessage(role=role, content=blocks, **named)
    raise UnsupportedEdit("messages", f"a message with the role {role!r}")


def _edited(original: BaseMessage, view: View, item: View) -> BaseMessage:
    content, calls = None, None
    if not is_same_json(item.get("content"), view.get("content")):
        content = _blocks(item.get("content") or "", view.get("content"), original.content)
    if not is_same_json(item.get("tool_calls"), view.get("tool_calls")):
        calls = _tool_calls(item.get("tool_calls") or [])
    names = ("name", "tool_call_id", "status")
    others = {name: item[name] for name in names if item.get(name) is not None and item[name] != view.get(name)}
    return with_edits(original, content=content, calls=calls, **others)


def _blocks(content: Any, view: Any, original: Any) -> Any:
    """Content as LangChain takes it; blocks that are untouched are the original ones."""
    if not isinstance(content, list):
        return content
    known = list(_known_blocks(view, original))
    return [_block(item, known) for item in content]


def _known_blocks(view: Any, original: Any) -> Iterator[tuple[Any, Any]]:
    if isinstance(view, list) and isinstance(original, list) and len(view) == len(original):
        for shown, block in zip(view, original, strict=True):
            yield shown, block
            yield normal_form.part(shown), block


def _block(item: Any, known: list[tuple[Any, Any]]) -> Any:
    for shown, block in known:
        if is_same_json(shown, item):
            return block
    if isinstance(item, dict) and item.get("type") == "provider_native":
        return _checked(item.get("value"))
    return _checked(item)


def _checked(block: Any) -> Any:
    if _is_reference(block):
        raise UnsupportedEdit("messages", "a block of media was edited, of which the view holds only a digest")
    return block


def _is_reference(block: Any) -> bool:
    if isinstance(block, dict):
        return {"sha256", "bytes"} <= block.keys() or any(_is_reference(item) for item in block.values())
    return False


def _tool_calls(calls: list[Any]) -> list[ToolCall]:
    return [_tool_call(call) for call in calls]


def _tool_call(call: Any) -> ToolCall:
    function = call.get("function") or call
    arguments = function.get("arguments", function.get("args"))
    try:
        args = json.loads(arguments) if isinstance(arguments, str) else arguments
    except ValueError as error:
        raise UnsupportedEdit("tool_calls", f"the arguments of {function.get('name')!r} are no JSON") from error
    if not isinstance(args, dict):
        raise UnsupportedEdit("tool_calls", f"the arguments of {function.get('name')!r} are no object")
    return ToolCall(name=str(function.get("name")), args=args, id=call.get("id"), type="tool_call")


def tools(before: View, after: View, originals: list[Any], options: AdapterOptions) -> list[Any]:
    """The tools that ``after`` shows: the original objects, filtered, ordered, or copied with another description."""
    shown = {name_of(view): (view, tool) for view, tool in zip(before.get("tools") or [], originals, strict=True)}
    made = []
    for item in after.get("tools") or []:
        name = name_of(item)
        view, tool = shown.get(name, (None, None))
        if view is None:
            made.append(_added(name, item, options))
        elif is_same_json(view, item):
            made.append(tool)
        else:
            made.append(_described(tool, item))
    return made


def name_of(view: Any) -> str:
    """The name of a tool by its view."""
    inner = view.get("function") or view.get("value") or {}
    return str(inner.get("name") or inner.get("type") or "")


def _added(name: str, item: View, options: AdapterOptions) -> Any:
    if name in options.tool_registry:
        return options.tool_registry[name]
    if item.get("type") == "provider_native":
        return item.get("value")
    raise UnsupportedEdit(
        "tools", f"{name!r} is no tool of this agent; give it in AdapterOptions(tool_registry={{{name!r}: ...}})"
    )


def _described(tool: Any, item: View) -> Any:
    if isinstance(tool, dict):
        return item.get("value") if item.get("type") == "provider_native" else item
    function, known = item.get("function") or {}, tool_view(tool).get("function") or {}
    update: dict[str, Any] = {}
    if not is_same_json(function.get("description"), known.get("description")):
        update["description"] = str(function.get("description") or "")
    if not is_same_json(function.get("parameters"), known.get("parameters")):
        title = {"title": tool.name, "description": update.get("description", tool.description)}
        update["args_schema"] = {**title, **(function.get("parameters") or {"type": "object", "properties": {}})}
    return tool.model_copy(update=update)


def tool_choice(choice: Any) -> Any:
    """A tool choice as every integration of LangChain takes it."""
    if isinstance(choice, dict):
        if "function" in choice:
            return str(choice["function"].get("name"))
        return choice.get("value", choice)
    return "any" if choice == "required" else choice


def with_choice(model: Any, arguments: dict[str, Any], choice: Any) -> dict[str, Any]:
    """``arguments`` of a call with another tool choice, in the form that the model's own integration gives it.

    Raises:
        UnsupportedEdit: there is no tool to choose, or the integration has no form for the choice.
    """
    if choice is None:
        return {key: value for key, value in arguments.items() if key not in _CHOICES}
    if not arguments.get("tools"):
        raise UnsupportedEdit("tool_choice", "the call has no tools to choose from")
    try:
        bound = model.bind_tools(arguments["tools"], tool_choice=tool_choice(choice)).kwargs
    except Exception as error:
        raise UnsupportedEdit("tool_choice", f"{type(model).__name__!r} does not take {choice!r}: {error}") from error
    made = {key: value for key, value in bound.items() if key in _CHOICES}
    if not made:
        raise UnsupportedEdit("tool_choice", f"{type(model).__name__!r} has no tool choice")
    return {**{key: value for key, value in arguments.items() if key not in _CHOICES}, **made}


def model(name: Any, current: Any, options: AdapterOptions) -> Any:
    """The model of that name.

    Raises:
        UnsupportedEdit: the current model has no field for a name, and the options have no resolver.
    """
    if options.model_resolver is not None and isinstance(name, str):
        return options.model_resolver(name, current)
    fields = getattr(type(current), "model_fields", {})
    field = next((field for field in _NAMES if field in fields), None)
    if field is None or not isinstance(name, str):
        raise UnsupportedEdit(
            "model", f"{type(current).__name__!r} cannot be asked for {name!r}; set AdapterOptions.model_resolver"
        )
    return current.model_copy(update={field: name})


def settings(before: View, after: View, given: dict[str, Any]) -> dict[str, Any]:
    """The keyword arguments of the call with the parameters that were edited.

    Raises:
        UnsupportedEdit: a parameter was removed that the model itself was made with.
    """
    made = dict(given)
    for key in before.keys() | after.keys():
        if key in _APART or is_same_json(before.get(key), after.get(key)):
            continue
        if key in after and after[key] is not None:
            made[key] = after[key]
        elif key in made:
            del made[key]
        else:
            raise UnsupportedEdit(key, "the model itself was made with it; give another value, or set `model`")
    return made
