# SPDX-License-Identifier: Apache-2.0
"""One session of a host: an agent scope with turns under it, subagents under those, tools and model calls under all."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from nemo_relay import LLMRequest, ScopeStack, ScopeType, llm, scope
from nemo_relay_gateway._sessions.events import CAN_ASK, NEUTRAL, HookEvent, Kind, Verdict
from nemo_relay_gateway._sessions.positions import entered
from nemo_relay_gateway._sessions.records import ScopeRecord, SessionRecord, ToolRecord
from nemo_relay_gateway._sessions.tool_runs import HostTool

_PRIVATE = frozenset(("user_email",))
# What stands elsewhere in the event that a report becomes.
_PLACED = frozenset(
    "hook_event_name session_id sessionId conversation_id tool_name toolName tool_input toolArgs tool_response"
    " tool_output toolResult prompt last_assistant_message prompt_response llm_request llm_response extra".split()
)
_REMEMBERED = 256  # response ids of calls that passed the gateway


class Session:
    """What is open in one session.

    Args:
        host: the host's name.
        session: the host's id of it.
        record: how another replica left it; None for one that begins.
        above: the place that one which begins goes below; None for a root.
    """

    def __init__(
        self, host: str, session: str, record: SessionRecord | None = None, above: ScopeStack | None = None
    ) -> None:
        self.host = host
        self.id = session
        self._facts = {"session_id": session, "agent_kind": host}
        self._turn: Any = None
        self._turns = 0
        self._output: Any = None
        self._agents: dict[str, Any] = {}
        self._tools: dict[str, HostTool] = {}
        self._models: dict[str, tuple[HookEvent, datetime, int]] = {}
        self._parts: dict[str, list[HookEvent]] = {}
        self._passed = 0  # model calls that the gateway has seen
        self._response_ids: deque[str] = deque(maxlen=_REMEMBERED)
        self.is_over = False
        if record is None:
            role = {**self._facts, "nemo_relay_scope_role": "session"}
            with entered(above):
                self._handle: Any = scope.start(host, ScopeType.Agent, metadata=role)
        else:
            self._resume(record)

    # --- replicas -----------------------------------------------------------------------------------------------

    def record(self) -> SessionRecord:
        """What another replica has to know to go on with it."""
        keys = {handle: agent for agent, handle in self._agents.items()}
        tools = {
            key: ToolRecord(**_fields(ScopeRecord.of(tool.handle, keys.get(tool.parent))), **tool.details())
            for key, tool in self._tools.items()
            if tool.handle is not None
        }
        return SessionRecord(
            ScopeRecord.of(self._handle),
            None if self._turn is None else ScopeRecord.of(self._turn),
            self._turns,
            {agent: ScopeRecord.of(handle, keys.get(handle.parent)) for agent, handle in self._agents.items()},
            tools,
            self._passed,
            list(self._response_ids),
        )

    def _resume(self, record: SessionRecord) -> None:
        self._handle = record.root.resumed(ScopeType.Agent, None)
        if record.turn is not None:
            self._turn = record.turn.resumed(ScopeType.Custom, self._handle)
        for agent, found in record.agents.items():  # in the order in which they began: a parent before its children
            self._agents[agent] = found.resumed(ScopeType.Agent, self._agents.get(found.agent or "", self.place(None)))
        for key, tool in record.tools.items():
            parent = self._agents.get(tool.agent or "", self.place(None))
            made = HostTool(tool.name, tool.arguments, parent, tool.metadata or {}, tool.call)
            made.handle = tool.resumed(ScopeType.Tool, parent)
            self._tools[key] = made
        self._turns, self._passed = record.turns, record.passed
        self._response_ids.extend(record.response_ids)

    # --- where work belongs -------------------------------------------------------------------------------------

    def place(self, agent: str | None, parent_agent: str | None = None, agent_type: str | None = None) -> Any:
        """The scope that work of an agent belongs to; what is not open yet is opened."""
        if agent is None:
            return self._turn or self._handle
        if agent not in self._agents:
            self._open_agent(agent, parent_agent, agent_type)
        return self._agents[agent]

    def has(self, agent: str | None) -> bool:
        """Whether the scope of an agent is open."""
        return agent is None or agent in self._agents

    def passed(self, response: Any) -> None:
        """A model call of this session has passed the gateway."""
        self._passed += 1
        found = response.get("id") if isinstance(response, dict) else None
        if isinstance(found, str):
            self._response_ids.append(found)

    def _open_turn(self, prompt: Any, metadata: dict[str, Any]) -> None:
        self._turns += 1
        about = {**metadata, **self._facts, "nemo_relay_scope_role": "turn", "turn_index": self._turns}
        self._turn = scope.start(
            *(f"{self.host}-turn", ScopeType.Custom),
            parent=self._handle,
            metadata={**about, "turn_source": "user_prompt"},
            input={"prompt": prompt},
        )

    def _subagent_start(self, event: HookEvent, agent: str) -> None:
        if agent in self._agents:  # its first call came before its report
            self._mark(event)
        else:
            self._open_agent(agent, event.parent_agent, event.agent_type, self._about(event))

    def _open_agent(
        self, agent: str, parent_agent: str | None, agent_type: str | None, about: dict[str, Any] | None = None
    ) -> None:
        parent = self.place(parent_agent) if parent_agent != agent else self.place(None)
        metadata = {
            **(about or {}),
            "agent_kind": self.host,
            "nemo_relay_scope_role": "subagent",
            "subagent_id": agent,
            "agent_type": agent_type,
        }
        name = f"subagent:{agent_type or agent}"
        self._agents[agent] = scope.start(name, ScopeType.Agent, parent=parent, metadata=metadata)

    # --- reports ------------------------------------------------------------------------------------------------

    async def apply(self, event: HookEvent) -> Verdict:
        """Take a report in."""
        if event.kind is not Kind.MODEL_PART:
            self._end_streamed()
        match event.kind:
            case Kind.TOOL_START:
                return await self._tool_start(event)
            case Kind.TOOL_END:
                return await self._tool_end(event)
            case Kind.PROMPT if event.agent is None:
                self._prompt(event)
            case Kind.TURN_END if event.agent is None and self._turn is not None:
                self._output = event.result
                self._end_turn(event.error, self._about(event))
            case Kind.SUBAGENT_START if event.agent is not None:
                self._subagent_start(event, event.agent)
            case Kind.SUBAGENT_END if event.agent in self._agents:
                self._end_agent(str(event.agent), event.result, event.error, self._about(event))
            case Kind.MODEL_START:
                self._end_streamed(event.call or "")
                self._models[event.call or ""] = event, datetime.now(UTC), self._passed
            case Kind.MODEL_PART if (event.call or "") in self._models:
                self._model_part(event)
            case Kind.MODEL_END:
                self._model_end(event)
            case Kind.SESSION_END:
                self.close("session_end", event)
            case _:
                self._mark(event)
        return NEUTRAL

    def _mark(self, event: HookEvent) -> None:
        if event.kind is Kind.MARK or event.kind is not Kind.SESSION_START:
            handle = self._agents.get(event.agent or "") or self._turn or self._handle
        else:
            handle = self._handle
        name = "session.start" if event.kind is Kind.SESSION_START else event.mark
        scope.event(name, handle=handle, data=shown(event.payload), metadata=self._about(event))

    def _about(self, event: HookEvent) -> dict[str, Any]:
        """What an event's metadata says of its report: all that has no other place in the event."""
        about = {"agent_kind": self.host, "hook_event_name": event.name}
        if event.kind is Kind.MARK:
            return about
        rest = {key: value for key, value in shown(event.payload).items() if key not in _PLACED}
        extra = event.payload.get("extra")
        return {**about, "hook": {**rest, **extra} if isinstance(extra, dict) else rest}

    def _prompt(self, event: HookEvent) -> None:
        prompt = event.payload.get("prompt")
        if self._turn is not None:
            self._end_turn(None, {"closed_by": "superseded_by_next_turn"})
        self._open_turn(prompt, self._about(event))

    def _end_turn(self, error: str | None, metadata: dict[str, Any]) -> None:
        turn, self._turn = self._turn, None
        if turn is None:
            return
        self._close_work("closed_by_turn_end")
        if error is not None:
            metadata = {**metadata, "otel.status_code": "ERROR", "otel.status_description": error}
        output, self._output = self._output, None
        scope.end(turn, output=output, metadata=metadata)

    def _end_agent(self, agent: str, result: Any, error: str | None, metadata: dict[str, Any]) -> None:
        if error:
            metadata = {**metadata, "otel.status_code": "ERROR", "otel.status_description": error}
        scope.end(self._agents.pop(agent), output=result, metadata=metadata)

    def _close_work(self, why: str) -> None:
        for tool in self._tools.values():
            tool.abandon(why)
        self._tools.clear()
        for call in list(self._models):
            self._publish_model(call, None, why)
        for agent in reversed(list(self._agents)):
            self._end_agent(agent, None, None, {"closed_by": why})

    def close(self, why: str, event: HookEvent | None = None) -> None:
        """End the session and all that is open in it."""
        if self.is_over:
            return
        self.is_over = True
        self._end_turn(None, {"closed_by": why})
        self._close_work(why)
        output = None if event is None else shown(event.payload)
        scope.end(self._handle, output=output, metadata={"closed_by": why})

    def let_go(self, why: str) -> None:
        """Leave the session to another replica. Tools whose policies wait here for their result end here."""
        for key, tool in list(self._tools.items()):
            if tool.handle is None:
                tool.abandon(why)
                del self._tools[key]

    # --- tools --------------------------------------------------------------------------------------------------

    async def _tool_start(self, event: HookEvent) -> Verdict:
        key = event.call or f"{event.agent}:{event.tool}"
        if key in self._tools and event.call is not None:
            return NEUTRAL  # reported twice
        tool = self._make_tool(event, key)
        verdict = await tool.start(can_ask=event.host in CAN_ASK)
        if verdict.denied is not None:
            self._tools.pop(key, None)
        return verdict

    def _make_tool(self, event: HookEvent, key: str) -> HostTool:
        parent = self.place(event.agent, event.parent_agent, event.agent_type)
        tool = HostTool(event.tool or "unknown_tool", event.arguments, parent, self._about(event), event.call)
        while key in self._tools:  # a host without call ids runs the same tool again
            key += "+"
        self._tools[key] = tool
        return tool

    async def _tool_end(self, event: HookEvent) -> Verdict:
        tool = self._find_tool(event)
        if tool is None:  # its start was not reported: the call is recorded all the same
            tool = self._make_tool(event, event.call or f"{event.agent}:{event.tool}")
            await tool.start()
            self._find_tool(event)
        return await tool.end(event.result, event.error, self._about(event))

    def _find_tool(self, event: HookEvent) -> HostTool | None:
        if event.call is not None:
            return self._tools.pop(event.call, None)
        key = f"{event.agent}:{event.tool}"
        same = [name for name in self._tools if name.rstrip("+") == key]
        alike = [name for name in same if self._tools[name].arguments == event.arguments]
        found = next(iter(alike or same), None)
        return None if found is None else self._tools.pop(found)

    # --- model calls that a host reports ------------------------------------------------------------------------

    def _model_part(self, event: HookEvent) -> None:
        """A piece of a streamed answer. Nobody reports its end: what comes next in the session says that it was one."""
        self._parts.setdefault(event.call or "", []).append(event)

    def _end_streamed(self, key: str | None = None) -> None:
        for call in [key] if key is not None else list(self._parts):
            parts = self._parts.pop(call, None)
            if parts and call in self._models:
                last = replace(parts[-1], result=[part.result for part in parts])
                self._publish_model(call, last, None)

    def _model_end(self, event: HookEvent) -> None:
        key = event.call or ""
        if key not in self._models:
            self._models[key] = event, datetime.now(UTC), -1
        self._publish_model(key, event, event.error)

    def _publish_model(self, key: str, end: HookEvent | None, error: str | None) -> None:
        """Record a call from its two reports, unless the gateway has recorded it from its bytes."""
        start, since, passed_before = self._models.pop(key)
        seen = end is not None and end.response_id is not None and end.response_id in self._response_ids
        if seen or (passed_before >= 0 and self._passed > passed_before):
            return
        about = {**self._about(start), "source": "hooks"}
        handle = llm.call(
            f"{self.host}.model",
            LLMRequest({}, start.arguments),
            handle=self.place(start.agent, start.parent_agent, start.agent_type),
            metadata=about,
            model_name=start.model,
            timestamp=since,
        )
        if error is not None:
            about = {**about, "otel.status_code": "ERROR", "otel.status_description": error}
        annotated = dict(end.annotated) if end is not None and end.annotated else None
        result = None if end is None else end.result
        llm.call_end(handle, result, metadata=about, annotated_response=annotated)


def _fields(record: ScopeRecord) -> dict[str, Any]:
    return {name: getattr(record, name) for name in record.__struct_fields__}


def shown(payload: Mapping[str, Any]) -> dict[str, Any]:
    """A payload for observers: what names a person stays out."""
    return {key: value for key, value in payload.items() if key not in _PRIVATE}
