# SPDX-License-Identifier: Apache-2.0
"""One message with what an intercept edited in its view: in every place of the message that carries it.

Integrations build requests from different places: the tool calls of an answer stand in ``tool_calls``, in
``additional_kwargs`` as the provider sent them, in blocks of the content, and in the pieces of a chunk. An edit that
left one of them as it was would be undone by the integration that reads that one.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from langchain_core.messages import AIMessage, AIMessageChunk, BaseMessage, ToolCall
from langchain_core.messages.tool import tool_call_chunk

from nemo_relay.integrations.langchain._alignment import is_same_json
from nemo_relay.integrations.langchain._errors import UnsupportedEdit
from nemo_relay.integrations.langchain._views.capture import CALL_ARGUMENTS, CALL_BLOCKS

PROVIDER_CALLS = ("tool_calls", "function_call")  # in additional_kwargs, as providers send them
_PARSED = "parsed"  # of an answer with a schema, what langchain-openai's parser returns


def with_edits(
    original: BaseMessage, *, content: Any = None, calls: Sequence[ToolCall] | None = None, **others: Any
) -> BaseMessage:
    """A copy of ``original`` with the parts that were edited.

    Args:
        original: the message.
        content: its new content; None for the old one.
        calls: all of its tool calls from now on; None where they were not edited.
        others: other fields.

    Raises:
        UnsupportedEdit: the content was edited, and what was parsed from it cannot be parsed from the new one.
    """
    update = dict(others)
    kwargs = original.additional_kwargs
    if content is not None:
        update["content"] = content
        if kwargs.get(_PARSED) is not None:
            kwargs = {**kwargs, _PARSED: _parsed_again(kwargs[_PARSED], content)}
    if calls is None and content is not None and isinstance(original, AIMessage):
        calls = _calls_of_blocks(original, content)
    if calls is not None and isinstance(original, AIMessage):
        update["tool_calls"] = list(calls)
        update["content"] = _blocks(update.get("content", original.content), calls)
        kwargs = _provider_form(kwargs, calls)
        if isinstance(original, AIMessageChunk):
            update["tool_call_chunks"] = [_piece(index, call) for index, call in enumerate(calls)]
    if kwargs is not original.additional_kwargs:
        update["additional_kwargs"] = kwargs
    return original.model_copy(update=update)


def _provider_form(kwargs: dict[str, Any], calls: Sequence[ToolCall]) -> dict[str, Any]:
    """``additional_kwargs`` with the calls as the provider sent them, and what it sent with each."""
    made = dict(kwargs)
    if isinstance(made.get("tool_calls"), list):
        known = {raw.get("id"): raw for raw in made.pop("tool_calls") if isinstance(raw, dict)}
        stated = [_stated(known.get(call["id"]), call) for call in calls]
        made.update({"tool_calls": stated} if stated else {})
    if isinstance(made.get("function_call"), dict):
        before = made.pop("function_call")
        call = next((call for call in calls if call["name"] == before.get("name")), calls[0] if calls else None)
        if call is not None:
            made["function_call"] = {**before, "name": call["name"], "arguments": json.dumps(call["args"])}
    return made


def _stated(raw: Any, call: ToolCall) -> dict[str, Any]:
    before = raw or {"id": call["id"], "type": "function"}
    function = {**(before.get("function") or {}), "name": call["name"], "arguments": json.dumps(call["args"])}
    return {**before, "function": function}


def _blocks(content: Any, calls: Sequence[ToolCall]) -> Any:
    """The blocks of ``content``, those of tool calls as ``calls`` say."""
    if not isinstance(content, list):
        return content
    known = {call["id"]: call for call in calls}
    made: list[Any] = []
    for block in content:
        if not _is_call(block):
            made.append(block)
        elif _id_of(block) in known:
            made.append(_block(block, known[_id_of(block)]))
    return made


def _block(block: dict[str, Any], call: ToolCall) -> dict[str, Any]:
    made = {**block, "name": call["name"]}
    for key in CALL_ARGUMENTS:
        if key in block:
            made[key] = json.dumps(call["args"]) if isinstance(block[key], str) else call["args"]
    return made


def _calls_of_blocks(original: AIMessage, content: Any) -> list[ToolCall] | None:
    """The tool calls as the blocks of an edited content have them; None where they say what they said."""
    if not isinstance(content, list) or not isinstance(original.content, list) or not original.tool_calls:
        return None
    before, after = _by_id(original.content), _by_id(content)
    if is_same_json(list(before.values()), list(after.values())):
        return None
    gone = before.keys() - after.keys()
    return [_as_in(call, after.get(call["id"])) for call in original.tool_calls if call["id"] not in gone]


def _as_in(call: ToolCall, block: Any) -> ToolCall:
    if block is None:
        return call
    given = next((block[key] for key in CALL_ARGUMENTS if key in block), call["args"])
    try:
        args = json.loads(given) if isinstance(given, str) else given
    except ValueError as error:
        raise UnsupportedEdit("tool_calls", f"the arguments of {call['name']!r} are no JSON") from error
    return ToolCall(name=str(block.get("name", call["name"])), args=args, id=call["id"], type="tool_call")


def _by_id(content: list[Any]) -> dict[Any, Any]:
    return {_id_of(block): block for block in content if _is_call(block)}


def _is_call(block: Any) -> bool:
    return isinstance(block, dict) and block.get("type") in CALL_BLOCKS and not str(block["type"]).startswith("server")


def _id_of(block: dict[str, Any]) -> Any:
    return block.get("call_id") or block.get("id")  # the Responses API numbers its items, too


def _piece(index: int, call: ToolCall) -> Any:
    return tool_call_chunk(name=call["name"], args=json.dumps(call["args"]), id=call["id"], index=index)


def _parsed_again(parsed: Any, content: Any) -> Any:
    text = content if isinstance(content, str) else "".join(b.get("text", "") for b in content if isinstance(b, dict))
    try:
        found = json.loads(text)
        return type(parsed).model_validate(found) if hasattr(type(parsed), "model_validate") else found
    except ValueError as error:
        raise UnsupportedEdit("response", "its content no longer fits the schema that was asked for") from error
