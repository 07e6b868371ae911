# SPDX-License-Identifier: Apache-2.0
"""The safety net: the callbacks ask the guardrails for each call that no managed call has asked them for."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import nullcontext
from contextvars import copy_context
from typing import Any
from uuid import UUID

from nemo_relay import LLMRequest, llm, scope, tools
from nemo_relay.errors import GuardrailRejected
from nemo_relay.integrations.langchain._failures import note_failure, verdict
from nemo_relay.integrations.langchain._guards import refusals, withholding
from nemo_relay.integrations.langchain._options import AdapterOptions
from nemo_relay.integrations.langchain._runs import claims, resolver, table
from nemo_relay.integrations.langchain._runs.table import Handle


def ask_for_tool(
    name: str, args: Any, run_id: UUID, parent_run_id: UUID | None, tool_call_id: str | None, options: AdapterOptions
) -> None:
    """Let the tool guardrails decide about a run that is about to start.

    Raises:
        GuardrailRejected: one refused.
        Exception: one raised; what it would have decided nobody knows, so the call does not happen.
    """
    above, own = resolver.parent_key(parent_run_id), table.key_of(run_id)
    if table.find_run(run_id) is not None or claims.take("tool", own, name, tool_call_id, above)[0] is not None:
        return
    key = refusals.key_of(above, name, tool_call_id, args)
    known = refusals.recall(key)
    if known is not None:
        raise known
    parent = _handle(parent_run_id)
    try:
        _decide(parent, lambda: tools.conditional_execution(name, args))
    except GuardrailRejected as refusal:
        refusals.announce(refusal, parent, tool_call_id, withholding.arguments(args, options))
        refusals.remember(key, refusal)
        raise


def ask_for_model(name: str, content: Callable[[], dict[str, Any]], run_id: UUID, parent_run_id: UUID | None) -> None:
    """Let the LLM guardrails decide about a run that is about to start. Raises as ``ask_for_tool`` does.

    Args:
        name: the provider.
        content: makes the body of the request that guardrails see.
        run_id: the run that is about to start; one that was decided about already is not asked for again.
        parent_run_id: the run that it belongs to.

    Raises:
        GuardrailRejected: a guardrail refused; the model is not called.
    """
    if table.find_run(run_id) is not None or claims.take("llm", table.key_of(run_id), name)[0] is not None:
        return
    parent = _handle(parent_run_id)
    try:
        view = _view(content)
        _decide(parent, lambda: llm.conditional_execution(LLMRequest({}, view)))
    except GuardrailRejected as refusal:
        refusals.announce(refusal, parent, None, None)
        raise


def _view(content: Callable[[], dict[str, Any]]) -> dict[str, Any] | None:
    """What the guardrails get to see; None for a request that refuses to be looked at."""
    try:
        return content()
    except Exception as error:
        note_failure("request", error)
        return None


def _handle(run_id: UUID | None) -> Handle | None:
    run = resolver.parent_of(run_id)
    return run.handle if run is not None else None


def _decide(parent: Handle | None, ask: Callable[[], Any]) -> None:
    try:
        _asked(parent, ask)
    except Exception as error:  # what it would have decided nobody knows, so the call does not happen
        raise verdict(error)  # noqa: B904 - the very error that the application is to see


def _asked(parent: Handle | None, ask: Callable[[], Any]) -> None:
    with scope.use(parent) if parent is not None else nullcontext():
        waiting = ask()
        if waiting is None:
            return
        # Inside a running loop. LangChain's callbacks cannot be awaited in their place, and plain guardrails
        # need not be.
        try:
            waiting.send(None)
        except StopIteration:
            return
        waiting.close()
        _decide_elsewhere(ask)


def _decide_elsewhere(ask: Callable[[], Any]) -> None:
    """Ask a guardrail that awaits, on a thread without a loop, and wait: the call must not start before it answers."""
    raised: list[BaseException] = []

    def run() -> None:
        try:
            ask()
        except BaseException as error:
            raised.append(error)

    thread = threading.Thread(target=copy_context().run, args=(run,), name="nemo-relay-guardrail", daemon=True)
    thread.start()
    thread.join()
    if raised:
        raise raised[0]
