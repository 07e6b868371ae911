# SPDX-License-Identifier: Apache-2.0
"""Scopes, marks and calls that application code makes inside framework code."""

from __future__ import annotations

import threading
from contextvars import copy_context
from typing import Any

from langchain_core.runnables import RunnableLambda, RunnableParallel
from langchain_core.tools import tool

from nemo_relay import ScopeType, ToolExecutionResult, scope, tools
from nemo_relay.integrations.langchain import RelayCallbackHandler, current_scope
from nemo_relay.integrations.langchain.testing import ScriptedChatModel
from nemo_relay.testing import CapturedEvents
from nemo_relay.tree import Node


def parent_name(events: CapturedEvents, name: str) -> str:
    nodes = events.tree().nodes
    node = next(node for node in nodes.values() if node.name == name)
    return nodes[node.parent_uuid or ""].name


def mark_owner(events: CapturedEvents, name: str) -> Node:
    return next(node for node in events.tree().walk() if any(mark.name == name for mark in node.marks))


def test_user_scope_mark_and_call_inside_a_tool(events: CapturedEvents, handler: RelayCallbackHandler) -> None:
    @tool
    def work() -> str:
        """Work."""
        scope.event("in tool")
        with scope.scope("user", ScopeType.Function):
            scope.event("in user")
            tools.execute_sync("managed", {}, lambda args: ToolExecutionResult(1))
        scope.event("after user")
        assert scope.get_handle() is current_scope()
        return "done"

    with scope.scope("app", ScopeType.Function):
        work.invoke({}, {"callbacks": [handler]})
        scope.event("in app")
    assert current_scope() is None
    assert parent_name(events, "work") == "app"
    assert parent_name(events, "user") == "work"
    assert parent_name(events, "managed") == "user"
    assert mark_owner(events, "in tool").name == mark_owner(events, "after user").name == "work"
    assert mark_owner(events, "in user").name == "user"
    assert mark_owner(events, "in app").name == "app"


def test_run_without_the_framework_parent_hangs_on_the_invocation_site(
    events: CapturedEvents, handler: RelayCallbackHandler
) -> None:
    @tool
    def outer() -> str:
        """Call a model with callbacks of its own, as applications do: the framework then names no parent."""
        return str(ScriptedChatModel(script=["x"]).invoke("hi", {"callbacks": [RelayCallbackHandler()]}).text)

    outer.invoke({}, {"callbacks": [handler]})
    assert parent_name(events, "scripted") == "outer"


def test_thread_with_a_copied_context(events: CapturedEvents, handler: RelayCallbackHandler) -> None:
    def work(_: Any) -> None:
        context = copy_context()
        thread = threading.Thread(target=context.run, args=(scope.event, "from thread"))
        thread.start()
        thread.join()

    RunnableLambda(work).invoke(1, {"callbacks": [handler]})
    assert mark_owner(events, "from thread").name == "work"


async def test_branches_do_not_see_each_other(events: CapturedEvents, handler: RelayCallbackHandler) -> None:
    async def left(_: Any) -> None:
        with scope.scope("left scope", ScopeType.Function):
            scope.event("left mark")

    async def right(_: Any) -> None:
        with scope.scope("right scope", ScopeType.Function):
            scope.event("right mark")

    await RunnableParallel(left=RunnableLambda(left), right=RunnableLambda(right)).ainvoke(1, {"callbacks": [handler]})
    for side in ("left", "right"):
        assert parent_name(events, f"{side} scope") == side
        assert mark_owner(events, f"{side} mark").name == f"{side} scope"


def test_without_a_handler_nothing_changes(events: CapturedEvents) -> None:
    with scope.scope("app", ScopeType.Function):
        RunnableLambda(lambda x: scope.event("plain")).invoke(1)
    assert mark_owner(events, "plain").name == "app"
