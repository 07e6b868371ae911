# SPDX-License-Identifier: Apache-2.0
"""What other tools wrote, against what really happened."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import pytest

from nemo_relay import LLMRequest, ScopeType, codecs, llm, scope, tools
from nemo_relay.convert import ImportReport, UnknownFormat, read, to_atif
from nemo_relay.recording import record
from nemo_relay.tree import Forest, Node, build

TRANSCRIPTS = Path(__file__).resolve().parents[4] / "shared" / "data" / "transcripts"
HOSTS = ("claude", "codex")
SCENES = [
    f"{host}/{scene.name}" for host in HOSTS if TRANSCRIPTS.exists() for scene in sorted((TRANSCRIPTS / host).iterdir())
]


def session_of(folder: Path) -> Path:
    found = sorted(folder.glob("session-*.jsonl"))
    mains = [path for path in found if '"parent_thread_id"' not in path.read_text().splitlines()[0]]
    return (mains or found)[0]


def nodes(forest: Forest, category: str) -> list[Node]:
    return [node for node in forest.walk() if node.category == category]


@pytest.mark.skipif(not SCENES, reason="there is no ../shared/data/transcripts beside the repository")
@pytest.mark.parametrize("scene", SCENES or ["none"])
def test_calls_tokens_and_agents_are_those_that_the_provider_saw(scene: str) -> None:
    folder = TRANSCRIPTS / scene
    requests = json.loads((folder / "truth.json").read_text())["requests"]
    report = ImportReport()
    events = list(read(session_of(folder), report=report))
    forest = build(events)
    assert forest.unreadable == []
    assert len(forest.roots) == 1
    calls = nodes(forest, "llm")
    wanted = sorted(_wanted(request) for request in requests if request.get("usage"))
    counted = [call for call in calls if call.status == "ok"]
    assert sorted(_counted(call) for call in counted) == wanted
    assert {call.model for call in counted} == {request["model"] for request in requests if request.get("usage")}
    if scene.startswith("claude"):  # a refused request leaves no line in a rollout of Codex
        assert len(calls) == len(requests)
    names = {(r["headers"].get("x-claude-code-agent-id") or r["headers"].get("thread-id") or "") for r in requests}
    assert len(nodes(forest, "agent")) == len(names)
    assert all(tool.ended and tool.outcome != "abandoned" for tool in nodes(forest, "tool"))
    assert events == list(read(session_of(folder)))
    assert report.read == report.mapped + sum(report.skipped.values())


def _wanted(request: Any) -> tuple[int, ...]:
    usage = request["usage"]
    # OpenAI's input counts hold what a cache served, Anthropic's do not.
    beside = usage["cache_read"] + usage["cache_write"] if "messages" in request["path"] else 0
    return (usage["input"] + beside, usage["output"], usage["cache_read"], usage["cache_write"])


def _counted(call: Node) -> tuple[int, ...]:
    assert call.tokens
    return (call.tokens.input, call.tokens.output, call.tokens.cached, call.tokens.written)


@pytest.mark.skipif(not SCENES, reason="there is no ../shared/data/transcripts beside the repository")
@pytest.mark.parametrize("host", HOSTS)
def test_a_subagent_stands_below_the_call_that_made_it(host: str) -> None:
    forest = build(read(session_of(TRANSCRIPTS / host / "subagent")))
    (sub,) = [node for node in nodes(forest, "agent") if node.name == "subagent"]
    above = forest.nodes[sub.parent_uuid or ""]
    assert (above.category, above.name) == ("tool", {"claude": "Agent", "codex": "spawn_agent"}[host])
    assert len([node for node in sub.walk() if node.category == "llm"]) == 2


@pytest.mark.skipif(not SCENES, reason="there is no ../shared/data/transcripts beside the repository")
@pytest.mark.parametrize("host", HOSTS)
def test_a_tool_that_failed_is_an_error(host: str) -> None:
    tools = nodes(build(read(session_of(TRANSCRIPTS / host / "tool-fail"))), "tool")
    assert [tool.status for tool in tools] == ["error"]


def attribute(key: str, value: Any) -> Any:
    kind = "intValue" if isinstance(value, int) else "doubleValue" if isinstance(value, float) else "stringValue"
    return {"key": key, "value": {kind: str(value) if kind == "intValue" else value}}


def otlp(*spans: Any) -> str:
    return json.dumps({"resourceSpans": [{"scopeSpans": [{"spans": list(spans)}]}]})


def span(key: str, name: str, parent: str = "", status: Any = None, **attributes: Any) -> Any:
    listed = [attribute(key.replace("__", "."), value) for key, value in attributes.items()]
    own = {"traceId": "t", "spanId": key, "parentSpanId": parent, "name": name, "attributes": listed}
    return {
        **own,
        "startTimeUnixNano": "1000000000000000000",
        "endTimeUnixNano": "1000000001000000000",
        "status": status or {},
    }


OPENINFERENCE = otlp(
    span(
        "2",
        "ChatOpenAI",
        "1",
        openinference__span__kind="LLM",
        llm__model_name="m",
        llm__input_messages__0__message__role="user",
        llm__input_messages__0__message__content="hi",
        llm__output_messages__0__message__role="assistant",
        llm__output_messages__0__message__content="hello",
        llm__token_count__prompt=10,
        llm__token_count__completion=2,
        llm__token_count__prompt_details__cache_read=4,
        llm__cost__total=0.5,
    ),
    span("1", "agent", openinference__span__kind="AGENT", session__id="s"),
    span("3", "look", "1", {"code": 2, "message": "no"}, openinference__span__kind="TOOL", input__value='{"q": 1}'),
)
GENAI = otlp(
    span(
        "2",
        "chat m",
        "1",
        gen_ai__operation__name="chat",
        gen_ai__request__model="m",
        gen_ai__usage__input_tokens=10,
        gen_ai__usage__output_tokens=2,
    ),
    span("1", "invoke_agent a", gen_ai__operation__name="invoke_agent"),
    span(
        "3",
        "execute_tool look",
        "1",
        {"code": "STATUS_CODE_ERROR", "message": "no"},
        gen_ai__operation__name="execute_tool",
        gen_ai__tool__name="look",
    ),
)
LANGSMITH = json.dumps(
    [
        {
            "id": "1",
            "run_type": "chain",
            "name": "agent",
            "start_time": "2026-01-01T00:00:00",
            "end_time": "2026-01-01T00:00:02",
        },
        {
            "id": "2",
            "run_type": "llm",
            "name": "ChatOpenAI",
            "parent_run_id": "1",
            "start_time": "2026-01-01T00:00:00",
            "end_time": "2026-01-01T00:00:01",
            "inputs": {"messages": [[{"type": "constructor", "kwargs": {"type": "human", "content": "hi"}}]]},
            "outputs": {"generations": [[{"message": {"kwargs": {"type": "ai", "content": "hello"}}}]]},
            "prompt_tokens": 10,
            "completion_tokens": 2,
            "extra": {"metadata": {"ls_model_name": "m"}},
        },
        {
            "id": "3",
            "run_type": "tool",
            "name": "look",
            "parent_run_id": "1",
            "start_time": "2026-01-01T00:00:01",
            "error": "Traceback\nValueError: no",
        },
    ]
)


@pytest.mark.parametrize("text", [OPENINFERENCE, GENAI, LANGSMITH], ids=["openinference", "genai", "langsmith"])
def test_spans_and_runs(tmp_path: Path, text: str) -> None:
    file = tmp_path / "spans.json"
    file.write_text(text)
    report = ImportReport()
    forest = build(read(file, report=report))
    (root,) = forest.roots
    assert (root.category, report.read, report.mapped, dict(report.skipped)) == ("agent", 3, 3, {})
    (call,), (tool,) = nodes(forest, "llm"), nodes(forest, "tool")
    assert call.tokens
    assert (call.model, call.tokens.input, call.tokens.output) == ("m", 10, 2)
    assert (tool.name, tool.status) == ("look", "error")
    assert (tool.error or "").endswith("no")
    if text is not GENAI:
        assert call.input["content"]["messages"][0]["content"] == "hi"
        assert call.output["content"] == "hello"
    assert list(read(file)) == list(read(file))


def test_one_document_a_line_and_compressed(tmp_path: Path) -> None:
    file = tmp_path / "spans.jsonl.gz"
    file.write_bytes(gzip.compress("\n".join([OPENINFERENCE, "broken", GENAI]).encode()))
    report = ImportReport()
    assert len(build(read(file, "otlp-json", report=report)).nodes) == 3
    assert report.skipped["no JSON"] == 1


@pytest.mark.parametrize("content", ["", "hello", "[]", "7", '{"a": 1}', "\ufffd", "[[[["])
def test_files_of_no_format(tmp_path: Path, content: str) -> None:
    file = tmp_path / "other"
    file.write_text(content)
    with pytest.raises(UnknownFormat, match="claude-code"):
        read(file)
    with pytest.raises(UnknownFormat, match="format must be one of"):
        read(file, "tarot")


def test_a_trajectory_of_ours_comes_back(tmp_path: Path) -> None:
    """What ATOF, ATIF, ATOF keeps: the conversation, tools with their arguments and failures, models, tokens."""

    def broken(args: Any) -> Any:
        raise TimeoutError("no answer")

    def answer(text: str, *calls: str) -> Any:
        asked = [
            {"id": f"c{name}", "type": "function", "function": {"name": name, "arguments": '{"q": 1}'}}
            for name in calls
        ]
        message = {"role": "assistant", "content": text, **({"tool_calls": asked} if asked else {})}
        usage = {
            "prompt_tokens": 10,
            "completion_tokens": 2,
            "total_tokens": 12,
            "prompt_tokens_details": {"cached_tokens": 4},
        }
        return lambda request: {"id": "r", "model": "m", "choices": [{"index": 0, "message": message}], "usage": usage}

    codec = codecs.resolve("openai_chat")
    with record(tmp_path / "run") as run, scope.scope("planner", ScopeType.Agent):
        ask = LLMRequest({}, {"model": "m", "messages": [{"role": "user", "content": "umbrella?"}]})
        llm.execute_sync("openai", ask, answer("", "look", "break"), codec=codec, response_codec=codec)
        tools.execute_sync("look", {"q": 1}, lambda args: "rain", tool_call_id="clook")
        with pytest.raises(TimeoutError):
            tools.execute_sync("break", {"q": 1}, broken, tool_call_id="cbreak")
        llm.execute_sync("openai", ask, answer("Take it."), codec=codec, response_codec=codec)
    (file,) = to_atif(run.events_path, tmp_path / "atif").written
    report = ImportReport()
    forest, first = build(read(file, report=report)), build(run.events_path.read_bytes().splitlines())
    assert report.format == "atif"
    assert [call.tokens for call in nodes(forest, "llm")] == [call.tokens for call in nodes(first, "llm")]
    assert {call.model for call in nodes(forest, "llm")} == {"m"}
    kept = {tool.name: (tool.input, tool.status) for tool in nodes(forest, "tool")}
    assert kept == {tool.name: (tool.input, tool.status) for tool in nodes(first, "tool")}
    assert nodes(forest, "llm")[-1].output["content"] == "Take it."
    assert forest.roots[0].name == "planner"


ODD = [None, 7, "text", [], {}, [None, 7], {"content": 5}, {"role": 3}, {"usage": "x"}, {"id": {}}, "\ud800"]


@pytest.mark.parametrize("odd", ODD, ids=repr)
@pytest.mark.parametrize("format_", ["claude-code", "codex", "otlp-json", "langsmith"])
def test_members_of_any_type(tmp_path: Path, format_: str, odd: Any) -> None:
    first = {"type": "session_meta", "payload": {"id": "x"}, "sessionId": "s", "timestamp": "2026-01-01T00:00:00Z"}
    lines = [
        first,
        {**first, "type": "user", "message": odd},
        {**first, "type": "assistant", "message": odd, "uuid": odd},
        {**first, "type": "assistant", "message": {"id": "m", "content": odd, "usage": odd, "model": odd}},
        {**first, "type": "response_item", "payload": odd},
        {
            **first,
            "type": "response_item",
            "payload": {"type": "function_call", "call_id": "c", "arguments": odd, "name": odd},
        },
        {**first, "type": "token_usage_record", "payload": {"usage": odd, "response_id": odd}},
        {**first, "type": "response_item", "payload": {"type": "function_call_output", "call_id": "c", "output": odd}},
        {"resourceSpans": odd},
        {
            "resourceSpans": [
                {
                    "scopeSpans": [
                        {"spans": [{"spanId": "1", "attributes": odd, "status": odd, "startTimeUnixNano": odd}]}
                    ]
                }
            ]
        },
        {
            "id": "1",
            "run_type": "llm",
            "inputs": odd,
            "outputs": odd,
            "extra": odd,
            "start_time": odd,
            "parent_run_id": odd,
        },
    ]
    file = tmp_path / "odd.jsonl"
    file.write_text("".join(json.dumps(line) + "\n" for line in lines))
    events = list(read(file, format_))
    assert build(events).unreadable == []
    assert all(isinstance(json.dumps(event), str) for event in events)


@pytest.mark.parametrize("odd", ODD, ids=repr)
def test_trajectories_with_members_of_any_type(tmp_path: Path, odd: Any) -> None:
    call = {"tool_call_id": odd, "function_name": odd, "arguments": odd, "extra": odd}
    step = {"source": "agent", "message": odd, "timestamp": odd, "metrics": odd, "tool_calls": [call, odd]}
    others = [{**step, "observation": odd}, {**step, "tool_calls": odd, "extra": odd, "model_name": odd}, odd]
    for document in ({"steps": [*others, {"source": odd}], "agent": odd}, {"steps": odd}):
        file = tmp_path / "odd.json"
        file.write_text(json.dumps({"schema_version": "ATIF-v1.7", "session_id": "s", **document}))
        assert build(read(file)).unreadable == []
