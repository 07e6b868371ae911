# SPDX-License-Identifier: Apache-2.0
"""Marks: moments inside a span, with a payload, a schema and a severity."""

from __future__ import annotations

from typing import Any

import pytest

from nemo_relay import LogSeverity, ScopeType, scope, subscribers

from ..conftest import Ear


def test_a_mark_belongs_to_the_current_scope_or_to_the_one_given(ear: Ear) -> None:
    closed = scope.push("closed", ScopeType.Agent)
    scope.pop(closed)
    with scope.scope("here", ScopeType.Function) as here:
        scope.event("m", data={"a": 1}, metadata=[1])
        scope.event("elsewhere", handle=closed)
    mark = ear.one("m")
    assert (mark["kind"], mark["parent_uuid"], mark["data"], mark["metadata"]) == ("mark", here.uuid, {"a": 1}, [1])
    assert (mark["category"], mark["category_profile"], mark["data_schema"]) == (None, None, None)
    assert "attributes" not in mark
    assert "scope_category" not in mark
    assert ear.one("elsewhere")["parent_uuid"] == closed.uuid, "a closed scope is a place too"


def test_names_are_strings_and_may_be_empty(ear: Ear) -> None:
    scope.event("")
    assert ear.one("")["data"] is None
    for odd in (None, 1):
        with pytest.raises(TypeError, match="not an instance of 'str'"):
            scope.event(odd)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="'str' object is not an instance of 'ScopeHandle'"):
        scope.event("m", handle="x")  # type: ignore[arg-type]


def test_a_schema_has_a_name_and_a_version(ear: Ear) -> None:
    schema: Any = {"name": "s", "version": "1", "more": 1}
    scope.event("m", data_schema=schema)
    assert ear.one("m")["data_schema"] == {"name": "s", "version": "1"}
    for bad in ({}, {"name": "s"}, {"name": 1, "version": "1"}, "x", []):
        with pytest.raises(ValueError, match="^data_schema must contain string name and version fields: "):
            scope.event("m", data_schema=bad)  # type: ignore[arg-type]


@pytest.mark.parametrize("severity", list(LogSeverity), ids=str)
def test_a_severity_is_kept_in_the_metadata_and_read_back(severity: LogSeverity) -> None:
    found: list[Any] = []
    subscribers.register("found", found.append)
    key = "nemo_relay.log.severity"
    given = {"a": 1, key: "overridden"}
    scope.event("m", severity=severity, metadata=given)
    scope.event("alone", severity=severity)
    subscribers.flush()
    assert [event.severity for event in found] == [severity, severity]
    assert found[0].metadata == {"a": 1, key: severity.name.lower()}
    assert found[1].metadata == {key: severity.name.lower()}
    assert given[key] == "overridden", "the application's dict is not touched"


def test_a_severity_that_nobody_knows_is_none() -> None:
    found: list[Any] = []
    subscribers.register("found", found.append)
    scope.event("m", metadata={"nemo_relay.log.severity": "loud"})
    scope.event("n")
    subscribers.flush()
    assert [event.severity for event in found] == [None, None]


def test_a_severity_needs_an_object_to_be_kept_in(ear: Ear) -> None:
    text = "^invalid argument: mark metadata must be a JSON object when severity is provided$"
    with pytest.raises(RuntimeError, match=text):
        scope.event("m", metadata=[1], severity=LogSeverity.Info)
    with pytest.raises(TypeError):
        scope.event("m", severity="info")  # type: ignore[arg-type]
    assert ear.events() == []
