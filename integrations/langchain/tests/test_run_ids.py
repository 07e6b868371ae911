# SPDX-License-Identifier: Apache-2.0
"""Run ids of any type (A4): what LangChain takes, the adapter takes."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import pytest

from nemo_relay.integrations.langchain import RelayCallbackHandler, RelayMiddleware
from nemo_relay.integrations.langchain.testing import ScriptedChatModel
from nemo_relay.testing import CapturedEvents

from .agents import agent, run


@pytest.mark.parametrize("mode", ["invoke", "ainvoke", "stream", "astream"])
@pytest.mark.parametrize("run_id", ["some text", 7, ("a", 1), 2.5, object()], ids=lambda given: type(given).__name__)
@pytest.mark.parametrize("which", ["handler", "middleware"])
async def test_a4_a_run_id_of_any_type(events: CapturedEvents, mode: str, run_id: Any, which: str) -> None:
    graph = agent(*([RelayMiddleware()] if which == "middleware" else []))
    state = await run(graph, mode, run_id=run_id, callbacks=[RelayCallbackHandler()] if which == "handler" else [])
    assert state["messages"][-1].content == "it is sunny"
    names = [node.name for node in events.tree().walk()]
    assert names == ["A", "model", "scripted", "tools", "weather", "model", "scripted"]
    model = ScriptedChatModel(script=["hi"])
    for _ in range(2):  # LangChain itself takes no other text here than that of a UUID
        own: Any = str(uuid4())
        assert model.invoke("x", {"run_id": own, "callbacks": [RelayCallbackHandler()]}).content == "hi"
    assert len(events.starts(category="llm")) == 4
