# SPDX-License-Identifier: Apache-2.0
"""A model call as the callbacks tell of it: what was asked, and what came back."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from langchain_core.messages import BaseMessage
from langchain_core.outputs import LLMResult

from nemo_relay import subscribers
from nemo_relay.integrations.langchain._runs import naming, outcomes
from nemo_relay.integrations.langchain._runs.table import Run
from nemo_relay.integrations.langchain._views import requests
from nemo_relay.integrations.langchain._views.conversations import Turn, turn
from nemo_relay.integrations.langchain._views.payloads import DEGRADED
from nemo_relay.integrations.langchain._views.responses import Answer


class Asked:
    """What a model callback says of the call, whichever kind of model it is."""

    def __init__(
        self,
        run_id: UUID,
        parent_run_id: UUID | None,
        tags: list[str] | None,
        metadata: dict[str, Any],
        kwargs: dict[str, Any],
    ) -> None:
        self.run_id = run_id
        self.parent_run_id = parent_run_id
        self.tags = tags
        self.metadata = metadata
        self.params: dict[str, Any] = kwargs.get("invocation_params") or {}
        self.name: str | None = kwargs.get("name")
        self.model = requests.model_name(self.params, metadata)
        self.batch = {"batch_size": kwargs["batch_size"]} if "batch_size" in kwargs else {}

    def described(self, about: dict[str, Any]) -> dict[str, Any]:
        """The start metadata of the call."""
        return naming.start_metadata(self.run_id, self.parent_run_id, "llm", self.tags, about)


def request_shown(
    run: Run, messages: Sequence[BaseMessage], asked: Asked, parent: Any
) -> tuple[dict[str, Any] | None, dict[str, Any], Turn | None]:
    """The request of a model run as its event shows it: what no earlier one of the same agent has shown.

    Args:
        run: the run.
        messages: the whole conversation.
        asked: what the callback says of the call.
        parent: the span above it.

    Returns:
        The view, or None where nobody hears of it; metadata that says so if a part of it could not be looked at;
        the turn of the conversation, to be committed when the event is out.
    """
    if run.memory is None or not subscribers.is_heard(parent):
        return None, {}, None
    made = turn(run.memory, run.realm, messages)
    content = requests.content_of(made, {"model": asked.model}, requests.named_params(asked.params))
    return content, DEGRADED if made.degraded else {}, made


def answered(run: Run, ending: outcomes.Ending, response: Any) -> outcomes.Ending:
    """``ending`` with what the model said and how it streamed."""
    stats = run.stream
    model = stats.model if stats is not None else None
    result = response if isinstance(response, LLMResult) else None
    answer = Answer(result, model, run.memory, streamed=run.is_streaming)
    ending.extra.update(answer.metadata())
    if stats is not None:
        ending.extra.update(stats.metadata())
    if _is_told_elsewhere(run, ending) or not subscribers.is_heard(run.handle):
        return ending
    partial = stats.partial() if stats is not None and run.owner.options.captured.responses else None
    failure = ending.data if ending.outcome == "error" else None
    ending.data = {**(answer.data() or partial or {}), **(failure or {})} or None
    ending.annotated = answer.annotation()
    return ending


def _is_told_elsewhere(run: Run, ending: outcomes.Ending) -> bool:
    """Whether the managed call that this run is shows the answer itself: all but what a cache said in its place."""
    return run.claim is not None and run.claim.late is None and ending.outcome == "ok"
