# SPDX-License-Identifier: Apache-2.0
"""``status``: a guardrail that nothing asks is told, and logged once."""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from nemo_relay.integrations.langchain import (
    AdapterOptions,
    RelayCallbackHandler,
    RelayGuardrailMiddleware,
    RelayMiddleware,
    instrument,
    status,
    uninstrument,
    wrap_chat_model,
    wrap_tool,
)
from nemo_relay.integrations.langchain._guards import gates
from nemo_relay.integrations.langchain.testing import ScriptedChatModel
from nemo_relay.testing import CapturedEvents

from .agents import ASK, agent, intercepting, llm_guardrail, tool_guardrail, weather


@pytest.fixture(autouse=True)
def no_gates(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Other tests leave middleware behind until it is collected."""
    kept = dict(gates._gates)
    gates._gates.clear()
    monkeypatch.setattr(gates, "_reported", set())
    yield
    gates._gates.update(kept)


GATES: dict[str, tuple[Any, set[str]]] = {  # what is made, and which registrations it leads to
    "middleware": (RelayMiddleware, {"tool guardrail", "llm guardrail", "tool intercept", "llm intercept"}),
    "guardrail middleware": (RelayGuardrailMiddleware, {"tool guardrail", "tool intercept"}),
    "handler": (RelayCallbackHandler, {"tool guardrail", "llm guardrail"}),
    "observer": (lambda: RelayCallbackHandler(AdapterOptions(enforce_in_callbacks=False)), set()),
    "tool": (lambda: wrap_tool(weather), {"tool guardrail", "tool intercept"}),
    "model": (lambda: wrap_chat_model(ScriptedChatModel(script=["x"])), {"llm guardrail", "llm intercept"}),
}


@pytest.mark.parametrize("name", GATES)
def test_a_gate_leads_to_what_it_can_ask_as_long_as_it_lives(
    name: str, collected: Callable[[Callable[[], bool]], bool]
) -> None:
    make, passages = GATES[name]
    gate = make()
    assert set(status().gates) == passages
    del gate
    assert collected(lambda: status().gates == {})


def test_nothing_registered_is_well() -> None:
    found = status()
    assert (found.state, found.reason, found.registered) == ("ok", None, {})


def test_a_guardrail_without_a_gate(capsys: pytest.CaptureFixture[str]) -> None:
    with tool_guardrail(lambda name, args: None):
        found = status()
        assert found.state == "degraded"
        assert found.reason is not None
        assert "tool guardrail 'g'" in found.reason
        assert "RelayMiddleware" in found.reason
        assert found.registered == {"tool guardrail": ["g"]}
        status()
        assert capsys.readouterr().err.count("nothing_asks") == 1
        middleware = RelayMiddleware()
        assert status().state == "ok"
        assert status().gates["tool guardrail"] == {type(middleware).__name__: 1}


def test_an_intercept_needs_more_than_a_handler() -> None:
    handler = RelayCallbackHandler()
    with intercepting("llm_execution", lambda *_: None), llm_guardrail(lambda request: None):
        found = status()
        assert found.state == "degraded"
        assert found.reason is not None
        assert "llm intercept 'i'" in found.reason
        assert "guardrail 'g'" not in found.reason
    assert handler.options.enforce_in_callbacks


def test_instrument_is_a_gate() -> None:
    with tool_guardrail(lambda name, args: None):
        instrument()
        try:
            assert status().state == "ok"
        finally:
            uninstrument()
        gc.collect()
        assert status().state == "degraded"


def test_a_run_that_nothing_guards_says_so(events: CapturedEvents, capsys: pytest.CaptureFixture[str]) -> None:
    """Whoever never asks for the status reads it in the log, once."""
    handler = RelayCallbackHandler(AdapterOptions(enforce_in_callbacks=False))
    with tool_guardrail(lambda name, args: "no"):
        for _ in range(2):
            agent().invoke(ASK, {"callbacks": [handler]})
    (record,) = capsys.readouterr().err.splitlines()
    assert "tool guardrail 'g'" in record
