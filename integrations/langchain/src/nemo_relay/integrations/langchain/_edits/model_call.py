# SPDX-License-Identifier: Apache-2.0
"""From the edited view of a model call to the call that is made: model, messages and arguments."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from langchain_core.messages import BaseMessage

from nemo_relay.integrations.langchain._alignment import is_same_json
from nemo_relay.integrations.langchain._edits import parts
from nemo_relay.integrations.langchain._edits.agent_request import attempt
from nemo_relay.integrations.langchain._options import AdapterOptions

View = dict[str, Any]


class Call(NamedTuple):
    """What a chat model is called with."""

    model: Any
    messages: list[BaseMessage]
    arguments: dict[str, Any]


def changed(call: Call, before: View, after: View, options: AdapterOptions) -> Call:
    """``call`` with the edits that ``after`` shows.

    Raises:
        EditError: an edit has no form here.
    """
    made: dict[str, Any] = {"arguments": call.arguments}
    for part, change in _changes(call, made, before, after, options):
        attempt(part, change, made, options)
    return call._replace(**made)


def _changes(
    call: Call, made: dict[str, Any], before: View, after: View, options: AdapterOptions
) -> list[tuple[str, Callable[[], dict[str, Any]]]]:
    def edited(part: str) -> bool:
        return not is_same_json(before.get(part), after.get(part))

    def arguments(**new: Any) -> dict[str, Any]:
        return {"arguments": {**made["arguments"], **new}}

    def tools() -> dict[str, Any]:
        return arguments(tools=parts.tools(before, after, list(call.arguments.get("tools") or ()), options))

    def choice() -> dict[str, Any]:
        return {"arguments": parts.with_choice(call.model, made["arguments"], after.get("tool_choice"))}

    found: list[tuple[str, Callable[[], dict[str, Any]]]] = [
        ("params", lambda: {"arguments": parts.settings(before, after, call.arguments)})
    ]
    if edited("messages") or "instructions" in after:
        found.append(("messages", lambda: {"messages": _conversation(call, before, after)}))
    if edited("model"):
        found.append(("model", lambda: {"model": parts.model(after.get("model"), call.model, options)}))
    if edited("tools"):
        found.append(("tools", tools))
    if edited("tool_choice"):
        found.append(("tool_choice", choice))
    return found


def _conversation(call: Call, before: View, after: View) -> list[BaseMessage]:
    made = parts.conversation(before, after, call.messages)
    return parts.with_instructions(made, after.get("instructions"))
