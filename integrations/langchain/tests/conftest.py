# SPDX-License-Identifier: Apache-2.0
"""What the tests of this adapter share; `events` comes from the folder of all adapters."""

from __future__ import annotations

import pytest

from nemo_relay.integrations.langchain import RelayCallbackHandler


@pytest.fixture
def handler() -> RelayCallbackHandler:
    return RelayCallbackHandler()
