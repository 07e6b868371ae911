# SPDX-License-Identifier: Apache-2.0
"""Transcripts of Claude Code: a session, and those of its subagents beside it or in a folder of its name.

One answer is several lines with one ``message.id``, each with the same usage; it is counted once, also where a resumed
session repeats it. The usage that a subagent's result sums up is that of its own transcript, and is not counted.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from nemo_relay_projections.facts import mapping

from .events import Event, Span, Talk, identity, response, stamp, tokens, whole
from .report import ImportReport
from .sources import records


def read(path: Path, report: ImportReport) -> Iterator[Event]:
    """The events of a session."""
    subagents = _subagents(path)
    agent = _Agent(path, report, None, subagents, set())
    yield from agent.events()
    for name in list(subagents):  # nobody called them
        yield from _Agent(subagents.pop(name), report, agent.span, subagents, agent.seen).events()
    yield from agent.finish()


def _subagents(path: Path) -> dict[str, Path]:
    """Transcripts of subagents, by agent id."""
    folders = (path.parent, path.parent / path.stem / "subagents", path.parent / path.stem)
    found: dict[str, Path] = {}
    for file in (file for folder in folders for file in sorted(folder.glob("agent-*.jsonl"))):
        first = next(records(file, ImportReport()), {})
        mine = next(records(path, ImportReport()), {})
        if file != path and first.get("sessionId") == mine.get("sessionId"):
            found.setdefault(str(first.get("agentId") or file.stem), file)
    return found


class _Agent:
    """One transcript."""

    def __init__(
        self, path: Path, report: ImportReport, parent: Span | None, subagents: dict[str, Path], seen: set[str]
    ) -> None:
        self._path, self._report, self._parent = path, report, parent
        self._subagents, self.seen = subagents, seen
        self.span: Span | None = None
        self._talk = Talk()
        self._tools: dict[str, Span] = {}
        self._answer: list[Event] = []  # the lines of the answer that is being said
        self._asked: str | None = None  # when the last thing that a request answers was there
        self._requests: dict[str, str | None] = {}
        self._last: str | None = None

    def events(self) -> Iterator[Event]:
        """Everything but the end of the session."""
        for record in records(self._path, self._report):
            time = stamp(record.get("timestamp"))
            kind = record.get("type")
            if self.span is None and record.get("sessionId") and time:
                yield self._begin(record, time)
            self._last = time or self._last
            if kind == "assistant" and self.span is not None:
                self._report.mapped += 1
                yield from self._answers(record)
            elif kind == "user" and self.span is not None:
                self._report.mapped += 1
                yield from self._system(record, time)
            elif kind == "system" and record.get("subtype") == "api_error" and self.span is not None:
                self._report.mapped += 1
                yield from self._failed(record, time)
            elif kind == "api-request":
                self._report.mapped += 1
                self._requests[str(record.get("id"))] = time
            else:
                self._report.skip(f"type {kind}")
        yield from self._answered()
        if self._parent is not None:
            yield from self.finish()

    def finish(self) -> Iterator[Event]:
        """Ends of what is open."""
        for tool in self._tools.values():
            yield tool.end(self._last, outcome="abandoned")
        if self.span is not None:
            yield self.span.end(self._last)

    def _begin(self, record: Event, time: str) -> Event:
        session, agent = str(record["sessionId"]), record.get("agentId")
        metadata = {"session_id": session, "relay.framework": "claude-code", "relay.source": "transcript"}
        if agent:
            metadata["agent_id"] = agent
        name = str((agent and "subagent") or "claude-code")
        key = identity("claude-code", session, agent or "")
        self.span = Span(key, name, "agent", self._parent, time, metadata)
        return self.span.start()

    def _answers(self, record: Event) -> Iterator[Event]:
        message = mapping(record.get("message"))
        key = str(message.get("id") or record.get("uuid"))
        if self._answer and _key(self._answer[-1]) != key:
            yield from self._answered()
        if key in self.seen and not self._answer:
            self._report.skip("repeated message.id")
            return
        self._answer.append(record)

    def _answered(self) -> Iterator[Event]:
        """The model call that the collected lines answer, then the tools that it asked for."""
        lines, self._answer = self._answer, []
        if not lines or self.span is None:
            return
        key = _key(lines[0])
        self.seen.add(key)
        message = mapping(lines[-1].get("message"))
        model = message.get("model") if isinstance(message.get("model"), str) else None
        first, last = stamp(lines[0].get("timestamp")), stamp(lines[-1].get("timestamp"))
        began = self._requests.get(str(lines[0].get("requestRef"))) or self._asked or first
        metadata = {"request_id": lines[0].get("requestId")}
        call = Span(identity(self.span.uuid, key), "anthropic", "llm", self.span, began, metadata)
        call.profile = {"model_name": model}
        yield call.start(self._talk.request(call.uuid, model))
        content = [block for line in lines for block in _blocks(line)]
        answer = {"role": "assistant", "content": content}
        text = "\n".join(str(block.get("text")) for block in content if block.get("type") == "text")
        usage = _usage(mapping(message.get("usage")))
        call.profile = response(model, text, usage, key, message.get("stop_reason"))
        failed = text if lines[0].get("isApiErrorMessage") else None
        yield call.end(last, {**answer, "model": model, "usage": message.get("usage")}, error=failed)
        self._talk.add(answer)
        for block in content:
            if block.get("type") == "tool_use":
                yield self._call(block, last)

    def _call(self, block: Event, time: str | None) -> Event:
        assert self.span is not None
        key = str(block.get("id"))
        tool = Span(identity(self.span.uuid, key), str(block.get("name")), "tool", self.span, time, {})
        tool.profile = {"tool_call_id": key}
        self._tools[key] = tool
        return tool.start(block.get("input"))

    def _system(self, record: Event, time: str | None) -> Iterator[Event]:
        yield from self._answered()
        self._talk.add({"role": "user", "content": mapping(record.get("message")).get("content")})
        self._asked = time
        for block in _blocks(record):
            tool = self._tools.pop(str(block.get("tool_use_id")), None) if block.get("type") == "tool_result" else None
            if tool is None:
                continue
            agent = str(mapping(record.get("toolUseResult")).get("agentId"))
            if agent in self._subagents:
                yield from _Agent(self._subagents.pop(agent), self._report, tool, self._subagents, self.seen).events()
            failed = _text(block.get("content")) if block.get("is_error") is True else None
            yield tool.end(time, block.get("content"), error=failed)

    def _failed(self, record: Event, time: str | None) -> Iterator[Event]:
        """A request that the provider refused; the host tries again."""
        yield from self._answered()
        assert self.span is not None
        failure = mapping(record.get("error"))
        began = self._asked or time
        call = Span(identity(self.span.uuid, record.get("uuid")), "anthropic", "llm", self.span, began, {})
        yield call.start()
        yield call.end(time, error=str(failure.get("formatted") or failure.get("message") or "the request failed"))


def _key(record: Event) -> str:
    return str(mapping(record.get("message")).get("id") or record.get("uuid"))


def _blocks(record: Event) -> list[Event]:
    content = mapping(record.get("message")).get("content")
    if isinstance(content, str):
        return [{"type": "text", "text": content}]
    return [block for block in content if isinstance(block, dict)] if isinstance(content, list) else []


def _text(content: Any) -> str:
    if isinstance(content, list):
        return "\n".join(str(mapping(block).get("text", "")) for block in content)
    return str(content)


def _usage(usage: Any) -> Event:
    details = mapping(usage.get("output_tokens_details"))
    return tokens(
        whole(usage.get("input_tokens")),
        whole(usage.get("cache_read_input_tokens")),
        whole(usage.get("cache_creation_input_tokens")),
        whole(usage.get("output_tokens")),
        whole(details.get("thinking_tokens")),
    )
