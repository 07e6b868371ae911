# SPDX-License-Identifier: Apache-2.0
"""Metadata injectors add keys to events, change nothing that is there, and are ignored when they fail."""

from __future__ import annotations

import re
from typing import Any

import pytest

from nemo_relay import LLMRequest, ScopeType, event_metadata, guardrails, llm, scope, scope_local, tools

from ..conftest import Ear, in_form


def test_every_event_is_offered_and_keys_that_are_there_win(form: str, ear: Ear) -> None:
    event_metadata.register_injector("b", 1, in_form(form, lambda event: {"team": "blue", "later": 1}))
    event_metadata.register_injector("a", 0, in_form(form, lambda event: {"team": "red", "kind": event.kind}))
    with scope.scope("s", ScopeType.Function, metadata={"kind": "own"}):
        scope.event("m")
    assert ear.start("s")["metadata"] == {"kind": "own", "team": "red", "later": 1}
    assert ear.one("m")["metadata"] == {"team": "red", "kind": "mark", "later": 1}
    assert ear.end("s")["metadata"]["otel.status_code"] == "OK"


def test_calls_and_guardrail_scopes_are_offered_too(ear: Ear) -> None:
    event_metadata.register_injector("a", 0, lambda event: {"x": 1})
    guardrails.register_tool_conditional_execution("g", 0, lambda name, args: None)
    tools.execute_sync("t", {}, lambda args: 1)
    llm.execute_sync("l", LLMRequest({}, {}), lambda request: 1)
    assert len(ear.events()) == 6
    assert all(event["metadata"]["x"] == 1 for event in ear.heard)


VALUES = ["text", True, 1, -1.5, 2**63 - 1, [], ["a", "b"], [1, 2.5], [True, False]]


@pytest.mark.parametrize("value", VALUES, ids=repr)
def test_values_are_scalars_or_lists_of_one_kind(value: Any, ear: Ear) -> None:
    event_metadata.register_injector("a", 0, lambda event: {"a.b-c_1": value})
    scope.event("m")
    assert ear.one("m")["metadata"] == {"a.b-c_1": value}


BAD = [
    *({key: 1} for key in ("a b", "", ".a", "a.", "a..b", "é")),
    *({"v": value} for value in (None, {}, [1, "a"], [True, 1], [[1]], [None], 2**63, object())),
    None,
    [],
    "x",
]


@pytest.mark.parametrize("bad", BAD, ids=lambda bad: re.sub(" at 0x.*>", ">", repr(bad)))
def test_one_bad_value_discards_the_whole_answer(bad: Any, ear: Ear) -> None:
    answer = {"fine": 1, **bad} if isinstance(bad, dict) else bad
    event_metadata.register_injector("bad", 0, lambda event: answer)
    event_metadata.register_injector("good", 1, lambda event: {"good": 1})
    scope.event("m")
    assert ear.one("m")["metadata"] == {"good": 1}


def test_an_injector_that_raises_is_ignored_and_reported(form: str, ear: Ear, capsys: Any) -> None:
    def boom(event: Any) -> dict[str, Any]:
        raise ValueError("z")

    event_metadata.register_injector("a", 0, in_form(form, boom))
    scope.event("m")
    scope.event("n")
    assert ear.one("m")["metadata"] is None
    assert "Python event metadata injector failed" in capsys.readouterr().err


def test_metadata_that_is_no_object_stays_as_it_is(ear: Ear) -> None:
    event_metadata.register_injector("a", 0, lambda event: {"x": 1})
    scope.event("m", metadata=[1])
    assert ear.one("m")["metadata"] == [1]


def test_an_empty_answer_adds_nothing(ear: Ear) -> None:
    event_metadata.register_injector("a", 0, lambda event: {})
    scope.event("m")
    assert ear.one("m")["metadata"] is None


def test_injectors_come_before_sanitizers(ear: Ear) -> None:
    event_metadata.register_injector("a", 0, lambda event: {"secret": "x"})
    guardrails.register_mark_sanitize("s", 0, lambda event, fields: {**fields, "metadata": sorted(fields["metadata"])})
    scope.event("m")
    assert ear.one("m")["metadata"] == ["secret"]


def test_an_injector_of_a_scope_goes_with_it_or_before(ear: Ear) -> None:
    with scope.scope("s", ScopeType.Function) as handle:
        scope_local.register_event_metadata_injector(handle, "a", 0, lambda event: {"x": 1})
        scope.event("with")
        assert scope_local.deregister_event_metadata_injector(handle, "a") is True
        scope.event("without")
        scope_local.register_event_metadata_injector(handle, "a", 0, lambda event: {"x": 2})
    scope.event("after")
    assert ear.one("with")["metadata"] == {"x": 1}
    assert ear.one("without")["metadata"] is None
    assert ear.end("s")["metadata"] == {"otel.status_code": "OK", "x": 2}
    assert ear.one("after")["metadata"] is None
