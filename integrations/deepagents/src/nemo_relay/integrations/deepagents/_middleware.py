# SPDX-License-Identifier: Apache-2.0
"""What the adapter adds to each agent: managed calls, its configuration as a mark, its setup for the calls below."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from langchain_core.messages import ToolMessage
from langchain_core.runnables.config import var_child_runnable_config

from nemo_relay import scope
from nemo_relay.errors import GuardrailRejected
from nemo_relay.integrations.langchain import AdapterOptions, RelayMiddleware
from nemo_relay.integrations.langchain.adapter import Handle, find_run, guard

from . import _agents, _configuration, _requests
from ._agents import Setup
from ._handler import OWN_NODES


class NemoRelayDeepAgentsMiddleware(RelayMiddleware):
    """``RelayMiddleware`` for one agent of a deep agent.

    Guardrails and intercepts act on the agent's model and tool calls. The mark ``DeepAgents Skills Configured``
    is left whenever the agent starts. Tools are checked with the arguments that a human gave them, if one did.

    Args:
        options: see ``AdapterOptions``.
        name: the name of the middleware.
        agent_name: the agent it belongs to.
        skills: skill sources.
        subagents: specs of the subagents.
        backend_name: the class of the file backend.
        tools: names of the tools that the application gave.
        permissions: filesystem rules.
        interrupt_on: tools that wait for a human.
        memory: memory files.
        system_prompt_sha256: fingerprint of the system prompt that the application gave.
    """

    _follows = False  # what a deep agent is, only the handler of this package can tell

    def __init__(
        self,
        options: AdapterOptions | None = None,
        *,
        name: str = "NemoRelayDeepAgentsMiddleware",
        agent_name: str | None = None,
        skills: Sequence[str] | None = None,
        subagents: Sequence[Mapping[str, Any]] | None = None,
        backend_name: str | None = None,
        tools: Sequence[str] | None = None,
        permissions: Sequence[Any] | None = None,
        interrupt_on: Mapping[str, Any] | None = None,
        memory: Sequence[str] | None = None,
        system_prompt_sha256: str | None = None,
    ) -> None:
        super().__init__(options, name=name)
        self._setup = Setup({"general-purpose": "isolated", **_configuration.modes(subagents or ())}, backend_name)
        self._agent_name = agent_name
        found = {
            "agent_name": agent_name,
            "skills": list(skills) if skills is not None else None,
            "subagents": [_configuration.subagent_view(spec) for spec in subagents] if subagents else None,
            "backend": backend_name,
            "tools": list(tools) if tools else None,
            "permissions": [_configuration.permission_view(rule) for rule in permissions] if permissions else None,
            "interrupt_on": _configuration.interrupt_view(interrupt_on) if interrupt_on else None,
            "memory": list(memory) if memory else None,
            "system_prompt_sha256": system_prompt_sha256,
        }
        self._configuration = {key: value for key, value in found.items() if value is not None}
        OWN_NODES.add(f"{name}.before_agent")

    def before_agent(self, state: Any, runtime: Any) -> None:
        """The agent starts: leave the configuration mark."""
        guard("before_agent", self._mark)

    async def abefore_agent(self, state: Any, runtime: Any) -> None:
        """The agent starts: leave the configuration mark."""
        guard("before_agent", self._mark)

    def wrap_model_call(self, request: Any, handler: Callable[[Any], Any]) -> Any:
        """Ask the model, as a managed call."""

        def ask(changed: Any) -> Any:
            with _asking(changed):
                return handler(changed)

        return super().wrap_model_call(request, ask)

    async def awrap_model_call(self, request: Any, handler: Callable[[Any], Awaitable[Any]]) -> Any:
        """Ask the model, as a managed call."""

        async def ask(changed: Any) -> Any:
            with _asking(changed):
                return await handler(changed)

        return await super().awrap_model_call(request, ask)

    def wrap_tool_call(self, request: Any, handler: Callable[[Any], Any]) -> Any:
        """Run the tool, as a managed call; what starts below it sees how this agent is set up."""
        try:
            with self._visible():
                reviewed = _requests.effective(request)
                return super().wrap_tool_call(reviewed, lambda made: handler(_requests.sealed(made)))
        except GuardrailRejected as refusal:
            return self._stopped(request, refusal)

    async def awrap_tool_call(self, request: Any, handler: Callable[[Any], Awaitable[Any]]) -> Any:
        """Run the tool, as a managed call; what starts below it sees how this agent is set up."""
        try:
            with self._visible():
                reviewed = _requests.effective(request)
                return await super().awrap_tool_call(reviewed, lambda made: handler(_requests.sealed(made)))
        except GuardrailRejected as refusal:
            return self._stopped(request, refusal)

    def _stopped(self, request: Any, refusal: GuardrailRejected) -> ToolMessage:
        """A guardrail stopped a subagent that has no middleware of ours: to this agent its task has failed."""
        call = request.tool_call
        if call["name"] != _agents.TASK or refusal.kind != "tool" or self.options.on_tool_rejection == "raise":
            raise refusal
        return ToolMessage(str(refusal.reason), name=call["name"], tool_call_id=call.get("id") or "", status="error")

    @contextmanager
    def _visible(self) -> Iterator[None]:
        token = _agents.setup.set(self._setup)
        try:
            yield
        finally:
            _agents.setup.reset(token)

    def _mark(self) -> None:
        metadata = {
            **_agents.INTEGRATION,
            "deepagents_kind": "skill",
            "phase": "configured",
            "agent_name": self._agent_name,
        }
        scope.event(
            "DeepAgents Skills Configured",
            handle=_agent_span(),
            data=self._configuration,
            metadata={key: value for key, value in metadata.items() if value is not None},
        )


@contextmanager
def _asking(request: Any) -> Iterator[None]:
    token = _requests.asked.set(_requests.Asked(_requests.messages_of(request)))
    try:
        yield
    finally:
        _requests.asked.reset(token)


def _agent_span() -> Handle | None:
    """The span of the agent whose hook runs here; None leaves it to the core."""
    config = var_child_runnable_config.get()
    callbacks = config.get("callbacks") if config else None
    run = find_run(getattr(callbacks, "parent_run_id", None))
    if run is None:
        return None
    return run.parent.handle if run.kind == "middleware_hook" and run.parent is not None else run.handle
