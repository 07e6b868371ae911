# SPDX-License-Identifier: Apache-2.0
"""B4: what only claims to be a handle is refused at every entry, or ignored and reported."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from unittest.mock import MagicMock

import pytest

from nemo_relay import (
    LLMHandle,
    LLMRequest,
    PropagationContext,
    ScopeHandle,
    ScopeStack,
    ScopeType,
    ToolHandle,
    llm,
    scope,
    scope_local,
    set_thread_scope_stack,
    subscribers,
    tools,
    use_scope_stack,
)
from nemo_relay import create_scope_stack_from_propagation as from_propagation
from nemo_relay._runtime.log import faults
from nemo_relay.testing import capture_events

REQUEST = LLMRequest({}, {})


class Claims:
    """Says that it is a scope, and has every attribute."""

    __class__ = ScopeHandle  # type: ignore[assignment]

    def __getattr__(self, name: str) -> Any:
        return self


def unused(*_: Any) -> Any:
    raise AssertionError("nothing runs")


ENTRIES: dict[str, Callable[[Any], Any]] = {
    "push": lambda it: scope.push("s", ScopeType.Function, handle=it),
    "start": lambda it: scope.start("s", ScopeType.Function, parent=it),
    "scope": lambda it: scope.scope("s", ScopeType.Function, handle=it).__enter__(),
    "pop": scope.pop,
    "end": scope.end,
    "use": lambda it: scope.use(it).__enter__(),
    "annotate": lambda it: scope.annotate(it, {}),
    "event": lambda it: scope.event("m", handle=it),
    "compaction": lambda it: scope.event("compaction", handle=it),
    "tools.call": lambda it: tools.call("t", {}, handle=it),
    "tools.call_end": lambda it: tools.call_end(it, 1),
    "tools.execute": lambda it: tools.execute("t", {}, unused, handle=it),
    "tools.execute_sync": lambda it: tools.execute_sync("t", {}, unused, handle=it),
    "llm.call": lambda it: llm.call("l", REQUEST, handle=it),
    "llm.call_end": lambda it: llm.call_end(it, 1),
    "llm.execute": lambda it: llm.execute("l", REQUEST, unused, handle=it),
    "llm.execute_sync": lambda it: llm.execute_sync("l", REQUEST, unused, handle=it),
    "llm.stream_execute": lambda it: llm.stream_execute("l", REQUEST, unused, unused, unused, handle=it),
    "llm.stream_execute_sync": lambda it: llm.stream_execute_sync("l", REQUEST, unused, unused, unused, handle=it),
    "scope_local": lambda it: scope_local.register_subscriber(it, "s", unused),
    "scope_local.deregister": lambda it: scope_local.deregister_subscriber(it, "s"),
    "is_heard": lambda it: subscribers.is_heard(it),
}


@pytest.mark.parametrize("entry", ENTRIES)
@pytest.mark.parametrize("kind", [ScopeHandle, ToolHandle, LLMHandle, None])
@pytest.mark.parametrize("observed", [True, False])
def test_b4_a_handle_that_only_claims_to_be_one_is_refused(entry: str, kind: Any, observed: bool) -> None:
    impostor = Claims() if kind is None else MagicMock(spec=kind)
    assert isinstance(impostor, (ScopeHandle, ToolHandle, LLMHandle))
    if observed:
        with capture_events() as captured, pytest.raises(TypeError, match="is not an instance of"):
            ENTRIES[entry](impostor)
        assert captured.events == []
    else:
        with pytest.raises(TypeError, match="is not an instance of"):
            ENTRIES[entry](impostor)


@pytest.mark.parametrize(
    ("entry", "kind"),
    [
        (set_thread_scope_stack, ScopeStack),
        (use_scope_stack, ScopeStack),
        (from_propagation, PropagationContext),
        (lambda it: tools.call(it, {}), str),
        (lambda it: llm.call("l", it), LLMRequest),
        (lambda it: scope.push("s", it), ScopeType),
        (lambda it: scope.annotate(scope.get_handle(), it), dict),
    ],
)
def test_b4_other_impostors(entry: Callable[[Any], Any], kind: Any) -> None:
    with pytest.raises(TypeError, match="is not an instance of"):
        entry(MagicMock(spec=kind))


@pytest.mark.parametrize("answer", [MagicMock(spec=ScopeHandle), Claims(), object(), 1, "span", ScopeHandle])
def test_b4_a_resolver_that_returns_anything_is_ignored_and_reported(answer: Any) -> None:
    scope.register_resolver("odd", lambda: answer)
    try:
        with capture_events() as captured, scope.scope("s", ScopeType.Function) as handle:
            assert scope.get_handle() is handle
            scope.event("m")
    finally:
        assert scope.deregister_resolver("odd")
    assert [event.parent_uuid for event in captured.events][1] == handle.uuid
    assert faults.counts["scope_resolver_failed"]


@pytest.mark.parametrize("error", [SystemExit(1), KeyboardInterrupt(), ValueError("v")])
def test_b4_a_resolver_that_raises_is_ignored_and_reported(error: BaseException) -> None:
    def resolver() -> Any:
        raise error

    scope.register_resolver("odd", resolver)
    try:
        assert tools.execute_sync("t", 1, lambda args: args) == 1
    finally:
        assert scope.deregister_resolver("odd")
    assert faults.counts["scope_resolver_failed"]
