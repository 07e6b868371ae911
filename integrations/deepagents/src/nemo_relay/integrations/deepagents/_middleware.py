# SPDX-License-Identifier: Apache-2.0
"""What the adapter adds to each agent: managed calls, its configuration as a mark, its setup for the calls below."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any
from weakref import WeakSet

from langchain.agents.middleware import AgentMiddleware
from langchain_core.messages import ToolMessage
from langchain_core.runnables.config import var_child_runnable_config

from nemo_relay import scope
from nemo_relay.errors import GuardrailRejected
from nemo_relay.integrations.langchain import AdapterOptions, RelayMiddleware
from nemo_relay.integrations.langchain.adapter import Run, find_run, guard

from . import _agents, _configuration, _requests
from ._agents import Setup

_CONFIGURED = "DeepAgents Skills Configured"


class NemoRelayDeepAgentsMiddleware(RelayMiddleware):
    """``RelayMiddleware`` for one agent of a deep agent.

    Guardrails and intercepts act on the agent's model and tool calls. The mark ``DeepAgents Skills Configured``
    is left whenever the agent starts, before it first asks its model: so nothing is added to its graph. Tools are
    checked with the arguments that a human gave them, if one did.

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
        self._started: WeakSet[Any] = WeakSet()  # runs that no handler follows, by their stream writer
        if type(self).before_agent is AgentMiddleware.before_agent:
            # For programs that call the published hook themselves. One that the class defines would be a node of the
            # graph: a step, a checkpoint and a chunk more in each run.
            self.before_agent = self._configured  # type: ignore[method-assign]

    def wrap_model_call(self, request: Any, handler: Callable[[Any], Any]) -> Any:
        """Ask the model, as a managed call; the first one of a run leaves the configuration mark."""
        guard("configuration", self._starts, request)

        def ask(changed: Any) -> Any:
            with _asking(changed):
                return handler(changed)

        return super().wrap_model_call(request, ask)

    async def awrap_model_call(self, request: Any, handler: Callable[[Any], Awaitable[Any]]) -> Any:
        """Ask the model, as a managed call; the first one of a run leaves the configuration mark."""
        guard("configuration", self._starts, request)

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

    def _configured(self, state: Any = None, runtime: Any = None) -> None:
        guard("configuration", self._mark, _agent())

    def _starts(self, request: Any) -> None:
        """Leave the mark if this is the first model call of an agent that starts; one that is resumed has started."""
        agent = _agent()
        if agent is not None:
            if agent.resume is None and agent.first(_CONFIGURED):
                self._mark(agent)
            return
        writer = getattr(request.runtime, "stream_writer", None)  # each run has one of its own
        if writer is None or writer not in self._started:
            self._started.add(writer or request.runtime)
            self._mark(None)

    def _mark(self, agent: Run | None) -> None:
        metadata = {
            **_agents.INTEGRATION,
            "deepagents_kind": "skill",
            "phase": "configured",
            "agent_name": self._agent_name,
        }
        scope.event(
            _CONFIGURED,
            handle=agent.handle if agent is not None else None,
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


def _agent() -> Run | None:
    """The run of the agent whose node runs here; None where no handler follows it."""
    config = var_child_runnable_config.get()
    callbacks = config.get("callbacks") if config else None
    run = find_run(getattr(callbacks, "parent_run_id", None))
    return run.parent if run is not None and run.kind in ("node", "middleware_hook") else run
