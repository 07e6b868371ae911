# SPDX-License-Identifier: Apache-2.0
"""What the tests of this adapter share; `events` comes from the folder of all adapters."""

from __future__ import annotations

import deepagents
import pytest

from nemo_relay.integrations.langchain.testing import ScriptedChatModel


@pytest.fixture(scope="session", autouse=True)
def profiles() -> None:
    """Let Deep Agents read its profiles here, from disk, and not in the first test that has an event loop."""
    deepagents.create_deep_agent(ScriptedChatModel(script=["ready"]))


@pytest.fixture(autouse=True)
def no_beta_warning(monkeypatch: pytest.MonkeyPatch) -> None:
    """Deep Agents warns that forks are a beta feature; that is not what these tests are about."""
    monkeypatch.setattr("deepagents.middleware.subagents.warn_beta", lambda **_: None, raising=False)
