# SPDX-License-Identifier: Apache-2.0
"""What the published package made of the same events, field by field. The docs list the differences."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from nemo_relay_otel.projections import Projector, Settings
from nemo_relay_otel.records import Span

EXAMPLES = Path(__file__).resolve().parents[3].parent / "shared" / "data" / "obs-examples"
RUNS = ("19_minimal", "01_openai_nested")
KINDS = {"SPAN_KIND_CLIENT": 3, "SPAN_KIND_INTERNAL": 1}
CODES = {"STATUS_CODE_OK": 1, "STATUS_CODE_ERROR": 2}

pytestmark = pytest.mark.skipif(not EXAMPLES.is_dir(), reason=f"no {EXAMPLES}")

# Attributes that ours has beside those of the published package; docs/destinations/index.md gives the reasons.
ADDED = {
    "full": set(),
    "gen_ai": {"gen_ai.usage.reasoning.output_tokens"},
    "openinference": {
        "agent.name",
        "llm.request.model_name",
        "llm.response.model_name",
        "llm.token_count.completion_details.reasoning",
    },
}


def is_added(projection: str, key: str) -> bool:
    return key in ADDED[projection] or (
        projection == "openinference" and key.startswith("llm.input_messages.") and ".message.tool_calls." in key
    )


def cases() -> list[tuple[str, str]]:
    return [(run, projection) for run in RUNS for projection in ("full", "gen_ai", "openinference")]


@pytest.mark.parametrize(("run", "projection"), cases())
def test_spans_are_those_of_the_published_package(run: str, projection: str) -> None:
    expected = json.loads((EXAMPLES / run / f"otlp.{projection}.spans.json").read_text())
    projector = Projector(Settings(projection))
    with (EXAMPLES / run / "events.atof.jsonl").open() as lines:
        spans = [span for line in lines for span in projector.take(json.loads(line))]
    assert [span.span_id for span in spans] == [span["spanId"] for span in expected]
    for span, published in zip(spans, expected, strict=True):
        same_frame(span, published)
        same_attributes(span, published, projection)
        assert [(event.name, event.attributes) for event in span.events] == [
            (event["name"], event["attributes"]) for event in published.get("events", ())
        ]


def same_frame(span: Span, published: dict[str, Any]) -> None:
    assert span.trace_id == published["traceId"]
    assert span.parent_span_id == published.get("parentSpanId", "")
    assert span.name == published["name"]
    assert span.kind == KINDS.get(published["kind"], published["kind"])
    assert (str(span.start_ns), str(span.end_ns)) == (published["startTimeUnixNano"], published["endTimeUnixNano"])
    assert span.flags == published["flags"]
    code = published["status"].get("code", 0)
    assert span.status == CODES.get(code, code)


def same_attributes(span: Span, published: dict[str, Any], projection: str) -> None:
    ours = {key: each for key, each in span.attributes.items() if not is_added(projection, key)}
    theirs = dict(published["attributes"])
    if projection == "gen_ai" and span.name == "invoke_agent researcher":
        # A sub-agent's own conversation would take the trace over in Phoenix and MLflow.
        assert (ours.pop("gen_ai.conversation.id"), theirs.pop("gen_ai.conversation.id")) == ("sess-1", "sub-sess-1")
    assert ours == theirs


def test_each_added_attribute_is_there() -> None:
    found: dict[str, set[str]] = {}
    for run, projection in cases():
        projector = Projector(Settings(projection))
        with (EXAMPLES / run / "events.atof.jsonl").open() as lines:
            for line in lines:
                for span in projector.take(json.loads(line)):
                    found.setdefault(projection, set()).update(span.attributes)
    for projection, added in ADDED.items():
        assert added <= found[projection]


def test_log_records_are_those_of_the_published_package() -> None:
    from nemo_relay_otel.signals.logs import LogRecords

    (expected,) = json.loads((EXAMPLES / "01_openai_nested" / "otlp.logs.flat.json").read_text())
    records = LogRecords("info", 60_000_000_000, (), lambda code, message: None)
    with (EXAMPLES / "01_openai_nested" / "events.atof.jsonl").open() as lines:
        (record,) = [made for line in lines for made in records.take(json.loads(line))]
    assert record.time_ns == int(expected["timeUnixNano"])
    assert (record.severity_text, record.severity) == (expected["severityText"], 13)
    assert record.body == expected["body"]
    assert record.attributes == expected["attributes"]
    assert (record.trace_id, record.span_id) == (expected["traceId"], expected["spanId"])


def test_every_recorded_edge_case_becomes_spans_in_every_projection() -> None:
    files = sorted((EXAMPLES / "03_atif_edge_cases").glob("*.atof.jsonl"))
    assert len(files) > 30
    for file in files:
        events = [json.loads(line) for line in file.read_text().splitlines()]
        started = {event["uuid"] for event in events if event.get("scope_category") == "start"}
        for projection in ("full", "gen_ai", "openinference"):
            projector = Projector(Settings(projection))
            spans = [span for event in events for span in projector.take(event)] + list(projector.finish())
            ids = [span.span_id for span in spans]
            assert len(set(ids)) == len(ids)
            assert {uuid[19:23] + uuid[24:] for uuid in started} <= set(ids)
