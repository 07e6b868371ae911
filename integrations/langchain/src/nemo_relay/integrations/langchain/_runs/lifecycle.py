# SPDX-License-Identifier: Apache-2.0
"""From runs to spans: opening a run's span under the right parent, and ending it exactly once."""

from __future__ import annotations

import asyncio
import atexit
from collections.abc import Callable
from typing import Any, Protocol
from uuid import UUID

from nemo_relay import LLMHandle, LLMRequest, ScopeType, ToolHandle, llm, scope, tools
from nemo_relay.integrations.langchain import _failures
from nemo_relay.integrations.langchain._options import AdapterOptions
from nemo_relay.integrations.langchain._runs import naming, outcomes, table
from nemo_relay.integrations.langchain._runs.claims import Claim
from nemo_relay.integrations.langchain._runs.outcomes import Ending
from nemo_relay.integrations.langchain._runs.table import Handle, Run
from nemo_relay.integrations.langchain._views.capture import capped
from nemo_relay.integrations.langchain._views.payloads import DEGRADED

Start = Callable[[Handle | None], Handle]


class Owner(Protocol):
    """A handler that opens runs."""

    options: AdapterOptions


_REALMS = ("agent", "graph", "subgraph")


def new_run(run_id: UUID, parent: Run | None, kind: str, name: str, owner: Owner) -> Run:
    """A record for the run, not yet in the table."""
    key = table.key_of(run_id)
    run = Run(key=key, kind=kind, name=name, owner=owner, parent=parent, place=table.here())
    run.memory = parent.memory if parent is not None else None
    if run.memory is None:
        run.memory = owner.options.memory()
    run.realm = key if parent is None or kind in _REALMS else parent.realm
    return run


def begin(run_id: UUID, run: Run, start: Start | None, *, under: Handle | None = None) -> bool:
    """Enter ``run`` and open its span with ``start(parent)``; ``None`` makes it transparent.

    A parent that the framework does not name, or that nobody recorded, is ``None`` to ``start``: the core
    then takes the scope that is current where the framework was called. ``under`` is a parent that is nearer
    than the one the framework names.

    Returns:
        Whether it is this call that opened it; False when another handler did.
    """
    if table.lost:
        end_orphans()
    if not table.admit(run_id, run):
        return False
    parent = under or (run.parent.handle if run.parent is not None else None)
    # Hidden until its span is there: should both attempts fail, its children still find theirs above it.
    run.hidden, run.handle = True, parent
    if start is not None:
        run.handle = _started(run_id, run, parent, start)
        run.hidden = False
    if run.parent is None:
        _outlast_no_task(run)
    else:
        _identify(run, run.parent)
    return True


def adopt(run_id: UUID, run: Run, claim: Claim, about: dict[str, Any]) -> bool:
    """Enter ``run``, which is the managed call ``claim``: its span is open, and not this run's to end."""
    if table.lost:
        end_orphans()
    if not table.admit(run_id, run):
        return False
    above = run.parent.handle if run.parent is not None else None
    run.hidden, run.claim, run.handle = True, claim, claim.handle or above
    claim.about = about
    if claim.foreign and run.handle is not None:
        scope.annotate(run.handle, about)
    if run.parent is None:
        _outlast_no_task(run)
    return True


def _identify(run: Run, root: Run) -> None:
    """Say of the outermost run for whom it is made: only from inside one sees the configuration that it was given."""
    while root.parent is not None:
        root = root.parent
    if root.hidden or root.handle is None or "identity" in root.marks:
        return
    who = naming.identity()
    if who and root.first("identity"):
        known = root.handle.metadata or {}
        scope.annotate(root.handle, {name: value for name, value in who.items() if name not in known})


def _outlast_no_task(run: Run) -> None:
    """End a call with its task: LangChain does not tell when a call that is awaited is cancelled.

    Below another run that one's end takes it along. The run id, by which other lost runs are found, is of no help where
    LangSmith's tracing holds on to it.
    """
    if run.is_call and not isinstance(run.place, int):
        task = run.place()
        if task is not None:
            run.on_task_done = lambda done: _failures.guard("task", _task_done, run, done)
            task.add_done_callback(run.on_task_done)


def _task_done(run: Run, task: asyncio.Task[Any]) -> None:
    if not run.is_streaming:  # the rest of a stream may be read elsewhere
        end_run_now(run, cut_off(run, "cancelled" if task.cancelled() else "abandoned"))


def _started(run_id: UUID, run: Run, parent: Handle | None, start: Start) -> Handle:
    try:
        return start(parent)
    except Exception as error:
        _failures.note_failure("start", error)
        return _bare_start(run, parent, {"relay.run_id": str(run_id), "relay.kind": run.kind, **DEGRADED})


def _bare_start(run: Run, parent: Handle | None, metadata: dict[str, Any]) -> Handle:
    """A span without the payload that could not be had."""
    if run.kind == "tool":
        return tools.call(run.name, None, handle=parent, metadata=metadata)
    if run.kind == "llm":
        return llm.call(run.name, LLMRequest({}, None), handle=parent, metadata=metadata)
    return scope.start(run.name, ScopeType.Function, parent=parent, metadata=metadata)


def end_run(run: Run, make: Callable[[], Ending], *, otherwise: str) -> None:
    """End ``run`` with what ``make`` says; if that fails, with the bare outcome ``otherwise``.

    Args:
        run: an open run.
        make: makes its ending from what the framework gave.
        otherwise: ``"ok"``, ``"error"`` or another outcome.
    """
    try:
        ending = make()
    except Exception as error:
        _failures.note_failure("end", error)
        ending = Ending(otherwise, extra=dict(DEGRADED), unwound=otherwise == "error")
    end_run_in_turn(run, ending)


def end_run_in_turn(run: Run, ending: Ending) -> None:
    """End ``run``; while a generator that feeds it is being torn down, as soon as that has ended."""
    if run.pending is not None:
        return
    if ending.closed_early and run.children:
        run.pending = ending
        if run.children:
            return
    end_run_now(run, ending)


def end_run_now(run: Run, ending: Ending) -> None:
    """End ``run`` now. The second call for a run does nothing."""
    if not table.take(run):
        return
    parent = run.parent
    if run.claim is not None:
        _pass_on(run, run.claim, ending)
    if run.children:
        _end_stranded(run, ending)
    try:
        if not run.hidden and run.handle is not None:
            _emit_end(run.handle, _permitted(run, ending))
    finally:
        run.release()
        if parent is not None and parent.pending is not None and not parent.children:
            end_run_now(parent, parent.pending)


def _pass_on(run: Run, claim: Claim, ending: Ending) -> None:
    claim.ending = ending
    if claim.late is not None and claim.handle is None and not claim.refused:
        # The model itself was never asked: a cache has answered.
        _emit_end(claim.late(run.parent.handle if run.parent is not None else None), ending)


def _end_stranded(run: Run, ending: Ending) -> None:
    # Neither a tool nor a model call that is cancelled while it is awaited tells its handlers. Where the run has gone
    # on after that, a stream that nobody has read to its end may still be read.
    reason = str(ending.extra.get("reason", ending.outcome)) if ending.unwound else "cancelled"
    for child in list(run.children.values()):
        if (ending.unwound or (child.is_call and not child.is_streaming)) and table.stranded(child, run):
            end_run_now(child, child.pending or cut_off(child, reason))


def cut_off(run: Run, reason: str) -> Ending:
    """The end of a run that the framework left without one, with what it had streamed until then."""
    ending = outcomes.cancelled(reason, run.stream.partial() if run.stream is not None else None)
    if run.stream is not None:
        ending.extra.update(run.stream.metadata())
    return ending


_PAYLOADS = {"tool": "tool_results", "retriever": "outputs"}  # of the others it is known where they are made


def _permitted(run: Run, ending: Ending) -> Ending:
    """``ending`` with as much of its payload as the options let through. An error is always told."""
    options: AdapterOptions = run.owner.options
    limit, kind = options.max_payload_bytes, _PAYLOADS.get(run.kind)
    if kind is not None and not getattr(options.captured, kind) and ending.outcome != "error":
        ending.data = None
    if limit is not None:
        ending.data, ending.annotated = capped(ending.data, limit), capped(ending.annotated, limit)
    return ending


def _emit_end(handle: Handle, ending: Ending) -> None:
    if isinstance(handle, ToolHandle):
        tools.call_end(handle, ending.data, metadata=ending.metadata)
    elif isinstance(handle, LLMHandle):
        _end_model_call(handle, ending)
    else:
        scope.end(handle, output=ending.data, metadata=ending.metadata)


def _end_model_call(handle: LLMHandle, ending: Ending) -> None:
    try:
        llm.call_end(handle, ending.data, metadata=ending.metadata, annotated_response=ending.annotated)
    except ValueError as error:  # the annotation has no normal form; the answer itself is still there
        _failures.note_failure("annotation", error)
        llm.call_end(handle, ending.data, metadata={**ending.metadata, **DEGRADED})


def mark(run: Run, name: str, data: Any, metadata: dict[str, Any] | None = None) -> None:
    """A mark on the span of ``run``.

    Args:
        run: an open run.
        name: of the mark.
        data: its payload.
        metadata: what else it says.
    """
    scope.event(name, handle=run.handle, data=data, metadata=metadata)


def end_orphans() -> None:
    """End the runs that the framework has lost."""
    while table.lost:
        try:
            run = table.lost.popleft()
        except IndexError:  # another thread was faster
            return
        end_run_now(run, cut_off(run, "abandoned"))


def end_everything() -> None:
    """End what is still open when the process exits; children before parents."""
    for run in reversed(table.open_runs()):
        try:
            end_run_now(run, Ending("abandoned", unwound=False))
        except Exception as error:
            _failures.note_failure("exit", error)


atexit.register(end_everything)
table.watch_orphans(_failures.observed(end_orphans))
