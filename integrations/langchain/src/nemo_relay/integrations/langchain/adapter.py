# SPDX-License-Identifier: Apache-2.0
"""What an adapter that stands on this one may use; the LangGraph and Deep Agents adapters do. No application needs it.

=================  ===============================================================================================
runs               ``Run``, ``Handle``, ``find_run``, ``find_open_run``, ``open_runs``; ``RunNotes``
endings            ``Ending``, ``ending_of``, ``tool_returned``, ``interrupts_of``, ``end_run``
marks              ``mark``: something that happened in a run
guardrails         ``open_gate``, ``close_gate``, ``*_PASSAGES``: what leads calls to them; ``ask_for_model``
managed calls      ``tool_call``, ``atool_call``; ``outside_managed_calls`` hides the one that is running
requests           ``chat_request``, ``model_name``, ``provider_name``: what a model callback says of its call
failures           ``guard``, ``attempt``, ``note_failure``: what goes wrong in an observer stays there; ``unguarded``
public paths       ``claim_public_path``: where what an adapter exports says it lives
=================  ===============================================================================================
"""

from __future__ import annotations

from nemo_relay.integrations.langchain._calls.tool_node import atool_call, tool_call
from nemo_relay.integrations.langchain._failures import attempt, guard, note_failure, unguarded
from nemo_relay.integrations.langchain._guards.enforcement import ask_for_model
from nemo_relay.integrations.langchain._guards.gates import (
    GUARDRAIL_PASSAGES,
    LLM_PASSAGES,
    TOOL_PASSAGES,
    close_gate,
    open_gate,
)
from nemo_relay.integrations.langchain._public import claim_public_path
from nemo_relay.integrations.langchain._runs.claims import outside_managed_calls
from nemo_relay.integrations.langchain._runs.lifecycle import end_run, mark
from nemo_relay.integrations.langchain._runs.naming import HIDDEN_TAG
from nemo_relay.integrations.langchain._runs.outcomes import Ending, ending_of, interrupts_of, tool_returned
from nemo_relay.integrations.langchain._runs.table import Handle, Run, RunNotes, find_open_run, find_run, open_runs
from nemo_relay.integrations.langchain._views.requests import chat_request, model_name, provider_name

__all__ = [
    "Ending",
    "GUARDRAIL_PASSAGES",
    "HIDDEN_TAG",
    "Handle",
    "LLM_PASSAGES",
    "Run",
    "RunNotes",
    "TOOL_PASSAGES",
    "ask_for_model",
    "attempt",
    "atool_call",
    "chat_request",
    "close_gate",
    "end_run",
    "ending_of",
    "find_open_run",
    "find_run",
    "guard",
    "interrupts_of",
    "mark",
    "model_name",
    "note_failure",
    "open_gate",
    "open_runs",
    "outside_managed_calls",
    "provider_name",
    "claim_public_path",
    "tool_call",
    "tool_returned",
    "unguarded",
]

claim_public_path(__name__, globals(), __all__)
