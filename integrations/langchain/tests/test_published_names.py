# SPDX-License-Identifier: Apache-2.0
"""The names of the published LangChain integration: importable from the same place, and doing what they are said to."""

from __future__ import annotations

import inspect
import pickle
from typing import Any

import pytest
from langchain.agents import create_agent
from langchain.agents.middleware import AgentMiddleware
from langchain_core.callbacks import BaseCallbackHandler

import nemo_relay.integrations.langchain as adapter
from nemo_relay.integrations.langchain import NemoRelayCallbackHandler, NemoRelayMiddleware
from nemo_relay.integrations.langchain.testing import ScriptedChatModel
from nemo_relay.testing import CapturedEvents, expect_tree

from .agents import ASK, calling, weather


def test_every_public_name_is_there() -> None:
    assert {"NemoRelayCallbackHandler", "NemoRelayMiddleware"} <= set(adapter.__all__)
    assert all(getattr(adapter, name) is not None for name in adapter.__all__)
    assert set(adapter.__all__) <= set(dir(adapter))
    with pytest.raises(AttributeError, match="'nothing'"):
        adapter.nothing  # noqa: B018


def test_the_handler() -> None:
    handler = NemoRelayCallbackHandler()
    assert isinstance(handler, BaseCallbackHandler)
    assert handler.run_inline is True


def test_the_middleware() -> None:
    assert issubclass(NemoRelayMiddleware, AgentMiddleware)
    assert NemoRelayMiddleware().name == "NemoRelayMiddleware"
    assert NemoRelayMiddleware(name="mine").name == "mine"
    assert inspect.signature(NemoRelayMiddleware).parameters["name"].kind is inspect.Parameter.KEYWORD_ONLY
    for hook in ("wrap_model_call", "awrap_model_call", "wrap_tool_call", "awrap_tool_call"):
        assert getattr(NemoRelayMiddleware, hook) is not getattr(AgentMiddleware, hook)


@pytest.mark.parametrize("mode", ["invoke", "ainvoke"])
async def test_as_a_program_for_the_published_package_uses_them(events: CapturedEvents, mode: str) -> None:
    model = ScriptedChatModel(script=[calling(("weather", {"city": "Paris"})), "it is sunny"])
    agent: Any = create_agent(model, [weather], name="A", middleware=[NemoRelayMiddleware()])
    config = {"callbacks": [NemoRelayCallbackHandler()]}
    state = agent.invoke(ASK, config) if mode == "invoke" else await agent.ainvoke(ASK, config)
    assert state["messages"][-1].content == "it is sunny"
    expect_tree(
        events.tree(),
        """
        agent:A {ok}
            function:model
                llm:scripted {ok}
            function:tools
                tool:weather {ok, tool_call_id=c1}
            function:model
                llm:scripted {ok}
        """,
    )


def test_what_is_public_says_where_it_is() -> None:
    from nemo_relay.integrations.langchain import adapter as siblings
    from nemo_relay.integrations.langchain import callbacks, middleware

    for module in (adapter, siblings, callbacks, middleware):
        for name in module.__all__:
            value = getattr(module, name)
            home = getattr(value, "__module__", "") or ""
            assert not any(part.startswith("_") for part in home.split(".")), f"{module.__name__}.{name}: {home}"
            if isinstance(value, type):
                assert pickle.loads(pickle.dumps(value)) is value


def test_c3_the_module_path_of_the_published_package() -> None:
    from nemo_relay.integrations.langchain.callbacks import NemoRelayCallbackHandler

    assert NemoRelayCallbackHandler is adapter.NemoRelayCallbackHandler
    assert NemoRelayCallbackHandler.__module__ == "nemo_relay.integrations.langchain.callbacks"
