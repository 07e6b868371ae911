# SPDX-License-Identifier: Apache-2.0
"""Runs of LangSmith, as its client and its bulk export write them: one a line, or a list."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from nemo_relay_projections.facts import mapping

from .events import Event, Span, identity, response, stamp, tokens, whole
from .report import ImportReport
from .sources import document, records

_KINDS = {"llm": "llm", "tool": "tool", "retriever": "retriever", "embedding": "embedder"}


def read(path: Path, report: ImportReport) -> Iterator[Event]:
    """The events of all runs, parents first; it holds the runs of the file in memory."""
    runs: dict[str, Event] = {}
    for run in _runs(path, report):
        if isinstance(run.get("id"), str):
            runs[run["id"]] = run
            report.mapped += 1
        else:
            report.skip("no id")
    below: dict[str, list[str]] = {}
    tops = []
    for key, run in runs.items():
        parent = run.get("parent_run_id")
        if isinstance(parent, str) and parent in runs and parent != key:
            below.setdefault(parent, []).append(key)
        else:
            tops.append(key)
    made: dict[str, Span] = {}
    waiting: list[tuple[str, str | None, bool]] = [(key, None, False) for key in reversed(tops)]
    while waiting:
        key, above, done = waiting.pop()
        if done:
            yield _ended(made[key], runs[key])
            continue
        made[key] = _begun(runs[key], made[above] if above else None)
        yield made[key].start(_input(made[key], runs[key]))
        waiting.append((key, above, True))
        waiting += [(child, key, False) for child in reversed(below.get(key, []))]


def _runs(path: Path, report: ImportReport) -> Iterator[Event]:
    try:
        whole_file = document(path)
    except ValueError:
        yield from records(path, report)
        return
    listed = whole_file if isinstance(whole_file, list) else mapping(whole_file).get("runs") or [whole_file]
    for run in listed:
        report.read += 1
        yield dict(mapping(run))


def _begun(run: Event, parent: Span | None) -> Span:
    extra = mapping(mapping(run.get("extra")).get("metadata"))
    session = extra.get("session_id") or extra.get("thread_id") or run.get("trace_id")
    metadata: Event = {"relay.source": "langsmith", "langsmith_run_id": run["id"]}
    if session:
        metadata["session_id"] = session
    kind = _KINDS.get(str(run.get("run_type")), "function")
    if parent is None and kind == "function":
        kind = "agent"
    time = stamp(run.get("start_time"))
    span = Span(identity("langsmith", run["id"]), str(run.get("name") or "run"), kind, parent, time, metadata)
    if kind == "llm":
        span.profile = {"model_name": _model(run)}
    return span


def _model(run: Event) -> str | None:
    extra = mapping(run.get("extra"))
    found = mapping(extra.get("metadata")).get("ls_model_name") or mapping(extra.get("invocation_params")).get("model")
    return found if isinstance(found, str) else None


def _input(span: Span, run: Event) -> Any:
    inputs = run.get("inputs")
    messages = mapping(inputs).get("messages")
    if span.category != "llm" or not isinstance(messages, list):
        return inputs
    flat = messages[0] if messages and isinstance(messages[0], list) else messages
    return {"content": {"model": _model(run), "messages": [_message(one) for one in flat]}, "headers": {}}


def _message(message: Any) -> Event:
    """A message as LangChain serialises it, or as it is."""
    inner = mapping(mapping(message).get("kwargs") or mapping(message).get("data")) or mapping(message)
    kind = str(inner.get("role") or inner.get("type") or "user")
    role = {"human": "user", "ai": "assistant"}.get(kind, kind)
    kept = {key: inner[key] for key in ("content", "tool_calls", "tool_call_id", "name") if key in inner}
    return {"role": role, **kept}


def _ended(span: Span, run: Event) -> Event:
    outputs: Any = run.get("outputs")
    if span.category == "llm":
        generations = mapping(outputs).get("generations")
        first = generations[0] if isinstance(generations, list) and generations else None
        first = first[0] if isinstance(first, list) and first else first
        message = _message(mapping(first).get("message")) if mapping(first).get("message") else mapping(first)
        given, out = whole(run.get("prompt_tokens")), whole(run.get("completion_tokens"))
        used = mapping(mapping(run.get("extra")).get("metadata")).get("usage_metadata")
        details = mapping(mapping(used).get("input_token_details"))
        read, written = whole(details.get("cache_read")), whole(details.get("cache_creation"))
        usage = tokens(max(0, given - read - written), read, written, out) if given or out else {}
        if isinstance(run.get("total_cost"), int | float | str):
            usage["cost"] = {"total": float(run["total_cost"]), "currency": "USD"}
        outputs = dict(message) or outputs
        span.profile = response(_model(run), mapping(outputs).get("content"), usage, None)
    error = run.get("error")
    text = str(error).strip().splitlines()[-1] if error else None
    return span.end(stamp(run.get("end_time")), outputs, error=text)
