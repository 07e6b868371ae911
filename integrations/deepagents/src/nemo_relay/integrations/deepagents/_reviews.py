# SPDX-License-Identifier: Apache-2.0
"""A human reviews tool calls: what was asked, by which calls, and what was decided.

The framework names neither the tool call in its question, nor the question in its answer. Both are joined here
by the interrupt id, which the framework derives from the node that paused: it is the same in the process that
asks and in the one that goes on.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from langchain_core.messages import AIMessage, ToolMessage
from langgraph.types import Interrupt

from ._requests import EDITED

DECISIONS = ("approve", "edit", "reject", "respond")
SKIPPED = ("reject", "respond")  # the tool does not run: it is refused, or a human answers in its place

Call = Mapping[str, Any]


class Review(NamedTuple):
    """A node that may ask about these tool calls."""

    thread_id: Any
    interrupt_id: str
    calls: Sequence[Call]


def candidates(inputs: Any) -> Sequence[Call]:
    """The tool calls that a node which starts with ``inputs`` can ask about."""
    if isinstance(inputs, (list, tuple)):  # a tool node is handed the calls themselves
        return tuple(call for call in inputs if isinstance(call, Mapping) and call.get("type") == "tool_call")
    if not isinstance(inputs, Mapping):
        return ()
    single = inputs.get("tool_call")
    if isinstance(single, Mapping):
        return (single,)
    messages = inputs.get("messages")
    for message in reversed(messages if isinstance(messages, (list, tuple)) else ()):
        if isinstance(message, AIMessage):
            return tuple(message.tool_calls)
    return ()


def review(inputs: Any, metadata: Mapping[str, Any]) -> Review | None:
    """What is worth remembering of a node that starts; None when it holds no tool call or no checkpoint."""
    thread, namespace = metadata.get("thread_id"), metadata.get("langgraph_checkpoint_ns")
    calls = candidates(inputs) if thread is not None and namespace else ()
    return Review(thread, Interrupt.from_ns(None, str(namespace)).id, calls) if calls else None


def is_request(value: Any) -> bool:
    """Whether an interrupt asks a human about tool calls: all of one turn, or one call as it starts."""
    if not isinstance(value, Mapping):
        return False
    if value.get("type") == "tool_approval":
        return "tool_call_id" in value
    return all(_is_list_of_mappings(value.get(key)) for key in ("action_requests", "review_configs"))


def _is_list_of_mappings(value: Any) -> bool:
    return isinstance(value, (list, tuple)) and bool(value) and all(isinstance(item, Mapping) for item in value)


def requested(value: Mapping[str, Any], calls: Sequence[Call]) -> list[dict[str, Any]]:
    """``tool_name`` and, where it is certain, ``tool_call_id`` of each call that the interrupt asks about."""
    if value.get("type") == "tool_approval":
        return [_named(value.get("name"), value.get("tool_call_id"))]
    found, left = [], list(calls)
    for action in value["action_requests"]:
        match = next((at for at, call in enumerate(left) if _is_same(call, action)), None)
        found.append(_named(action.get("name"), left[match].get("id") if match is not None else None))
        if match is not None:
            del left[: match + 1]  # the questions keep the order of the calls
    return found


def _is_same(call: Call, action: Mapping[str, Any]) -> bool:
    return call.get("name") == action.get("name") and call.get("args") == action.get("args")


def _named(name: Any, call_id: Any) -> dict[str, Any]:
    return {"tool_name": name, **({"tool_call_id": call_id} if call_id else {})}


def with_calls(value: Mapping[str, Any], actions: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """The interrupt's value with the id of its tool call in each action."""
    if "action_requests" not in value:
        return dict(value)
    pairs = zip(value["action_requests"], actions, strict=True)
    named = [{**asked, **({"tool_call_id": at["tool_call_id"]} if "tool_call_id" in at else {})} for asked, at in pairs]
    return {**value, "action_requests": named}


def decisions_in(answer: Any) -> list[Mapping[str, Any]]:
    """The decisions of an answer, in the order of the questions; empty when it is no answer to a review."""
    if not isinstance(answer, Mapping):
        return []
    given = answer.get("decisions", [answer])
    items = list(given) if isinstance(given, (list, tuple)) else []
    fit = all(isinstance(item, Mapping) and item.get("type") in DECISIONS for item in items)
    return items if fit else []


def decided(
    interrupt_id: str | None, decisions: Sequence[Mapping[str, Any]], actions: Sequence[Mapping[str, Any]]
) -> list[dict[str, Any]]:
    """The decisions as the mark shows them; a call that is not known is not named."""
    known = list(actions) if len(actions) == len(decisions) else [{} for _ in decisions]
    shown = []
    for decision, action in zip(decisions, known, strict=True):
        extra = {key: decision[key] for key in ("edited_action", "message") if key in decision}
        place = {"interrupt_id": interrupt_id} if interrupt_id is not None else {}
        shown.append({"type": decision["type"], **action, **place, **extra})
    return shown


def settled(decisions: Sequence[Mapping[str, Any]], calls: Sequence[Call], outputs: Any) -> list[dict[str, Any]]:
    """Which calls the decisions were about, told by the node that asked and has now gone on.

    Where more calls were there than decisions, some were not asked about. Those that the node answered or
    changed are certain; an approved one cannot be told from one that needed no approval, and stays unnamed.
    """
    if len(calls) == len(decisions):
        return [_named(call.get("name"), call.get("id")) for call in calls]
    names = {call.get("id"): call.get("name") for call in calls}
    skipped = [call_id for call_id in _answered(outputs) if call_id in names]
    edited = _edited(calls, outputs)
    sources = {
        **dict.fromkeys(SKIPPED, skipped if len(skipped) == _count(decisions, *SKIPPED) else []),
        "edit": edited if len(edited) == _count(decisions, "edit") else [],
    }
    found = []
    for decision in decisions:
        source = sources.get(str(decision["type"]), [])
        call_id = source.pop(0) if source else None
        found.append(_named(names[call_id], call_id) if call_id is not None else {})
    return found


def _count(decisions: Sequence[Mapping[str, Any]], *kinds: str) -> int:
    return sum(decision["type"] in kinds for decision in decisions)


def _messages(outputs: Any) -> Sequence[Any]:
    messages = outputs.get("messages") if isinstance(outputs, Mapping) else None
    return messages if isinstance(messages, (list, tuple)) else ()


def _answered(outputs: Any) -> list[str]:
    return [message.tool_call_id for message in _messages(outputs) if isinstance(message, ToolMessage)]


def _edited(calls: Sequence[Call], outputs: Any) -> list[Any]:
    """The ids of the calls that a human changed: LangChain lists them, older releases write them into the message."""
    listed = outputs.get(EDITED) if isinstance(outputs, Mapping) else None
    if isinstance(listed, Mapping):
        return [call.get("id") for call in calls if call.get("id") in listed]
    revised = [call for message in _messages(outputs) if isinstance(message, AIMessage) for call in message.tool_calls]
    now = {call.get("id"): call for call in revised}
    return [call.get("id") for call in calls if call.get("id") in now and not _is_same(call, now[call.get("id")])]
