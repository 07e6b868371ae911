# SPDX-License-Identifier: Apache-2.0
"""Events of an adapter's test, checked when it is over: each start with one end, nothing left in the run table."""

from __future__ import annotations

import gc
from collections.abc import Iterator

import pytest
from langsmith.utils import tracing_is_enabled

from nemo_relay.integrations.langchain import callback_failures
from nemo_relay.integrations.langchain._runs.table import counts
from nemo_relay.testing import CapturedEvents, capture_events, check_lifecycles


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """LangChain leaves the coroutine of LangSmith's tracer unawaited where a handler of ours lets a refusal through."""
    if tracing_is_enabled():
        for item in items:
            item.add_marker(pytest.mark.filterwarnings("ignore:coroutine 'ahandle_event':RuntimeWarning"))
            unraisable = "ignore:.*ahandle_event:pytest.PytestUnraisableExceptionWarning"
            item.add_marker(pytest.mark.filterwarnings(unraisable))


@pytest.fixture(scope="session", autouse=True)
def _only_own_garbage() -> None:
    """The frameworks' modules are a million objects that no test frees: collecting garbage need not look at them."""
    gc.collect()
    gc.freeze()


@pytest.fixture
def events() -> Iterator[CapturedEvents]:
    before = callback_failures()
    with capture_events() as captured:
        yield captured
    gc.collect()
    check_lifecycles(captured.events)
    assert counts()[0] == 0
    assert callback_failures() == before
