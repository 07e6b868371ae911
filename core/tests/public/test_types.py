# SPDX-License-Identifier: Apache-2.0
"""Enumerations, flags, handles and the values that calls take and return."""

from __future__ import annotations

import pickle
from collections import UserDict
from typing import Any

import pytest

import nemo_relay
from nemo_relay import (
    LLMAttributes,
    LLMRequest,
    LLMRequestInterceptOutcome,
    LogSeverity,
    MetricKind,
    MetricMeasurement,
    MetricTemporality,
    MetricValueType,
    PendingMarkSpec,
    ScopeAttributes,
    ScopeType,
    ToolAttributes,
    ToolExecutionInterceptOutcome,
    ToolExecutionResult,
    llm,
    scope,
    tools,
)

MEMBERS = {
    ScopeType: "Agent Function Tool Llm Retriever Embedder Reranker Guardrail Evaluator Custom Unknown",
    LogSeverity: "Trace Debug Info Warn Error",
    MetricKind: "Counter UpDownCounter Gauge Histogram",
    MetricValueType: "U64 I64 F64",
    MetricTemporality: "Cumulative Delta LowMemory",
    nemo_relay.AtofExporterMode: "Append Overwrite",
}


@pytest.mark.parametrize("enum", MEMBERS, ids=lambda enum: enum.__name__)
def test_members_keep_their_published_numbers_and_names(enum: Any) -> None:
    for number, name in enumerate(MEMBERS[enum].split()):
        member = getattr(enum, name)
        assert int(member) == number
        assert member == number
        assert member == getattr(enum, name)
        assert repr(member) == str(member) == f"{member}" == f"{enum.__name__}.{name}"


@pytest.mark.parametrize("enum", MEMBERS, ids=lambda enum: enum.__name__)
def test_every_member_is_true_the_first_one_too(enum: Any) -> None:
    assert all(bool(getattr(enum, name)) for name in MEMBERS[enum].split())


def test_members_can_be_pickled_and_used_as_keys() -> None:
    assert pickle.loads(pickle.dumps(ScopeType.Llm)) is ScopeType.Llm
    assert {ScopeType.Agent: 1}[ScopeType.Agent] == 1


FLAGS = [
    (ScopeAttributes, {"PARALLEL": 1, "RELOCATABLE": 2}, ["is_parallel", "is_relocatable"], "ScopeAttributes"),
    (ToolAttributes, {"REMOTE": 1}, ["is_remote"], "ToolAttributes"),
    (LLMAttributes, {"STATEFUL": 1, "STREAMING": 2}, ["is_stateful", "is_streaming"], "LlmAttributes"),
]


@pytest.mark.parametrize(("cls", "bits", "questions", "shown"), FLAGS, ids=lambda value: getattr(value, "__name__", ""))
def test_flags(cls: Any, bits: dict[str, int], questions: list[str], shown: str) -> None:
    assert cls().value == 0
    assert repr(cls()) == f"{cls.__name__}({shown}(0x0))"
    for (name, bit), question in zip(bits.items(), questions, strict=True):
        assert getattr(cls, name) == bit
        assert cls(bit).value == bit
        assert getattr(cls(bit), question) is True
        assert getattr(cls(), question) is False
        assert name in repr(cls(bit))
    everything = cls(sum(bits.values()))
    assert repr(everything) == f"{cls.__name__}({shown}({' | '.join(bits)}))"
    assert (cls(1) | cls(1)).value == 1
    assert (everything & cls(1)).value == 1
    assert cls(0xFF).value == sum(bits.values()), "unknown bits are dropped"
    assert cls(value=1).value == 1
    assert bool(cls(0)), "a flag object is true, whatever is set in it"


@pytest.mark.parametrize("cls", [ScopeAttributes, ToolAttributes, LLMAttributes])
def test_flags_refuse_what_is_no_small_number(cls: Any) -> None:
    for number in (-1, 2**32):
        with pytest.raises(OverflowError, match="out of range integral type conversion attempted"):
            cls(number)
    for odd in ("1", None, 1.0):
        with pytest.raises(TypeError, match="object cannot be interpreted as an integer"):
            cls(odd)
    with pytest.raises(TypeError):
        cls(1) | 1
    with pytest.raises(AttributeError):
        cls(1).value = 2


def test_flags_of_different_classes_do_not_mix() -> None:
    with pytest.raises(TypeError):
        ScopeAttributes(1) | ToolAttributes(1)  # type: ignore[operator]


def test_a_scope_handle_says_what_it_was_opened_with() -> None:
    handle = scope.push("a", ScopeType.Agent, attributes=ScopeAttributes(1), data={"d": 1}, metadata={"m": 1})
    scope.pop(handle)
    assert (handle.name, handle.scope_type, handle.data, handle.metadata) == ("a", ScopeType.Agent, {"d": 1}, {"m": 1})
    assert handle.attributes.is_parallel
    assert handle.parent_uuid == scope.get_handle().uuid
    assert repr(handle) == f"ScopeHandle(name='a', uuid='{handle.uuid}')"


def test_tool_and_llm_handles_say_what_they_were_opened_with() -> None:
    tool = tools.call("t", {}, attributes=ToolAttributes(1), data=[1], metadata={"m": 1}, tool_call_id="tc")
    model = llm.call("l", LLMRequest({}, {}), attributes=LLMAttributes(3), model_name="m-1")
    tools.call_end(tool, ToolExecutionResult(None))
    llm.call_end(model, None)
    root = scope.get_handle().uuid
    assert (tool.name, tool.data, tool.metadata, tool.parent_uuid) == ("t", [1], {"m": 1}, root)
    assert tool.attributes.is_remote
    assert repr(tool) == f"ToolHandle(name='t', uuid='{tool.uuid}')"
    assert (model.name, model.data, model.metadata, model.parent_uuid) == ("l", None, None, root)
    assert model.attributes.is_stateful
    assert model.attributes.is_streaming
    assert repr(model) == f"LLMHandle(name='l', uuid='{model.uuid}')"
    for handle in (tool, model):
        assert not hasattr(handle, "scope_type"), "only scopes have a type"
        with pytest.raises(AttributeError):
            handle.name = "other"  # type: ignore[misc]


def test_an_llm_request_has_headers_and_any_content() -> None:
    request = LLMRequest({"a": "b"}, {"model": "m"})
    assert (request.headers, request.content) == ({"a": "b"}, {"model": "m"})
    assert repr(request) == "LLMRequest(...)", "neither credentials nor prompts in a traceback"
    for content in (None, "text", [1]):
        assert LLMRequest({}, content).content == content
    assert LLMRequest(headers={}, content=1).content == 1
    for headers in (None, [], "x"):
        with pytest.raises(TypeError, match="not an instance of 'dict'"):
            LLMRequest(headers, {})  # type: ignore[arg-type]
    with pytest.raises(TypeError):
        LLMRequest()  # type: ignore[call-arg]
    with pytest.raises(AttributeError):
        request.content = {}  # type: ignore[misc]


def test_headers_may_be_any_mapping() -> None:
    headers: Any = UserDict(a="b")
    assert LLMRequest(headers, {}).headers == {"a": "b"}


def test_a_tool_result_keeps_both_objects_by_identity() -> None:
    result, annotation = object(), object()
    made = ToolExecutionResult(result, annotation)
    assert made.result is result
    assert made.annotation is annotation
    assert ToolExecutionResult(1).annotation is None
    assert ToolExecutionResult[int](1).result == 1


def test_an_outcome_has_a_result_marks_and_an_annotation() -> None:
    mark = PendingMarkSpec("m")
    outcome = ToolExecutionInterceptOutcome(1, [mark], annotation={"n": 1})
    assert (outcome.result, outcome.pending_marks, outcome.annotation) == (1, [mark], {"n": 1})
    assert ToolExecutionInterceptOutcome(1).pending_marks == []
    assert ToolExecutionInterceptOutcome(1, (mark,)).pending_marks == [mark]  # type: ignore[arg-type]
    with pytest.raises(TypeError):
        ToolExecutionInterceptOutcome(1, [], "annotation")  # type: ignore[misc]
    with pytest.raises(TypeError):
        ToolExecutionInterceptOutcome(1, ["mark"])  # type: ignore[list-item]


def test_an_outcome_refuses_a_whole_result_in_place_of_its_payload() -> None:
    with pytest.raises(TypeError, match="result must be the downstream payload, not ToolExecutionResult"):
        ToolExecutionInterceptOutcome(ToolExecutionResult(1))


def test_a_request_outcome_holds_the_request_that_it_was_given() -> None:
    request = LLMRequest({}, {})
    contribution = {"producer": "p", "kind": "k", "extra": 1}
    outcome = LLMRequestInterceptOutcome(request, None, [PendingMarkSpec("m")], [contribution])
    assert outcome.request is request
    assert outcome.annotated_request is None
    assert [mark.name for mark in outcome.pending_marks] == ["m"]
    assert outcome.optimization_contributions == [{"applied": False, **contribution}]
    assert LLMRequestInterceptOutcome(request).pending_marks == []
    with pytest.raises(TypeError, match="not an instance of 'LLMRequest'"):
        LLMRequestInterceptOutcome({})  # type: ignore[arg-type]
    for missing in ("producer", "kind"):
        partial = {key: value for key, value in contribution.items() if key != missing}
        with pytest.raises(ValueError, match=f"invalid optimization_contributions: missing field `{missing}`"):
            LLMRequestInterceptOutcome(request, optimization_contributions=[partial])


def test_a_pending_mark_reads_back_what_it_was_given() -> None:
    schema: Any = {"name": "s", "version": "1", "more": True}
    mark = PendingMarkSpec("m", "c", {"subtype": "x", "own": 1}, [1], {"a": 1}, schema, LogSeverity.Warn)
    assert (mark.name, mark.category, mark.category_profile) == ("m", "c", {"subtype": "x", "own": 1})
    assert (mark.data, mark.metadata, mark.severity) == ([1], {"a": 1}, LogSeverity.Warn)
    assert mark.data_schema == {"name": "s", "version": "1"}, "other keys of a schema are dropped"
    assert PendingMarkSpec("m").category_profile is None
    with pytest.raises(ValueError, match="data_schema must contain string name and version fields"):
        PendingMarkSpec("m", data_schema={"name": "s"})
    for profile in ([], {"model_name": 1}):
        with pytest.raises(ValueError, match="category_profile|invalid type"):
            PendingMarkSpec("m", category_profile=profile)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "arguments", [{"name": 1}, {"name": "m", "category": 1}, {"name": "m", "severity": "warn"}], ids=str
)
def test_a_pending_mark_checks_its_types_when_it_is_made(arguments: Any) -> None:
    with pytest.raises(TypeError):
        PendingMarkSpec(**arguments)


def test_a_measurement_reads_back_what_it_was_given() -> None:
    made = MetricMeasurement("a", MetricKind.Gauge, MetricValueType.U64, 1)
    assert (made.name, made.kind, made.value_type, made.value) == ("a", MetricKind.Gauge, MetricValueType.U64, 1)
    assert (made.unit, made.description, made.attributes, made.boundaries) == (None, None, None, None)
    assert repr(made) == '<MetricMeasurement name="a" kind=gauge value_type=u64>'
    kinds = (MetricKind.Histogram, MetricValueType.F64)
    assert MetricMeasurement("", *kinds, 1, boundaries=(1, 2)).boundaries == [1.0, 2.0]
    with pytest.raises(TypeError):
        MetricMeasurement("a", "gauge", MetricValueType.U64, 1)  # type: ignore[arg-type]
