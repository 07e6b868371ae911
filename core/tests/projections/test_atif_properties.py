# SPDX-License-Identifier: Apache-2.0
"""Whatever the stream, the document is valid, and every model call and tool execution is in it."""

from __future__ import annotations

import copy
import json
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from nemo_relay_projections.atif import roots, trajectory

JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.floats(allow_nan=False) | st.text(max_size=4),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["content", "type", "text", "role", "id", "name", "usage", "messages", "tool_calls"])
            | st.text(max_size=3),
            inner,
            max_size=4,
        )
    ),
    max_leaves=8,
)
IDS = st.sampled_from(["c1", "c2", "c3", ""])
NAMES = st.sampled_from(["f", "g"])
ARGUMENTS = st.sampled_from([None, {}, {"x": 1}, "{}", "raw", [1]])
CALLS = st.lists(
    st.one_of(
        st.fixed_dictionaries({"id": IDS, "function": st.fixed_dictionaries({"name": NAMES, "arguments": ARGUMENTS})}),
        st.fixed_dictionaries({"name": NAMES, "args": JSON}),
        JSON,
    ),
    max_size=3,
)
CONTENT = st.one_of(st.none(), st.just("said"), JSON, st.just([{"type": "text", "text": "t"}]))
USAGE = JSON | st.dictionaries(
    st.sampled_from(["prompt_tokens", "output_tokens", "cacheRead", "cost", "cost_usd", "logprobs"]),
    JSON,
    max_size=3,
)
MESSAGES = st.lists(
    st.fixed_dictionaries({"role": st.sampled_from(["user", "assistant", "tool", "system"]), "content": CONTENT}),
    max_size=3,
)
ASKED = st.one_of(
    st.fixed_dictionaries({"headers": st.just({}), "content": st.fixed_dictionaries({"messages": MESSAGES})}),
    st.fixed_dictionaries({"headers": st.just({}), "content": JSON}),
    JSON,
)
ANSWERED = st.one_of(
    st.fixed_dictionaries({"content": CONTENT, "tool_calls": CALLS, "usage": USAGE}),
    st.fixed_dictionaries({"choices": st.lists(st.fixed_dictionaries({"message": JSON}), max_size=2)}),
    st.fixed_dictionaries({"output": st.lists(JSON, max_size=2)}),
    JSON,
)
METADATA = st.one_of(
    st.none(),
    st.fixed_dictionaries({"otel.status_code": st.sampled_from(["OK", "ERROR"])}),
    st.fixed_dictionaries({"nemo_relay_scope_role": st.just("turn")}),
    st.fixed_dictionaries({"tool_call_id": IDS, "session_id": JSON}),
    st.fixed_dictionaries({"relay.outcome": st.sampled_from(["ok", "interrupted"]), "error": JSON}),
    JSON,
)
PROFILE = st.one_of(
    st.none(),
    st.fixed_dictionaries({"tool_call_id": IDS}),
    st.fixed_dictionaries({"annotated_response": JSON, "annotated_request": JSON, "model_name": JSON}),
)
CATEGORY = st.sampled_from(["agent", "agent", "llm", "llm", "tool", "tool", "function", "custom"])
TIME = st.sampled_from(["2026-11-20T10:00:00.123456789+00:00", "2026-11-20T10:00:01+00:00", "2026-11-20", "x", None])


@st.composite
def streams(draw: Any) -> list[dict[str, Any]]:
    """Scopes below one another that may stay open, lose an edge, or name a stranger as parent."""
    events: list[dict[str, Any]] = []
    running: list[dict[str, Any]] = []
    for number in range(draw(st.integers(0, 14))):
        if running and draw(st.booleans()):
            begun = running.pop(draw(st.integers(0, len(running) - 1)))
            answer = draw(ANSWERED if begun["category"] == "llm" else JSON)
            changed = {
                "scope_category": "end",
                "data": answer,
                "timestamp": draw(TIME),
                "metadata": draw(METADATA),
            }
            events.append({**begun, **changed, "category_profile": draw(PROFILE)})
            continue
        category = draw(CATEGORY)
        parents = [None, "stranger", *(event["uuid"] for event in running)]
        begun = {
            "kind": "scope",
            "scope_category": "start",
            "category": category,
            "name": draw(NAMES) if category == "tool" else category,
            "uuid": f"u{number}",
            "parent_uuid": draw(st.sampled_from(parents)),
            "timestamp": draw(TIME),
            "data": draw(ASKED if category == "llm" else ARGUMENTS | JSON),
            "metadata": draw(METADATA),
            "category_profile": draw(PROFILE),
        }
        running.append(begun)
        if draw(st.integers(0, 9)):  # else its start was never recorded
            events.append(begun)
    return events


def documents(document: dict[str, Any]) -> list[dict[str, Any]]:
    return [
        document,
        *(one for nested in document.get("subagent_trajectories", []) for one in documents(nested)),
    ]


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(events=streams(), scrambled=st.randoms(use_true_random=False) | st.none())
def test_any_stream_becomes_a_valid_document(validate: Any, events: list[dict[str, Any]], scrambled: Any) -> None:
    if scrambled is not None:
        scrambled.shuffle(events)
    before = copy.deepcopy(events)
    document = trajectory(events, session_id="s", agent_name="app", agent_version="1")
    validate(document)
    assert events == before
    json.dumps(document)

    found = [step for one in documents(document) for step in one["steps"]]
    executed = [run["function_id"] for step in found for run in step.get("extra", {}).get("tool_ancestry", [])]
    assert sorted(executed) == sorted({event["uuid"] for event in events if event["category"] == "tool"})
    answered = [step["extra"]["ancestry"]["function_id"] for step in found if step.get("llm_call_count") == 1]
    assert len(answered) == len(set(answered))
    for uuid in roots(events):
        validate(trajectory(events, session_id=uuid, agent_name="app", agent_version="1"))
