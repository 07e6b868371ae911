# SPDX-License-Identifier: Apache-2.0
"""Rollouts of Codex: a thread, and those of the agents that it spawned, which lie beside it.

A model call ends where the rollout says what it used (``token_usage_record``, in older ones ``token_count``). A request
that was answered with an error leaves no line, and therefore no event.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from nemo_relay_projections.facts import mapping

from .events import Event, Span, Talk, identity, response, stamp, tokens, whole
from .report import ImportReport
from .sources import records

_CALLS = ("function_call", "custom_tool_call", "local_shell_call", "web_search_call")
_RESULTS = ("function_call_output", "custom_tool_call_output")
_EXIT = re.compile(r"(?:exited with code|Exit code:) ([1-9]\d*)")


def read(path: Path, report: ImportReport) -> Iterator[Event]:
    """The events of a thread and of those below it."""
    children: dict[str, list[tuple[str, Path]]] = {}
    for file in sorted(path.parent.glob("*.jsonl")):
        meta = mapping(next(records(file, ImportReport()), {}).get("payload"))
        if file != path and isinstance(meta.get("parent_thread_id"), str):
            children.setdefault(meta["parent_thread_id"], []).append((str(meta.get("id")), file))
    yield from _Thread(path, report, None, children).events()


class _Thread:
    """One rollout."""

    def __init__(
        self, path: Path, report: ImportReport, parent: Span | None, children: dict[str, list[tuple[str, Path]]]
    ) -> None:
        self._path, self._report, self._parent, self._children = path, report, parent, children
        self.span: Span | None = None
        self._id = ""
        self._model: str | None = None
        self._talk = Talk()
        self._answers: list[Event] = []
        self._tools: dict[str, Span] = {}
        self._asked: str | None = None
        self._last: str | None = None
        self._precise = False
        self._calls = 0

    def events(self) -> Iterator[Event]:
        """All events of the thread."""
        for record in records(self._path, self._report):
            time, payload = stamp(record.get("timestamp")), mapping(record.get("payload"))
            self._last = time or self._last
            kind = record.get("type")
            if kind == "session_meta" and self.span is None:
                self._report.mapped += 1
                yield self._begin(payload, time)
            elif self.span is None:
                self._report.skip("before session_meta")
            elif kind == "response_item":
                yield from self._item(payload, time)
            elif kind == "token_usage_record":
                self._precise = True
                self._report.mapped += 1
                yield from self._answered(mapping(payload.get("usage")), payload.get("response_id"), time)
            elif kind == "event_msg" and payload.get("type") == "token_count" and not self._precise and self._answers:
                self._report.mapped += 1
                used = mapping(mapping(payload.get("info")).get("last_token_usage"))
                yield from self._answered(used, None, time)
            elif kind == "turn_context":
                self._report.mapped += 1
                self._model = payload.get("model") if isinstance(payload.get("model"), str) else self._model
            else:
                self._report.skip(f"type {kind}" if kind != "event_msg" else f"event {payload.get('type')}")
        if self.span is not None:
            yield from self._finish()

    def _finish(self) -> Iterator[Event]:
        assert self.span is not None
        if self._answers:
            yield from self._answered({}, None, self._last)
        for thread, file in self._children.pop(self._id, []):
            yield from _Thread(file, self._report, self._spawner(thread), self._children).events()
        for tool in self._tools.values():
            if not tool.ended:
                yield tool.end(self._last, outcome="abandoned")
        yield self.span.end(self._last)

    def _spawner(self, thread: str) -> Span | None:
        return self._tools.get(f"spawned:{thread}", self.span)

    def _begin(self, payload: Any, time: str | None) -> Event:
        self._id = str(payload.get("id"))
        session = str(payload.get("session_id") or self._id)
        metadata = {"session_id": session, "relay.framework": "codex", "relay.source": "transcript"}
        metadata["thread_id"] = self._id
        name = "codex" if self._parent is None else "subagent"
        self.span = Span(identity("codex", self._id), name, "agent", self._parent, time, metadata)
        return self.span.start()

    def _item(self, item: Any, time: str | None) -> Iterator[Event]:
        kind = item.get("type")
        self._report.mapped += 1
        if kind in _RESULTS:
            yield from self._result(item, time)
        elif kind in _CALLS or kind == "reasoning" or item.get("role") == "assistant":
            self._answers.append({**item, "$time": time})
        else:
            self._talk.add({key: value for key, value in item.items() if key in ("type", "role", "content", "tools")})
            self._asked = time

    def _answered(self, usage: Any, identifier: Any, time: str | None) -> Iterator[Event]:
        assert self.span is not None
        answers, self._answers = self._answers, []
        self._calls += 1
        key = identifier if isinstance(identifier, str) else self._calls
        call = Span(identity(self.span.uuid, key), "openai", "llm", self.span, self._asked or time, {})
        call.profile = {"model_name": self._model}
        yield call.start(self._talk.request(call.uuid, self._model))
        output = [{name: value for name, value in item.items() if name != "$time"} for item in answers]
        call.profile = response(self._model, _text(output), _usage(usage), identifier)
        yield call.end(time, {"output": output, "model": self._model, "usage": dict(usage)})
        for item in output:
            self._talk.add(item)
        for item in answers:
            if item.get("type") in _CALLS:
                yield self._call(item)

    def _call(self, item: Event) -> Event:
        assert self.span is not None
        key = str(item.get("call_id") or item.get("id"))
        name = str(item.get("name") or item.get("type"))
        tool = Span(identity(self.span.uuid, key), name, "tool", self.span, item["$time"], {})
        tool.profile = {"tool_call_id": key}
        self._tools[key] = tool
        given = item.get("arguments", item.get("input", item.get("action")))
        return tool.start(_parsed(given))

    def _result(self, item: Any, time: str | None) -> Iterator[Event]:
        if self._answers:  # an older rollout that counts nothing before the result
            yield from self._answered({}, None, time)
        self._talk.add({key: value for key, value in item.items() if key in ("type", "call_id", "output")})
        self._asked = time
        tool = self._tools.get(str(item.get("call_id")))
        if tool is None or tool.ended:
            return
        output = item.get("output")
        spawned = mapping(_parsed(output)).get("agent_id")
        if isinstance(spawned, str):
            self._tools[f"spawned:{spawned}"] = tool
        text = output if isinstance(output, str) else json.dumps(output)
        failed = _EXIT.search(text)
        yield tool.end(time, _parsed(output), error=f"exit code {failed[1]}" if failed else None)


def _parsed(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    try:
        return json.loads(value)
    except (ValueError, RecursionError):
        return value


def _text(output: list[Event]) -> str:
    parts = [part for item in output if item.get("type") == "message" for part in item.get("content") or ()]
    return "\n".join(str(mapping(part).get("text", "")) for part in parts)


def _usage(usage: Any) -> Event:
    read, written = whole(usage.get("cached_input_tokens")), whole(usage.get("cache_write_input_tokens"))
    fresh = max(0, whole(usage.get("input_tokens")) - read - written)
    return tokens(fresh, read, written, whole(usage.get("output_tokens")), whole(usage.get("reasoning_output_tokens")))
