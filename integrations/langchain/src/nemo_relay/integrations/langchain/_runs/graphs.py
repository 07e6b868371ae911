# SPDX-License-Identifier: Apache-2.0
"""What only a whole run tells: attempts, routes, and the end of a graph that pauses or is closed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from nemo_relay import scope
from nemo_relay.integrations.langchain._runs import lifecycle, outcomes, states
from nemo_relay.integrations.langchain._runs.claims import Claim
from nemo_relay.integrations.langchain._runs.outcomes import Ending
from nemo_relay.integrations.langchain._runs.table import Run

_RETRY_TAG = "retry:attempt:"
TASKS = ("node", "middleware_hook", "task")  # what LangGraph schedules, and may try again


def attempt(run: Run, metadata: dict[str, Any], tags: Sequence[str]) -> dict[str, Any]:
    """Which attempt of the same work ``run`` is; a later one leaves the mark ``retry`` before it starts.

    LangChain tags the attempts of ``with_retry``. A node that LangGraph tries again keeps its task's
    namespace.
    """
    if run.parent is None:
        return {}
    tagged = ""
    for tag in tags:
        if tag.startswith(_RETRY_TAG):
            tagged = tag.removeprefix(_RETRY_TAG)
            break
    if tagged.isdigit():
        number, key = int(tagged), "relay.attempt"
    elif run.kind in TASKS:
        number, key = _count(run.parent, _namespace(metadata)), "node_attempt"
    else:
        return {}
    if number > 1:
        error = run.parent.failed.get(_namespace(metadata), run.parent.last_error)
        lifecycle.mark(run.parent, "retry", {"attempt": number, "name": run.name, "error": describe(error)})
    return {key: number}


def again(run: Run, claim: Claim) -> dict[str, Any]:
    """The further attempt that ``run`` is, inside a managed call that has asked a model already."""
    claim.attempts += 1
    number = claim.attempts + 1
    before = claim.ending.data if claim.ending is not None else None
    error = before.get("error") if isinstance(before, dict) else None
    if claim.handle is not None:
        scope.event("retry", handle=claim.handle, data={"attempt": number, "name": run.name, "error": error})
    return {"relay.attempt": number}


def _namespace(metadata: Any) -> str:
    return str(metadata.get("langgraph_checkpoint_ns")) if isinstance(metadata, dict) else ""


def _count(parent: Run, namespace: str) -> int:
    parent.attempts[namespace] = number = parent.attempts.get(namespace, 0) + 1
    return number


def note_error(run: Run, error: BaseException) -> None:
    """Remember for the parent why its child failed, and for a graph which interrupts its nodes wait for."""
    parent = run.parent
    if parent is None:
        return
    parent.last_error = error
    if run.kind in TASKS and run.handle is not None and not run.hidden:
        parent.failed[_namespace(run.handle.metadata)] = error  # others of the same step may fail meanwhile
    if run.kind in ("node", "middleware_hook"):
        ending = outcomes.ending_of(error)
        if ending.outcome == "interrupted":
            pause(parent, ending.extra.get("relay.interrupt_ids", []))
            parent.paused_nodes[run.name] = None


def pause(run: Run, ids: Sequence[str]) -> None:
    """Note that the graph ``run`` waits for these interrupts; with none it stopped before or after a node."""
    run.interrupts = {**(run.interrupts or {}), **dict.fromkeys(ids)}


def error_ending(run: Run, error: BaseException) -> Ending:
    """The end of a chain that raised ``error``; a graph that its consumer left when it had paused has paused."""
    ending = outcomes.ending_of(error)
    if run.interrupts and isinstance(error, GeneratorExit):
        paused = outcomes.interrupted(list(run.interrupts), None)
        ending.outcome, ending.extra = paused.outcome, {**ending.extra, **paused.extra}
    return ending


def chain_ending(run: Run, outputs: Any, kwargs: dict[str, Any]) -> Ending:
    """The end of a chain that returned ``outputs``."""
    data, flag = states.returned(run, outputs)
    ending = _outcome_of(run, data, kwargs)
    ending.extra.update(flag)
    return ending


def _outcome_of(run: Run, data: Any, kwargs: dict[str, Any]) -> Ending:
    if run.interrupts is not None:
        return outcomes.interrupted(list(run.interrupts), data)
    ending = outcomes.ok(data)
    if "inputs" in kwargs:  # only the streaming drivers of LangChain's runnables send the input again
        if run.children or (run.parent is not None and run.parent.pending is not None):
            # They swallow the closing of their generator and report a normal end, with their source still
            # open.
            ending = outcomes.cancelled("consumer_closed", data, unwound=False, closed_early=True)
        if run.deferred:
            shown, draft = states.given(run, kwargs["inputs"])
            if draft is not None:
                ending.extra["relay.input"] = shown
    return ending


def route(run: Run, outputs: Any, owner: object) -> None:
    """The mark ``graph.route`` on the graph, for a router that returned."""
    if run.kind != "router" or run.parent is None or run.owner is not owner:
        return
    node = run.parent
    targets = outputs if isinstance(outputs, (list, tuple)) else [outputs]
    names = [getattr(target, "node", None) or str(target) for target in targets]
    lifecycle.mark(node.parent or node, "graph.route", {"from": node.name, "to": names})


def is_placeholder(inputs: Any) -> bool:
    """Whether LangChain's streaming driver stands in for an input that it has not read yet."""
    return type(inputs) is dict and len(inputs) == 1 and type(inputs.get("input")) is str and not inputs["input"]


def resumption(inputs: Any) -> Any:
    """The answer a graph is resumed with; None when it is not."""
    return getattr(inputs, "resume", None) if type(inputs).__name__ == "Command" else None


def describe(error: BaseException | None) -> dict[str, str] | None:
    """An error as a mark shows it."""
    return None if error is None else {"type": type(error).__name__, "message": outcomes.message_of(error)}


def retry(state: Any) -> dict[str, Any]:
    """What the mark ``retry`` says of a model integration that is about to try again."""
    outcome, action = state.outcome, state.next_action
    error = outcome.exception() if outcome is not None and outcome.failed else None
    sleep = action.sleep if action is not None else None
    return {"attempt": state.attempt_number, "error": describe(error), "next_sleep": sleep}
