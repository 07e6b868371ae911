# SPDX-License-Identifier: Apache-2.0
"""The names of the published Deep Agents integration: importable from the same place, with the same parameters."""

from __future__ import annotations

import inspect

import nemo_relay.integrations.deepagents as adapter
from nemo_relay.integrations import langchain, langgraph
from nemo_relay.integrations.deepagents import (
    NemoRelayDeepAgentsCallbackHandler,
    NemoRelayDeepAgentsMiddleware,
    add_nemo_relay_integration,
)
from nemo_relay.integrations.langchain.testing import ScriptedChatModel


def test_every_public_name_is_there() -> None:
    assert all(getattr(adapter, name) is not None for name in adapter.__all__)


def test_the_helper() -> None:
    parameters = inspect.signature(add_nemo_relay_integration).parameters
    assert parameters["kwargs"].default is None
    assert parameters["instrument_subagents"].default is True
    assert parameters["instrument_subagents"].kind is inspect.Parameter.KEYWORD_ONLY
    model = ScriptedChatModel(script=["hello"])
    made = add_nemo_relay_integration({"model": model, "name": "a"}, name="b")
    assert (made["model"], made["name"]) == (model, "b")
    assert add_nemo_relay_integration(made)["middleware"] == made["middleware"]


def test_the_middleware() -> None:
    made = NemoRelayDeepAgentsMiddleware(
        name="mine", agent_name="writer", skills=["/skills"], subagents=[{"name": "helper"}], backend_name="State"
    )
    assert isinstance(made, langchain.RelayMiddleware)
    assert made.name == "mine"
    assert NemoRelayDeepAgentsMiddleware().name == "NemoRelayDeepAgentsMiddleware"


def test_the_handler_takes_what_it_is_given() -> None:
    assert isinstance(NemoRelayDeepAgentsCallbackHandler(1, two=3), langgraph.NemoRelayCallbackHandler)
