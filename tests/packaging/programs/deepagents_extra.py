# SPDX-License-Identifier: Apache-2.0
"""Run where `nemo-relay[deepagents]` is installed: the tree of a deep agent holds the subagent it called."""

from langchain_core.messages import AIMessage

from nemo_relay.integrations.deepagents import NemoRelayDeepAgentsCallbackHandler, create_deep_agent
from nemo_relay.integrations.langchain.testing import ScriptedChatModel
from nemo_relay.testing import capture_events

task = {"name": "task", "args": {"description": "look", "subagent_type": "scout"}, "id": "t1"}
main = ScriptedChatModel(script=[AIMessage("", tool_calls=[task]), "done"])
scout = {"name": "scout", "description": "looks", "system_prompt": "look", "model": ScriptedChatModel(script=["seen"])}
agent = create_deep_agent(model=main, subagents=[scout], name="crew")

with capture_events() as captured:
    config = {"callbacks": [NemoRelayDeepAgentsCallbackHandler()]}
    assert agent.invoke({"messages": [("user", "go")]}, config)["messages"][-1].content == "done"

(root,) = captured.tree().roots
agents = [node.name for node in root.walk() if node.category == "agent"]
assert agents == ["crew", "scout"], agents
