# SPDX-License-Identifier: Apache-2.0
"""Tool nodes whose tool calls are managed calls."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from inspect import signature
from typing import Any, get_args, get_type_hints

from langchain_core.messages import ToolMessage

from langgraph.prebuilt import ToolNode
from langgraph.prebuilt.tool_node import TOOL_CALL_ERROR_TEMPLATE, ToolCallRequest
from langgraph.types import Command
from nemo_relay.integrations.langchain import AdapterOptions
from nemo_relay.integrations.langchain.adapter import TOOL_PASSAGES, atool_call, open_gate, tool_call

_DEFAULTS = AdapterOptions()
_OURS = ("wrap_tool_call", "awrap_tool_call")


def wrap_tool_call(
    request: ToolCallRequest, execute: Callable[[ToolCallRequest], ToolMessage | Command[Any]]
) -> ToolMessage | Command[Any]:
    """Run one tool call as a managed call; pass it to ``ToolNode(wrap_tool_call=...)``.

    Args:
        request: LangGraph's request.
        execute: runs it.

    Returns:
        What ``execute`` returned, the very same object unless an intercept changed it; for a call that a guardrail
        refused a tool message with status ``error``.
    """
    found: ToolMessage | Command[Any] = tool_call(request, execute, _DEFAULTS)
    return found


async def awrap_tool_call(
    request: ToolCallRequest, execute: Callable[[ToolCallRequest], Awaitable[ToolMessage | Command[Any]]]
) -> ToolMessage | Command[Any]:
    """The asynchronous twin; pass it to ``ToolNode(awrap_tool_call=...)``.

    Args:
        request: the call.
        execute: runs it.

    Returns:
        What ``execute`` returned, the very same object unless an intercept changed it.
    """
    found: ToolMessage | Command[Any] = await atool_call(request, execute, _DEFAULTS)
    return found


def create_tool_node(
    tools: Sequence[Any], *, options: AdapterOptions | None = None, **tool_node_kwargs: Any
) -> ToolNode:
    """A ``ToolNode`` whose tool calls are managed calls. Its error handling is LangGraph's own.

    Args:
        tools: tools, or functions to make tools of.
        options: see ``AdapterOptions``.
        **tool_node_kwargs: the other arguments of ``ToolNode``.

    Returns:
        The node, to be added to a graph.

    Raises:
        ValueError: ``wrap_tool_call`` or ``awrap_tool_call`` was given: those are ours here.

    >>> from nemo_relay.integrations.langgraph import create_tool_node
    >>> def add(a: int, b: int) -> int:
    ...     "Add."
    ...     return a + b
    >>> sorted(create_tool_node([add]).tools_by_name)
    ['add']
    """
    given = [name for name in _OURS if name in tool_node_kwargs]
    if given:
        raise ValueError(
            f"create_tool_node sets {' and '.join(given)} itself; make a ToolNode with a wrapper of your own that calls"
            " nemo_relay.integrations.langgraph.wrap_tool_call"
        )
    chosen = options or _DEFAULTS

    def wrap(request: Any, execute: Any) -> Any:
        return tool_call(request, execute, chosen)

    async def awrap(request: Any, execute: Any) -> Any:
        return await atool_call(request, execute, chosen)

    if "handle_tool_errors" in tool_node_kwargs:
        tool_node_kwargs["handle_tool_errors"] = _exactly(tool_node_kwargs["handle_tool_errors"])
    node = ToolNode(tools, wrap_tool_call=wrap, awrap_tool_call=awrap, **tool_node_kwargs)
    open_gate(node, *TOOL_PASSAGES)
    return node


def _exactly(policy: Any) -> Any:
    """``policy`` as a tool node without a wrapper follows it.

    Around a wrapper LangGraph asks the policy once more, and then for every exception, whatever types it is for.
    """
    typed = isinstance(policy, tuple) or (isinstance(policy, type) and issubclass(policy, Exception))
    if not typed and not callable(policy):
        return policy
    types: Any = policy if typed else _types_of(policy)

    def handle(error: Exception) -> str:
        if not isinstance(error, types):
            raise error
        return TOOL_CALL_ERROR_TEMPLATE.format(error=repr(error)) if typed else str(policy(error))

    return handle


def _types_of(policy: Callable[..., Any]) -> tuple[Any, ...]:
    """The exceptions that a function is for, as the annotation of its first parameter says."""
    parameters = [name for name in signature(policy).parameters if name != "self"]
    wanted = get_type_hints(policy).get(parameters[0]) if parameters else None
    found = get_args(wanted) or (wanted,)
    return found if all(isinstance(kind, type) and issubclass(kind, Exception) for kind in found) else (Exception,)
