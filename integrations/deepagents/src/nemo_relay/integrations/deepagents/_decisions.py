# SPDX-License-Identifier: Apache-2.0
"""Reviews as the callbacks pass: a node asks, the graph goes on, the node says what came of it."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from nemo_relay.integrations.langchain.adapter import (
    Run,
    RunNotes,
    ending_of,
    find_open_run,
    find_run,
    interrupts_of,
    mark,
)

from . import _agents, _resumptions, _reviews
from ._notes import Bounded
from ._resumptions import Resumption
from ._reviews import Review

# As long as the framework holds on to the run id, and no longer.
_asking: RunNotes[Review] = RunNotes()
_resumed: Bounded[int, Resumption] = Bounded()  # by the run that was resumed


def node_starts(run_id: UUID, inputs: Any, metadata: dict[str, Any]) -> None:
    """Remember which tool calls a node may ask about."""
    run = find_open_run(run_id)
    if run is None or run.kind not in ("node", "middleware_hook"):
        return
    review = _reviews.review(inputs, metadata)
    if review is not None:
        _asking.put(run_id, review)


def run_fails(run_id: UUID, error: BaseException) -> None:
    """A run raised: a node that paused asks about its calls; a resumed graph is over."""
    review = _asking.pop(run_id)
    if review is not None and ending_of(error).outcome == "interrupted":
        for pause in interrupts_of(error):
            _resumptions.ask(review, str(pause.id))
    _close(run_id)


def run_ends(run_id: UUID, outputs: Any) -> None:
    """A run returned: a node that asked has gone on; a resumed graph is over."""
    review, run = _asking.pop(run_id), find_run(run_id)
    if review is not None and run is not None:
        _explain(run, review, outputs)
    _close(run_id)


def graph_resumes(run: Run, found: Resumption) -> None:
    """A graph goes on with these answers; the nodes that asked will see here what was decided."""
    _resumed.put(run.key, found)
    if found.is_complete:
        _mark(run, found)


def _explain(run: Run, review: Review, outputs: Any) -> None:
    """Say which calls will not run, and, where nobody knew it, what the answers were about."""
    top = _resumed_above(run)
    found = _resumed.get(top.key) if top is not None else None
    if top is None or found is None or run.parent is None:
        return
    place = review.interrupt_id if review.interrupt_id in found.answers else None
    decisions = found.answers.get(place)
    if decisions is None or not run.first("review") or (place is None and None in found.known):
        return
    known = found.known.get(place) or _reviews.settled(decisions, review.calls, outputs)
    if place not in found.known:
        found.known[place] = known
    for shown in _reviews.decided(place, decisions, known):
        if shown["type"] in _reviews.SKIPPED:
            mark(run.parent, "tool.skipped", shown, dict(_agents.INTEGRATION))
    if found.is_complete:
        _mark(top, found)


def _close(run_id: UUID) -> None:
    """A resumed run is over: tell what is known of answers that no node explained."""
    found, run = _resumed.take(run_id.int), find_run(run_id)
    if found is not None and run is not None:
        _mark(run, found)


def _mark(run: Run, found: Resumption) -> None:
    if run.first(found.key):
        mark(run, found.name, found.mark_data(), found.metadata)


def _resumed_above(run: Run) -> Run | None:
    above: Run | None = run
    while above is not None and _resumed.get(above.key) is None:
        above = above.parent
    return above
