# SPDX-License-Identifier: Apache-2.0
"""Run where `nemo-relay[langchain]` is installed: a chain with a model leaves its tree; agents say what they need."""

import importlib.util

from langchain_core.runnables import RunnableLambda

from nemo_relay.integrations import langchain
from nemo_relay.integrations.langchain.testing import ScriptedChatModel
from nemo_relay.testing import capture_events

assert importlib.util.find_spec("langgraph") is None, "a user of plain runnables pays for no graphs"

with capture_events() as captured:
    chain = RunnableLambda(str.upper) | ScriptedChatModel(script=["hello"])
    assert chain.invoke("hi", {"callbacks": [langchain.RelayCallbackHandler()]}).content == "hello"
(root,) = captured.tree().roots
assert [node.category for node in root.walk()].count("llm") == 1, root

hint = ""
try:
    langchain.RelayMiddleware  # noqa: B018
except ImportError as error:
    hint = str(error)
assert 'pip install --find-links dist "nemo-relay-langchain[agents]>=0.12"' in hint, hint
