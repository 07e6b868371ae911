# SPDX-License-Identifier: Apache-2.0
"""Projections on events made by hand: what the recorded examples do not show."""

from __future__ import annotations

import json
from typing import Any

import pytest

from nemo_relay_otel.lineage import Lineage
from nemo_relay_otel.projections import Projector, Settings
from nemo_relay_otel.records import Span, Status

PROJECTIONS = ("full", "gen_ai", "openinference")


def uuid(number: int) -> str:
    return f"01a2032d-f84e-7141-9ebf-{number:012x}"


def span_id(number: int) -> str:
    return f"9ebf{number:012x}"


def event(number: int, phase: str, category: str = "function", above: int | None = None, **more: Any) -> dict[str, Any]:
    seconds = more.pop("at", number if phase == "start" else 50 - number)
    return {
        "kind": "scope",
        "scope_category": phase,
        "category": category,
        "name": f"span {number}",
        "uuid": uuid(number),
        "parent_uuid": None if above is None else uuid(above),
        "propagation_root_uuid": uuid(1),
        "timestamp": f"2026-11-22T12:14:{seconds:02d}.5+00:00",
        "data": None,
        "metadata": None,
        "attributes": [],
        "category_profile": None,
        **more,
    }


def mark(number: int, above: int | None, **more: Any) -> dict[str, Any]:
    made = event(number, "start", above=above, **more)
    del made["scope_category"]
    return {**made, "kind": "mark", "category": None, "name": more.get("name", f"mark {number}")}


def project(*events: dict[str, Any], **settings: Any) -> list[Span]:
    projector = Projector(Settings(**settings))
    return [span for each in events for span in projector.take(json.loads(json.dumps(each)))]


def call(request: Any, response: Any, name: str = "openai.chat", **end: Any) -> tuple[dict[str, Any], dict[str, Any]]:
    start = event(2, "start", "llm", name=name, data={"headers": {}, "content": request})
    return start, event(2, "end", "llm", name=name, data=response, **end)


@pytest.mark.parametrize("projection", PROJECTIONS)
def test_error_types_come_from_the_first_that_failed(projection: str) -> None:
    failed = {"otel.status_code": "ERROR", "otel.status_description": "internal error: ValueError: no"}
    spans = project(
        event(1, "start", "agent"),
        event(2, "start", "tool", 1),
        event(2, "end", "tool", 1, metadata={**failed, "error.type": "internal_error", "exception.type": "ValueError"}),
        event(1, "end", "agent", metadata={"otel.status_code": "ERROR"}),
        type=projection,
    )
    tool, agent = spans
    assert (tool.status, tool.status_message) == (Status.ERROR, "internal error: ValueError: no")
    assert agent.attributes["error.type"] == tool.attributes["error.type"] == "internal_error"
    assert [each.attributes for each in tool.events] == [{"exception.type": "ValueError", "exception.message": "no"}]
    assert [each.attributes for each in agent.events] == [{"exception.type": "ValueError"}]


def test_status_codes() -> None:
    for code, status in (("OK", 1), ("ERROR", 2), ("error", 2), ("UNSET", 0), (None, 0), (7, 0)):
        (span,) = project(event(1, "start"), event(1, "end", metadata={"otel.status_code": code}))
        assert span.status == status


@pytest.mark.parametrize("projection", PROJECTIONS)
def test_odd_streams_break_nothing(projection: str) -> None:
    spans = project(
        event(9, "end", "llm"),  # an end without its start
        event(1, "start", "agent", at=30),
        event(1, "start", "agent"),  # a start that comes twice
        event(2, "start", "llm", 1, data=[1, "x", None], category_profile="?", metadata=[1]),
        event(2, "end", "llm", 1, data="text", metadata="?", category_profile=3, timestamp="nonsense"),
        event(1, "end", "agent", at=10),  # before its start
        event(1, "end", "agent"),  # an end that comes twice
        {**event(3, "start"), "uuid": "short"},
        {**event(4, "start"), "timestamp": "1960-01-01T00:00:00+00:00"},
        event(4, "end", at=40),
        type=projection,
    )
    assert [span.span_id for span in spans] == [span_id(n) for n in (9, 2, 1, 4)]
    assert all(span.end_ns >= span.start_ns for span in spans)


def test_end_before_start_is_no_negative_length() -> None:
    (span,) = project(event(1, "start", at=30), event(1, "end", at=10))
    assert span.end_ns == span.start_ns


def test_spans_without_an_end_are_told_as_incomplete() -> None:
    projector = Projector(Settings("openinference"))
    assert not list(projector.take(event(1, "start", "agent", data={"q": 1})))
    list(projector.take(event(2, "start", "tool", 1)))
    tool, agent = projector.finish()
    assert (agent.attributes["nemo_relay.incomplete"], agent.attributes["input.value"]) == (True, '{"q":1}')
    assert tool.parent_span_id == agent.span_id
    assert agent.end_ns == tool.start_ns


def test_pending_spans() -> None:
    projector = Projector(Settings("gen_ai", pending=True))
    assert not list(projector.take(event(1, "start", "agent")))
    list(projector.take(event(2, "start", "tool", 1)))
    list(projector.take(event(2, "end", "tool", 1)))
    (first,) = projector.pending()  # what has ended meanwhile is not announced
    (last,) = projector.take(event(1, "end", "agent"))
    assert first.span_id == last.span_id
    assert (first.end_ns, first.attributes["nemo_relay.pending"]) == (0, True)
    assert "nemo_relay.pending" not in last.attributes
    assert not list(projector.pending())


def test_late_children_find_their_parent_until_its_time_is_up() -> None:
    late = [event(1, "start"), event(1, "end", at=10)]
    late += [event(2, "start", above=1, at=15), event(2, "end", above=1, at=20)]
    for ttl, expected in ((60, span_id(1)), (1, "")):
        projector = Projector(Settings("full"), ttl_ns=ttl * 10**9)
        spans = [span for each in late for span in projector.take(each)]
        assert spans[1].parent_span_id == expected


def test_lineage_goes_on_in_another_process() -> None:
    first, second = Lineage(), Lineage()
    for each in (event(1, "start", "agent", metadata={"session_id": "s"}), event(2, "start", above=1), mark(3, 2)):
        first.take(each)
    second.load(json.loads(json.dumps(first.save())))
    for lineage in (first, second):
        ended = lineage.take(event(2, "end", above=1))
        assert ended is not None
        assert ended.span.place == (uuid(1).replace("-", ""), span_id(2), "", (), "s")  # type: ignore[union-attr]
        assert ended.span.parent_span_id == span_id(1)  # type: ignore[union-attr]


def test_marks_as_events_spans_and_orphans() -> None:
    events = [event(1, "start", "agent"), mark(2, 1, data={"step": 1}), mark(4, 1, name="llm.chunk")]
    events += [event(1, "end", "agent"), mark(3, 1)]
    orphan = project(*events)[1]
    assert (orphan.name, orphan.parent_span_id, orphan.start_ns) == ("mark:mark 3", span_id(1), orphan.end_ns)
    assert orphan.attributes["nemo_relay.mark.orphan"] is True
    (agent, *_) = project(*events)
    assert [each.name for each in agent.events] == ["mark 2", "llm.chunk"]
    assert agent.events[0].attributes["nemo_relay.mark.data.step"] == 1
    as_tool, agent, _ = project(*events, mark_projection="tool", type="openinference")
    assert (as_tool.name, as_tool.attributes["openinference.span.kind"]) == ("mark:mark 2", "TOOL")
    assert [each.name for each in agent.events] == ["llm.chunk"]
    assert len(project(*events, type="gen_ai")) == 1
    schema = {"name": "nemo.relay.metric_measurements", "version": "1"}
    assert not project(mark(2, None, data_schema=schema))


def test_mappings_and_promotion() -> None:
    reports: list[str] = []
    projector = Projector(
        Settings(
            "full",
            attribute_mappings=(("nemo_relay.uuid", "run.id"), ("nemo_relay.uuid", "nemo_relay.scope_type")),
            promote_metadata_prefixes=("team", "gen_ai", "bad"),
            promote_resource_metadata_prefixes=("tenant",),
        ),
        report=lambda code, message: reports.append(code),
    )
    metadata = {"team.name": "red", "team.sizes": [1, 2.5], "gen_ai.x": 1, "bad": {}, "tenant": "t", "other": 1}
    spans = [
        span
        for each in (
            event(1, "start", metadata=metadata),
            event(2, "start", above=1, metadata={"tenant": "ignored"}),
            event(2, "end", above=1),
            event(1, "end", metadata={**metadata, "team.name": "blue"}),
        )
        for span in projector.take(each)
    ]
    below, span = spans
    assert span.attributes["run.id"] == uuid(1)
    assert span.attributes["nemo_relay.scope_type"] == "function"
    assert (span.attributes["team.name"], span.attributes["team.sizes"]) == ("blue", [1.0, 2.5])
    assert span.attributes["nemo_relay.start.metadata.other"] == 1
    assert "nemo_relay.start.metadata.team.name" not in span.attributes
    assert span.resource == below.resource == (("tenant", "t"),)
    assert set(reports) == {
        "otel.metadata_promotion_value_unsupported.gen_ai.x",
        "otel.metadata_promotion_value_unsupported.bad",
    }


ANTHROPIC = {
    "model": "claude-sonnet-4-5",
    "max_tokens": 100,
    "top_k": 5,
    "system": "Be brief.",
    "messages": [
        {"role": "user", "content": [{"type": "text", "text": "Weather?"}]},
        {"role": "assistant", "content": [{"type": "tool_use", "id": "t1", "name": "get", "input": {"c": "P"}}]},
        {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "t1", "content": "18C"}]},
    ],
    "tools": [{"name": "get", "description": "weather", "input_schema": {"type": "object"}}],
}
ANTHROPIC_ANSWER = {
    "id": "m-1",
    "type": "message",
    "role": "assistant",
    "model": "claude-sonnet-4-5",
    "content": [{"type": "thinking", "thinking": "hm", "signature": "s"}, {"type": "text", "text": "18C."}],
    "stop_reason": "end_turn",
    "usage": {"input_tokens": 10, "output_tokens": 5, "cache_read_input_tokens": 4, "cache_creation_input_tokens": 2},
}


def test_anthropic_in_the_genai_conventions() -> None:
    (span,) = project(*call(ANTHROPIC, ANTHROPIC_ANSWER, "anthropic.messages"), type="gen_ai")
    told = span.attributes
    assert span.name == "chat claude-sonnet-4-5"
    assert (told["gen_ai.provider.name"], told["gen_ai.request.max_tokens"]) == ("anthropic", 100)
    assert told["gen_ai.request.top_k"] == 5
    assert json.loads(str(told["gen_ai.system_instructions"])) == [{"type": "text", "content": "Be brief."}]
    messages = json.loads(str(told["gen_ai.input.messages"]))
    assert [each["role"] for each in messages] == ["user", "assistant", "tool"]
    assert messages[1]["parts"] == [{"type": "tool_call", "id": "t1", "name": "get", "arguments": {"c": "P"}}]
    assert messages[2]["parts"] == [{"type": "tool_call_response", "id": "t1", "response": "18C"}]
    assert told["gen_ai.usage.input_tokens"] == 16
    assert (told["gen_ai.usage.cache_read.input_tokens"], told["gen_ai.usage.cache_write.input_tokens"]) == (4, 2)
    assert told["gen_ai.response.finish_reasons"] == ["stop"]
    assert json.loads(str(told["gen_ai.tool.definitions"])) == [{"name": "get", "type": "function"}]


def test_anthropic_in_openinference() -> None:
    (span,) = project(*call(ANTHROPIC, ANTHROPIC_ANSWER, "anthropic.messages"), type="openinference")
    told = span.attributes
    roles = [told[f"llm.input_messages.{index}.message.role"] for index in range(4)]
    assert roles == ["system", "user", "assistant", "tool"]
    assert told["llm.input_messages.2.message.tool_calls.0.tool_call.function.name"] == "get"
    assert told["llm.input_messages.3.message.content"] == "18C"
    assert told["llm.token_count.prompt"] == 16
    assert told["output.value"] == "18C."


def test_versions_of_the_conventions() -> None:
    events = call(ANTHROPIC, ANTHROPIC_ANSWER, "anthropic.messages")
    names = {}
    for version in ("0.10.4", "1.41", "0.1"):
        (span,) = project(*events, type="gen_ai", genai_version=version)
        names[version] = {name for name in span.attributes if "cache" in name}
    read = "gen_ai.usage.cache_read.input_tokens"
    assert names["0.10.4"] == names["0.1"] == {read, "gen_ai.usage.cache_write.input_tokens"}
    assert names["1.41"] == {read, "gen_ai.usage.cache_creation.input_tokens"}
    newest = project(*events, type="gen_ai", genai_version="0.1")[0].attributes["gen_ai.output.messages"]
    assert "finish_reason" not in json.loads(str(newest))[0]


def test_retrievers_and_embedders() -> None:
    found = {"documents": [{"page_content": "tides", "metadata": {"source": "a"}, "score": 0.5}, "text"]}
    start = event(2, "start", "retriever", data={"query": "q", "top_k": 3, "index_name": "sea"})
    end = event(2, "end", "retriever", data=found)
    (span,) = project(start, end, type="gen_ai")
    assert (span.name, span.attributes["gen_ai.retrieval.top_k"]) == ("retrieval sea", 3)
    (span,) = project(start, end, type="openinference")
    assert span.attributes["retrieval.documents.0.document.content"] == "tides"
    assert span.attributes["retrieval.documents.0.document.score"] == 0.5
    assert span.attributes["retrieval.documents.1.document.content"] == "text"
    data = {"model": "e-1", "input": ["a", "b"], "dimensions": 8, "encoding_format": "float"}
    end = event(2, "end", "embedder", data={"usage": {"prompt_tokens": 4}})
    embedded = (event(2, "start", "embedder", data=data), end)
    (span,) = project(*embedded, type="gen_ai")
    assert (span.name, span.attributes["gen_ai.usage.input_tokens"]) == ("embeddings e-1", 4)
    assert span.attributes["gen_ai.request.encoding_formats"] == ["float"]
    (span,) = project(*embedded, type="openinference")
    assert span.attributes["embedding.embeddings.1.embedding.text"] == "b"
