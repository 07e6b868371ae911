# SPDX-License-Identifier: Apache-2.0
"""Every recorded run, projected and held against what the published package wrote for it.

Two differences are everywhere and are taken back before comparing: each tool call carries its lineage, and
times have microseconds. All others are named below, and an entry that no longer differs fails.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import reference_validator
from nemo_relay_projections.atif import trajectory

DATA = Path(__file__).resolve().parents[3] / "../shared/data/obs-examples"
EDGES = "03_atif_edge_cases"

LATE = "a late tool result stays with the call that asked for it, and so does its lineage"
FAILED = "a model call that failed, returned nothing or never ended is a step"
TOOL_FAILED = "a failed tool is an observation and its status says so"
OBJECT = "tool arguments are an object"
CACHE = "cached_tokens are reads only; writes are kept beside them"
MODEL = "the requested model is known also where a strict decoder refuses the request"
GEMINI = "Gemini's messages, tool calls and counts are read"
EMPTY = "an agent without model or tool calls has one step that says so"
COST = "a cost that is not surely in dollars is kept as reported"
BARE = "a bare number is a cost in dollars, as routers report it"
TOOL_INFO = "the result of a delegating call names the tool's own event"
NAMED = "a sub-agent is described by its own name and model, not its root's"
TOTALS = "totals with sub-agents are kept too"

DIFFERENCES: dict[str, dict[str, str]] = {
    "a03_tool_without_llm": {"/steps/0": "a tool that no model asked for keeps its arguments"},
    "a05_undeclared_tool_list_args": {"/steps/1/tool_calls/0/arguments": OBJECT},
    "a06_undeclared_tool_string_args": {"/steps/1/tool_calls/0/arguments": OBJECT},
    "a07_tool_result_after_next_llm": {
        "/steps/1/observation": LATE,
        "/steps/1/extra/tool_ancestry": LATE,
        "/steps/1/extra/tool_invocations": LATE,
        "/steps/3": LATE,
        "/final_metrics/total_steps": LATE,
    },
    "a08_llm_start_without_end": {"/steps/1": FAILED, "/final_metrics/total_steps": FAILED},
    "a09_llm_end_null": {"/steps/1": FAILED, "/final_metrics/total_steps": FAILED},
    "a10_tool_error_end": {
        "/steps/1/observation": TOOL_FAILED,
        "/steps/1/extra/tool_invocations/0/status": TOOL_FAILED,
    },
    "a11_anthropic": {
        "/steps/1/metrics/cached_tokens": CACHE,
        "/steps/1/metrics/extra": CACHE,
        "/final_metrics/total_cached_tokens": CACHE,
    },
    "a12_openai_responses": {"/steps/1/reasoning_effort": "the effort of a Responses request is read"},
    "a13_gemini": {
        "/steps/0/message": GEMINI,
        "/steps/1/message": GEMINI,
        "/steps/1/tool_calls": GEMINI,
        "/steps/1/metrics/extra": GEMINI,
    },
    "a14_reasoning_effort_and_multimodal": {"/steps/0/message": "an image in a message is an image part"},
    "a15_no_llm_at_all": {"/steps/0": EMPTY, "/notes": EMPTY, "/final_metrics/total_steps": EMPTY},
    "a17_cost_objects": {
        "/steps/9/metrics/cost_usd": BARE,
        "/final_metrics/total_cost_usd": BARE,
        "/steps/3/metrics/extra": COST,
        "/steps/5/metrics/extra": COST,
    },
    "a19_subagent_via_function_scope": {
        "/steps/1/observation/results/0/extra/event_name": TOOL_INFO,
        "/steps/1/observation/results/0/extra/event_uuid": TOOL_INFO,
        "/steps/1/observation/results/0/extra/parent_event_uuid": TOOL_INFO,
        "/steps/1/observation/results/0/extra/metadata": TOOL_INFO,
        "/steps/2/model_name": MODEL,
        "/subagent_trajectories/0/agent/name": NAMED,
        "/subagent_trajectories/0/agent/model_name": NAMED,
        "/subagent_trajectories/0/subagent_trajectories/0/agent/name": NAMED,
        "/subagent_trajectories/0/subagent_trajectories/0/agent/model_name": NAMED,
    },
    "a20_subagent_no_tool": {
        "/steps/4": EMPTY,
        "/final_metrics/total_steps": EMPTY,
        "/final_metrics/extra": TOTALS,
        "/subagent_trajectories/0/agent": NAMED,
        "/subagent_trajectories/1/agent": NAMED,
        "/subagent_trajectories/1/steps/0": EMPTY,
        "/subagent_trajectories/1/notes": EMPTY,
        "/subagent_trajectories/1/final_metrics/total_steps": EMPTY,
        "/subagent_trajectories/2": EMPTY,
    },
    "a25_duplicate_tool_call_ids": {
        "/steps/1/observation/results/1": "both results of calls that share an id are kept"
    },
    "a27_user_then_system_last": {"/steps/4/model_name": MODEL},
    "a31_timestamp_scramble_without_flush": {
        f"/steps/{number}": "the order is that of the stream, not of the clock" for number in (1, 2, 3, 4)
    },
    "a32_undeclared_tool_list_args_managed_id": {"/steps/1/tool_calls/0/arguments": OBJECT},
    "01_openai_nested": {
        "/steps/2/observation/results/0/extra/event_name": TOOL_INFO,
        "/steps/2/observation/results/0/extra/event_uuid": TOOL_INFO,
        "/steps/2/observation/results/0/extra/metadata": TOOL_INFO,
        "/final_metrics/extra": TOTALS,
        "/subagent_trajectories/0/agent": NAMED,
    },
    "21_parallel_llm": {
        "/steps/2/observation": LATE,
        "/steps/2/extra/tool_ancestry": LATE,
        "/steps/2/extra/tool_invocations": LATE,
        "/steps/6": LATE,
        "/final_metrics/total_steps": LATE,
    },
}
ABSENT = object()


def examples() -> dict[str, tuple[Path, Path]]:
    found = {
        path.name.removesuffix(".atof.jsonl"): (
            path,
            path.with_name(path.name.replace("atof.jsonl", "atif.json")),
        )
        for path in sorted((DATA / EDGES).glob("*.atof.jsonl"))
    }
    for folder, document in (
        ("01_openai_nested", "trajectory.manual.atif.json"),
        ("19_minimal", "trajectory.export_json.json"),
        ("21_parallel_llm", "trajectory.atif.json"),
    ):
        if (DATA / folder).is_dir():
            found[folder] = (DATA / folder / "events.atof.jsonl", DATA / folder / document)
    return found


EXAMPLES = examples()
recorded = pytest.mark.skipif(not EXAMPLES, reason="the recorded examples are not beside the checkout")


def project(name: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """Our document for the recorded events, and the recorded one."""
    stream, document = EXAMPLES[name]
    theirs = json.loads(document.read_text())
    agent = {f"agent_{key}": theirs["agent"][key] for key in ("name", "version")}
    agent |= {key: theirs["agent"].get(key) for key in ("model_name", "tool_definitions", "extra")}
    events = [json.loads(line) for line in stream.read_text().splitlines()]
    return trajectory(events, session_id=theirs["session_id"], **agent), theirs


def without_general_differences(document: Any) -> Any:
    """The document without the lineage of single calls, and with times cut to milliseconds."""
    if isinstance(document, list):
        return [without_general_differences(item) for item in document]
    if not isinstance(document, dict):
        return document
    found = {key: without_general_differences(value) for key, value in document.items()}
    for key in ("start_timestamp", "end_timestamp"):
        if key in found:
            found[key] = int(found[key] * 1000 + 1e-4) / 1000
    if "tool_call_id" in found and "extra" in found:
        extra = {key: value for key, value in found["extra"].items() if key not in ("ancestry", "invocation")}
        found.pop("extra")
        found |= {"extra": extra} if extra else {}
    return found


def differing(ours: Any, theirs: Any, pointer: str = "") -> Iterator[str]:
    if isinstance(ours, dict) and isinstance(theirs, dict):
        for key in {**theirs, **ours}:
            yield from differing(ours.get(key, ABSENT), theirs.get(key, ABSENT), f"{pointer}/{key}")
    elif isinstance(ours, list) and isinstance(theirs, list):
        for index in range(max(len(ours), len(theirs))):
            pair = [side[index] if index < len(side) else ABSENT for side in (ours, theirs)]
            yield from differing(*pair, f"{pointer}/{index}")
    elif ours is not theirs and ours != theirs:
        yield pointer


@recorded
@pytest.mark.parametrize("name", EXAMPLES)
def test_equals_the_recorded_document_but_for_named_differences(name: str) -> None:
    ours, theirs = project(name)
    found = set(differing(without_general_differences(ours), theirs))
    named = DIFFERENCES.get(name, {})
    covered = {
        pointer: next((known for known in named if f"{pointer}/".startswith(f"{known}/")), None) for pointer in found
    }
    assert [pointer for pointer, known in covered.items() if known is None] == []
    assert set(covered.values()) == set(named), "an entry of the table no longer differs"


@recorded
@pytest.mark.parametrize("name", EXAMPLES)
def test_is_valid(name: str, validate: Callable[[dict[str, Any]], None]) -> None:
    validate(project(name)[0])


@recorded
def test_the_table_names_recorded_examples_only() -> None:
    assert set(DIFFERENCES) <= set(EXAMPLES)


@recorded
@pytest.mark.slow_install
@pytest.mark.timeout(600)
def test_is_valid_for_the_reference_validator(tmp_path: Path) -> None:
    for name in EXAMPLES:
        (tmp_path / f"{name}.json").write_text(json.dumps(project(name)[0]))
    # The image that this run's tool names was never on the disk.
    imageless = [path.name for path in tmp_path.glob("a24_*.json")]
    try:
        assert reference_validator.complaints(tmp_path, *imageless) == ""
    except reference_validator.Unavailable as error:
        pytest.skip(str(error))
