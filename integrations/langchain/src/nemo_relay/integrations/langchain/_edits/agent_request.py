# SPDX-License-Identifier: Apache-2.0
"""From the edited view of an agent's model request to the request that is sent."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from langchain_core.messages import BaseMessage, SystemMessage

from nemo_relay import scope
from nemo_relay.integrations.langchain._alignment import is_same_json
from nemo_relay.integrations.langchain._edits import headers as header_rules
from nemo_relay.integrations.langchain._edits import parts
from nemo_relay.integrations.langchain._errors import UnsupportedEdit
from nemo_relay.integrations.langchain._options import AdapterOptions

View = dict[str, Any]


def all_messages(request: Any) -> list[BaseMessage]:
    """The conversation as the model gets it, the system message first."""
    return [*([request.system_message] if request.system_message else []), *request.messages]


def applied(request: Any, before: View, after: View, headers: Mapping[str, Any], options: AdapterOptions) -> Any:
    """``request`` with the edits that ``after`` shows; the very same object where there are none.

    Raises:
        EditError: an edit has no form here.
    """
    changes: dict[str, Any] = {}
    if after is not before and not is_same_json(before, after):
        for part, change in _changes(request, before, after, options):
            attempt(part, change, changes, options)
    wanted = header_rules.outgoing(headers, request.model, options)
    if wanted:
        model = changes.get("model", request.model)
        given = changes.get("model_settings", request.model_settings)
        carried, settings = header_rules.delivered(wanted, model, given)
        changes.update({"model": carried} if carried is not request.model else {})
        changes.update({"model_settings": settings} if settings is not request.model_settings else {})
    return request.override(**changes) if changes else request


def _changes(
    request: Any, before: View, after: View, options: AdapterOptions
) -> list[tuple[str, Callable[[], dict[str, Any]]]]:
    def edited(part: str) -> bool:
        return not is_same_json(before.get(part), after.get(part))

    found: list[tuple[str, Callable[[], dict[str, Any]]]] = []
    if edited("messages") or "instructions" in after:
        found.append(("messages", lambda: _conversation(request, before, after)))
    if edited("model"):
        found.append(("model", lambda: {"model": parts.model(after.get("model"), request.model, options)}))
    if edited("tools"):
        found.append(("tools", lambda: {"tools": parts.tools(before, after, request.tools, options)}))
    if edited("tool_choice"):
        found.append(("tool_choice", lambda: {"tool_choice": parts.tool_choice(after.get("tool_choice"))}))
    if edited("response_format"):
        found.append(("response_format", _no_format))
    found.append(("params", lambda: _settings(request, before, after)))
    return found


def attempt(part: str, change: Callable[[], dict[str, Any]], changes: dict[str, Any], options: AdapterOptions) -> None:
    """Enter what ``change`` makes into ``changes``; what cannot be done raises, or leaves a mark."""
    try:
        changes.update(change())
    except UnsupportedEdit as error:
        if options.on_unsupported_edit == "raise":
            raise
        scope.event("edit.unsupported", data={"edit": error.what or part, "reason": str(error)})


def _no_format() -> dict[str, Any]:
    raise UnsupportedEdit("response_format", "the agent reads the answer by the strategy it was made with")


def _settings(request: Any, before: View, after: View) -> dict[str, Any]:
    made = parts.settings(before, after, request.model_settings)
    return {} if made == request.model_settings else {"model_settings": made}


def _conversation(request: Any, before: View, after: View) -> dict[str, Any]:
    made = parts.conversation(before, after, all_messages(request))
    made = parts.with_instructions(made, after.get("instructions"))
    system = made[0] if made and isinstance(made[0], SystemMessage) else None
    if system is not None and (request.system_message is not None or system not in request.messages):
        return {"system_message": system, "messages": made[1:]}
    return {"system_message": None, "messages": made}
