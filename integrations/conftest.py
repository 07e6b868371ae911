# SPDX-License-Identifier: Apache-2.0
"""Events of an adapter's test, checked when it is over: each start with one end, nothing left in the run table.

Nothing there means: no run is open, and none that is over is held.

`--scope-stack explicit|thread|imported` runs each test on a scope stack that somebody carries by hand. Tests with the
marker `every_scope_stack` are always run on each of them.
"""

from __future__ import annotations

import functools
import gc
import inspect
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any
from uuid import UUID

import pytest
from langsmith.utils import tracing_is_enabled

from nemo_relay import (
    PropagationContext,
    create_scope_stack,
    create_scope_stack_from_propagation,
    set_thread_scope_stack,
    use_scope_stack,
)
from nemo_relay._native import capture_thread_scope_stack, restore_thread_scope_stack
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


REMOTE = PropagationContext(str(UUID(int=1)), str(UUID(int=2)), 1, f"00-{1:032x}-{2:016x}-01")  # of another process


def _collected(gone: Callable[[], bool]) -> bool:
    """Whether ``gone()`` comes true once garbage is collected; what a thread still holds goes with its next step."""
    for _ in range(100):
        gc.collect()
        if gone():
            return True
        time.sleep(0.01)
    return False


@pytest.fixture
def collected() -> Callable[[Callable[[], bool]], bool]:
    """Collects garbage until a condition holds, and says whether it does."""
    return _collected


@pytest.fixture
def events() -> Iterator[CapturedEvents]:
    before, (_, known) = callback_failures(), counts()
    with capture_events() as captured:
        yield captured
    # LangSmith's tracing holds on to what it has not sent, and nobody is at its endpoint.
    forgotten = tracing_is_enabled() or _collected(lambda: counts()[1] <= known)
    gc.collect()
    check_lifecycles(captured.events, outside=[REMOTE.parent_uuid])
    assert counts()[0] == 0
    assert forgotten, "a run that is over is known for ever: something of ours holds on to its id"
    assert callback_failures() == before


@contextmanager
def _thread_stack() -> Iterator[None]:
    before = capture_thread_scope_stack()
    set_thread_scope_stack(create_scope_stack())
    try:
        yield
    finally:
        restore_thread_scope_stack(before)


def _imported_stack() -> AbstractContextManager[Any]:
    return use_scope_stack(create_scope_stack_from_propagation(REMOTE))


STACKS: dict[str, Callable[[], AbstractContextManager[Any]]] = {
    "none": nullcontext,
    "explicit": lambda: use_scope_stack(create_scope_stack()),
    "thread": _thread_stack,
    "imported": _imported_stack,
}


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--scope-stack", choices=STACKS, default="none", help="the scope stack that adapter tests run on")


@pytest.fixture
def scope_stack(request: pytest.FixtureRequest) -> str:
    """The kind of scope stack that the test runs on."""
    kind: str = getattr(request, "param", None) or request.config.getoption("--scope-stack")
    return kind


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if metafunc.definition.get_closest_marker("every_scope_stack") is not None:
        metafunc.fixturenames.append("scope_stack")
        metafunc.parametrize("scope_stack", STACKS, indirect=True)


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> None:
    """Enter the stack where the test itself runs: an asynchronous one has a context of its own."""
    kind = pyfuncitem.callspec.params.get("scope_stack") if hasattr(pyfuncitem, "callspec") else None
    stack = STACKS[kind or pyfuncitem.config.getoption("--scope-stack")]
    if stack is not nullcontext:
        pyfuncitem.obj = _on(stack, pyfuncitem.obj)


def _on(stack: Callable[[], AbstractContextManager[Any]], test: Any) -> Any:
    @functools.wraps(test)
    def plain(*args: Any, **kwargs: Any) -> Any:
        with stack():
            return test(*args, **kwargs)

    @functools.wraps(test)
    async def awaited(*args: Any, **kwargs: Any) -> Any:
        with stack():
            return await test(*args, **kwargs)

    return awaited if inspect.iscoroutinefunction(test) else plain
