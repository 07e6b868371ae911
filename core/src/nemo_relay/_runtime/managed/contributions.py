# SPDX-License-Identifier: Apache-2.0
"""Optimisation contributions of a managed LLM call: a mark for each, and their summary in the end event."""

from __future__ import annotations

from typing import Any

from nemo_relay._runtime import clock, ids
from nemo_relay._runtime.emission import emit as lifecycle
from nemo_relay._runtime.log import faults
from nemo_relay._runtime.tree.spans import LLMHandle
from nemo_relay_codecs.model.contributions import DATA_SCHEMA, MARK_NAME, Contributions

_MICROSECOND = 1_000


def emit(span: LLMHandle, offered: list[dict[str, Any]], ns: int) -> None:
    """Accept what request intercepts offered, within the limits, and emit a mark for each from ``ns`` on."""
    contributions = span.contributions = Contributions(lambda: ids.source(clock.source()))
    for item in offered:
        try:
            data = contributions.offer(item)
        except ValueError as error:  # changed since the intercept made it
            faults.report("optimization_marks_skipped", error, span=span.name)
            continue
        if data is not None:
            lifecycle.mark(
                MARK_NAME,
                span,
                data=data,
                data_schema=DATA_SCHEMA,
                category="custom",
                profile={"subtype": MARK_NAME},
                ns=ns + data["sequence"] * _MICROSECOND,
            )


def attach(span: LLMHandle, annotated: Any, *, interrupted: bool) -> Any:
    """``annotated`` with the summary of the call's contributions; made for it where there is none."""
    contributions: Contributions | None = span.contributions
    if contributions is None:
        return annotated
    return contributions.attach(annotated, requested_model=span.model_name, interrupted=interrupted)
