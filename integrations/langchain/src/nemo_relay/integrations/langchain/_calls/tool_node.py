# SPDX-License-Identifier: Apache-2.0
"""A tool call of LangGraph's tool node as a managed call."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from nemo_relay.integrations.langchain._calls.tool_call import ManagedToolCall
from nemo_relay.integrations.langchain._options import AdapterOptions
from nemo_relay.integrations.langchain._runs import claims


def tool_call(request: Any, execute: Callable[[Any], Any], options: AdapterOptions) -> Any:
    """Run one tool call of LangGraph's tool node as a managed call.

    Args:
        request: the ``ToolCallRequest``.
        execute: runs it.
        options: what becomes of refusals.

    Returns:
        What ``execute`` returned, the very same object unless an intercept changed it.
    """
    call = request.tool_call
    if claims.enclosing("tool", call["name"], call.get("id")) is not None:
        return execute(request)
    managed = ManagedToolCall(call["name"], call["args"], call.get("id"), options, known=request.tool is not None)
    return managed.run(lambda name, args: execute(changed(request, name, args)))


async def atool_call(request: Any, execute: Callable[[Any], Awaitable[Any]], options: AdapterOptions) -> Any:
    """The same for an asynchronous tool node.

    Args:
        request: the ``ToolCallRequest``.
        execute: runs it.
        options: what becomes of refusals.

    Returns:
        What ``execute`` returned, the very same object unless an intercept changed it.
    """
    call = request.tool_call
    if claims.enclosing("tool", call["name"], call.get("id")) is not None:
        return await execute(request)
    managed = ManagedToolCall(call["name"], call["args"], call.get("id"), options, known=request.tool is not None)
    return await managed.arun(lambda name, args: execute(changed(request, name, args)))


def changed(request: Any, name: str, args: Any) -> Any:
    """``request`` for a call of ``name`` with ``args``; the very same object where they are its own."""
    call = request.tool_call
    if name == call["name"] and args is call["args"]:
        return request
    made = request.override(tool_call={**call, "name": name, "args": args})
    if name != call["name"]:
        others = getattr(request.runtime, "tools", None) or ()
        made = made.override(tool=next((tool for tool in others if getattr(tool, "name", None) == name), None))
    return made
