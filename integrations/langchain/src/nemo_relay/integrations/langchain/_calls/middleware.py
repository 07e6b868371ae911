# SPDX-License-Identifier: Apache-2.0
"""Agent middleware: the model and tool calls of an agent go through guardrails and intercepts."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any

from langchain.agents.middleware import AgentMiddleware
from nemo_relay import LLMRequest
from nemo_relay.integrations.langchain._calls.agent_model_call import ManagedModelCall
from nemo_relay.integrations.langchain._calls.hooks import (
    Func,
    HookedModelCall,
    execute,
    prepare_model_call,
    prepare_tool_call,
)
from nemo_relay.integrations.langchain._calls.tool_node import atool_call, changed, tool_call
from nemo_relay.integrations.langchain._guards import gates
from nemo_relay.integrations.langchain._options import AdapterOptions
from nemo_relay.integrations.langchain._record import watching
from nemo_relay.integrations.langchain._runs import claims


class RelayMiddleware(AgentMiddleware[Any, Any, Any]):
    """Makes the model and tool calls of an agent managed calls of NeMo Relay.

    Guardrails decide about them, intercepts may edit or replace them, and each is one event, also when the
    callback handler watches the same agent. Where no intercept changes anything the model, the tools and the agent
    get the very objects that they would get without it. Put it last in the list of middleware, so that it is next
    to the model and the tools and sees what is really sent.

    The agent and its nodes are recorded too, from the first call that passes the middleware on. A callback handler, or
    ``instrument()``, records them from the start, and what other middleware does before.

    Args:
        options: see ``AdapterOptions``.
        name: the name of the middleware.

    >>> from langchain.agents import create_agent
    >>> from nemo_relay.integrations.langchain import RelayMiddleware
    >>> from nemo_relay.integrations.langchain.testing import ScriptedChatModel
    >>> agent = create_agent(ScriptedChatModel(script=["hello"]), middleware=[RelayMiddleware()])
    >>> agent.invoke({"messages": [("user", "hi")]})["messages"][-1].text
    'hello'
    """

    _leads_to = (*gates.TOOL_PASSAGES, *gates.LLM_PASSAGES)
    _follows = True

    def __init__(self, options: AdapterOptions | None = None, *, name: str | None = None) -> None:
        super().__init__()
        self.options = options or AdapterOptions()
        self._name = name or type(self).__name__
        gates.open_gate(self, *self._leads_to)
        if self._follows:
            watching.serve(self)

    @property
    def name(self) -> str:
        """The name of the middleware."""
        return self._name

    def wrap_model_call(self, request: Any, handler: Callable[[Any], Any]) -> Any:
        """Ask the model, as a managed call.

        Args:
            request: LangChain's ``ModelRequest``.
            handler: what does it, LangChain's own or the next middleware.

        Returns:
            What ``handler`` returned, the very same object unless an intercept changed it.

        Raises:
            GuardrailRejected: a guardrail refused it, and the options say that this is raised.
        """
        watching.wake()
        if claims.enclosing("llm", "") is not None:  # another one of us is around it
            return handler(request)
        return ManagedModelCall(request, self.options).run(handler)

    async def awrap_model_call(self, request: Any, handler: Callable[[Any], Awaitable[Any]]) -> Any:
        """Ask the model, as a managed call.

        Args:
            request: LangChain's ``ModelRequest``.
            handler: what does it, LangChain's own or the next middleware.

        Returns:
            What ``handler`` returned, the very same object unless an intercept changed it.

        Raises:
            GuardrailRejected: a guardrail refused it, and the options say that this is raised.
        """
        watching.wake()
        if claims.enclosing("llm", "") is not None:
            return await handler(request)
        return await ManagedModelCall(request, self.options).arun(handler)

    def wrap_tool_call(self, request: Any, handler: Callable[[Any], Any]) -> Any:
        """Run the tool, as a managed call.

        Args:
            request: LangChain's ``ToolCallRequest``.
            handler: what does it, LangChain's own or the next middleware.

        Returns:
            What ``handler`` returned, the very same object unless an intercept changed it.

        Raises:
            GuardrailRejected: a guardrail refused it, and the options say that this is raised.
        """
        watching.wake()
        return tool_call(request, handler, self.options)

    async def awrap_tool_call(self, request: Any, handler: Callable[[Any], Awaitable[Any]]) -> Any:
        """Run the tool, as a managed call.

        Args:
            request: LangChain's ``ToolCallRequest``.
            handler: what does it, LangChain's own or the next middleware.

        Returns:
            What ``handler`` returned, the very same object unless an intercept changed it.

        Raises:
            GuardrailRejected: a guardrail refused it, and the options say that this is raised.
        """
        watching.wake()
        return await atool_call(request, handler, self.options)


class RelayGuardrailMiddleware(RelayMiddleware):
    """``RelayMiddleware`` that asks a human about what a guardrail refuses, and leaves model calls alone.

    The run pauses with the payload of LangChain's human-in-the-loop middleware, so that what shows those reviews
    shows these. It is resumed with ``Command(resume={"decisions": [{"type": "approve"}]})``, ``edit`` (checked
    again), ``reject`` or ``respond``. The graph needs a checkpointer.

    Args:
        options: see ``AdapterOptions``.
        on_rejection: what becomes of a refusal.
        name: the name of the middleware.
    """

    _leads_to = gates.TOOL_PASSAGES

    def __init__(
        self,
        options: AdapterOptions | None = None,
        *,
        on_rejection: Any = "interrupt",
        name: str | None = None,
    ) -> None:
        super().__init__(replace(options or AdapterOptions(), on_tool_rejection=on_rejection), name=name)

    def wrap_model_call(self, request: Any, handler: Callable[[Any], Any]) -> Any:
        """Ask the model."""
        watching.wake()
        return handler(request)

    async def awrap_model_call(self, request: Any, handler: Callable[[Any], Awaitable[Any]]) -> Any:
        """Ask the model."""
        watching.wake()
        return await handler(request)


class NemoRelayMiddleware(RelayMiddleware):
    """``RelayMiddleware`` under the name of the published package, by which the agent knows it too.

    Subclasses may override ``_prepare_model_call``, ``_llm_execute`` and ``_prepare_tool_call``, e.g. to keep something
    back from the model and from events. The model calls of one that does always go through both of the former, in a
    synchronous agent on an event loop of their own; intercepts of streams see no chunks of them.

    >>> from langchain.agents import create_agent
    >>> from nemo_relay.integrations.langchain import NemoRelayMiddleware
    >>> from nemo_relay.integrations.langchain.testing import ScriptedChatModel
    >>> class Discreet(NemoRelayMiddleware):
    ...     async def _llm_execute(self, model_name, request, codec, response_codec, func):
    ...         for message in request.content["messages"]:
    ...             message["content"] = message["content"].replace("Ann", "[name]")
    ...         return await super()._llm_execute(model_name, request, codec, response_codec, func)
    >>> model = ScriptedChatModel(script=[lambda messages: "You said: " + messages[0].text])
    >>> agent = create_agent(model, middleware=[Discreet()])
    >>> agent.invoke({"messages": [("user", "I am Ann")]})["messages"][-1].text
    'You said: I am [name]'
    """

    def wrap_model_call(self, request: Any, handler: Callable[[Any], Any]) -> Any:
        """Ask the model, as a managed call."""
        if not self._overrides("_llm_execute", "_prepare_model_call"):
            return super().wrap_model_call(request, handler)
        watching.wake()
        return HookedModelCall(request, self.options, self).run(handler)

    async def awrap_model_call(self, request: Any, handler: Callable[[Any], Awaitable[Any]]) -> Any:
        """Ask the model, as a managed call."""
        if not self._overrides("_llm_execute", "_prepare_model_call"):
            return await super().awrap_model_call(request, handler)
        watching.wake()
        return await HookedModelCall(request, self.options, self).arun(handler)

    def wrap_tool_call(self, request: Any, handler: Callable[[Any], Any]) -> Any:
        """Run the tool, as a managed call."""
        return super().wrap_tool_call(self._prepared(request), handler)

    async def awrap_tool_call(self, request: Any, handler: Callable[[Any], Awaitable[Any]]) -> Any:
        """Run the tool, as a managed call."""
        return await super().awrap_tool_call(self._prepared(request), handler)

    def _prepared(self, request: Any) -> Any:
        if not self._overrides("_prepare_tool_call"):
            return request
        _, _, name, args, *_ = self._prepare_tool_call(request)
        return changed(request, name, args)

    def _overrides(self, *names: str) -> bool:
        return any(getattr(getattr(self, name), "__func__", None) is not _OWN[name] for name in names)

    async def _llm_execute(
        self, model_name: str, request: LLMRequest, codec: Any, response_codec: Any, func: Func
    ) -> Any:
        """Make ``func(request)`` one managed call; arguments and result as for ``hooks.execute``."""
        return await execute(model_name, request, codec, response_codec, func)

    def _prepare_model_call(self, request: Any) -> tuple[Any, LLMRequest, str, Any]:
        """A codec for any object, the request, the model's name, the request's codec."""
        return prepare_model_call(request, self.options)

    def _prepare_tool_call(self, request: Any) -> tuple[Any, Any, str, Any, str | None]:
        """The span above a tool call, a codec for any object, the tool's name, its arguments, the model's id of it."""
        return prepare_tool_call(request)


# Kept apart from the class, where a program may replace them, too.
_OWN = {name: vars(NemoRelayMiddleware)[name] for name in ("_llm_execute", "_prepare_model_call", "_prepare_tool_call")}
