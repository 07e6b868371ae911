# SPDX-License-Identifier: Apache-2.0
"""What a sibling adapter may use of this one: the framework's runs, the guards in front of them, and their failures.

An application needs none of it; the LangGraph and Deep Agents adapters stand on these names.
"""

from __future__ import annotations

from nemo_relay.integrations.langchain import _failures as failures
from nemo_relay.integrations.langchain._calls.tool_node import atool_call, tool_call
from nemo_relay.integrations.langchain._guards import enforcement, gates
from nemo_relay.integrations.langchain._runs import claims, lifecycle, outcomes, table
from nemo_relay.integrations.langchain._runs.naming import HIDDEN_TAG
from nemo_relay.integrations.langchain._runs.table import Run
from nemo_relay.integrations.langchain._views import requests as model_requests

__all__ = [
    "HIDDEN_TAG",
    "Run",
    "atool_call",
    "claims",
    "enforcement",
    "failures",
    "gates",
    "lifecycle",
    "model_requests",
    "outcomes",
    "table",
    "tool_call",
]
