# SPDX-License-Identifier: Apache-2.0
"""What a run is given and what it returns, as its events show it."""

from __future__ import annotations

from typing import Any

from nemo_relay import subscribers
from nemo_relay.integrations.langchain._runs.table import Run
from nemo_relay.integrations.langchain._views.payloads import DEGRADED
from nemo_relay.integrations.langchain._views.states import Draft


def given(run: Run, inputs: Any) -> tuple[Any, Draft | None]:
    """What ``run`` is given, as its start event shows it; the draft is to be committed when that is out."""
    options, memory = run.owner.options, run.memory
    if memory is None or not options.captured.inputs or not subscribers.is_heard(_above(run)):
        return None, None
    draft = Draft(memory, run.realm)
    return draft.state(inputs), draft


def returned(run: Run, outputs: Any) -> tuple[Any, dict[str, Any]]:
    """What ``run`` returned, as its end event shows it, and metadata that says so if it could not be looked at."""
    options, memory = run.owner.options, run.memory
    if memory is None or run.hidden or not options.captured.outputs or not subscribers.is_heard(run.handle):
        return None, {}
    draft = Draft(memory, run.realm, final=run.kind in ("agent", "graph"))
    made = draft.result(outputs)
    draft.commit(run.handle)
    return made, DEGRADED if draft.degraded else {}


def _above(run: Run) -> Any:
    return run.parent.handle if run.parent is not None else None
