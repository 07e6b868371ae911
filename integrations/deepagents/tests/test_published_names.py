# SPDX-License-Identifier: Apache-2.0
"""The names of the published Deep Agents integration: importable from the same place, with the same parameters."""

from __future__ import annotations

import inspect
from importlib import import_module

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


def test_c3_the_module_paths_of_the_published_package() -> None:
    from nemo_relay.integrations.deepagents import callbacks, middleware

    assert callbacks.NemoRelayDeepAgentsCallbackHandler is adapter.NemoRelayDeepAgentsCallbackHandler
    assert middleware.NemoRelayDeepAgentsMiddleware is adapter.NemoRelayDeepAgentsMiddleware


def test_what_is_public_says_where_it_is() -> None:
    for name in ("RelayDeepAgentsCallbackHandler", "RelayDeepAgentsMiddleware", "add_nemo_relay_integration"):
        value = getattr(adapter, name)
        assert "._" not in value.__module__, name
        assert getattr(import_module(value.__module__), value.__name__) is value


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
