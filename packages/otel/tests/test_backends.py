# SPDX-License-Identifier: Apache-2.0
"""Real back ends: what they show of a run that we sent."""

from __future__ import annotations

import json
import subprocess
import sysconfig
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from backends import free_port, python_with, server
from conftest import Export
from receiver import Receiver

from nemo_relay import LLMRequest, ScopeType, llm, scope, tools

pytestmark = [pytest.mark.backends, pytest.mark.timeout(1500)]

REQUEST = LLMRequest({}, {"model": "gpt-4.1", "messages": [{"role": "user", "content": "Weather in Paris?"}]})
RESPONSE = {
    "id": "c-1",
    "model": "gpt-4.1-2025-04-14",
    "object": "chat.completion",
    "choices": [
        {
            "index": 0,
            "finish_reason": "tool_calls",
            "message": {
                "role": "assistant",
                "content": None,
                "tool_calls": [
                    {
                        "id": "call_1",
                        "type": "function",
                        "function": {"name": "get_weather", "arguments": '{"city": "Paris"}'},
                    }
                ],
            },
        }
    ],
    "usage": {
        "prompt_tokens": 1000,
        "completion_tokens": 50,
        "total_tokens": 1050,
        "prompt_tokens_details": {"cached_tokens": 400},
    },
}


def run(session: str) -> None:
    with scope.scope("planner", ScopeType.Agent, input={"q": "weather"}, metadata={"session_id": session}):
        llm.execute_sync("openai.chat", REQUEST, lambda request: RESPONSE, model_name="gpt-4.1")
        with scope.scope("researcher", ScopeType.Agent, metadata={"session_id": "of the sub-agent"}):
            tools.execute_sync("get_weather", {"city": "Paris"}, lambda arguments: {"temp_c": 18})
        with pytest.raises(ZeroDivisionError):
            tools.execute_sync("broken", {}, lambda arguments: 1 / 0)


def ask(url: str, body: Any = None) -> Any:
    content = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, content, {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=60) as response:
        return json.load(response)


def until(found: Callable[[], Any], enough: Callable[[Any], bool]) -> Any:
    limit = time.monotonic() + 90
    while True:
        value = found()
        if enough(value) or time.monotonic() > limit:
            return value
        time.sleep(0.5)


@pytest.fixture(scope="module")
def phoenix(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    python = python_with("arize-phoenix", "20.26.1")
    folder, port = tmp_path_factory.mktemp("phoenix"), free_port()
    environment = {
        "PHOENIX_HOST": "127.0.0.1",
        "PHOENIX_PORT": str(port),
        "PHOENIX_GRPC_PORT": str(free_port()),
        "PHOENIX_WORKING_DIR": str(folder),
        "PHOENIX_TELEMETRY_ENABLED": "false",
    }
    url = f"http://127.0.0.1:{port}"
    command = [str(python), "-m", "phoenix.server.main", "serve"]
    with server(command, f"{url}/v1/projects", environment, folder / "log"):
        yield url


def test_phoenix_shows_tree_kinds_tokens_cost_and_session(phoenix: str, export: Export) -> None:
    config = {
        "type": "openinference",
        "endpoint": phoenix,
        "resource_attributes": {"openinference.project.name": "relay"},
        "timeout_millis": 30_000,
    }
    exporters = export({"traces": [config]})
    run("session-1")
    assert exporters.force_flush(60), exporters.diagnostics()
    spans = until(lambda: phoenix_spans(phoenix), lambda found: len(found) == 5)
    by_name = {span["name"]: span for span in spans}
    ids = {span["context"]["span_id"]: span["name"] for span in spans}
    tree = {name: ids.get(span["parent_id"]) for name, span in by_name.items()}
    assert tree == {
        "planner": None,
        "openai.chat": "planner",
        "researcher": "planner",
        "get_weather": "researcher",
        "broken": "planner",
    }
    kinds = {name: span["span_kind"] for name, span in by_name.items()}
    assert kinds == {
        "planner": "AGENT",
        "openai.chat": "LLM",
        "researcher": "AGENT",
        "get_weather": "TOOL",
        "broken": "TOOL",
    }
    assert by_name["broken"]["status_code"] == "ERROR"
    assert by_name["openai.chat"]["attributes"]["llm.token_count.prompt"] == 1000
    assert by_name["openai.chat"]["attributes"]["llm.token_count.prompt_details.cache_read"] == 400
    project = until(lambda: phoenix_totals(phoenix), lambda found: found["costSummary"]["total"]["cost"])
    assert project["tokenCountTotal"] == 1050
    assert project["costSummary"]["total"]["cost"] > 0
    (session,) = project["sessions"]["edges"]
    assert session["node"]["sessionId"] == "session-1"


def phoenix_spans(phoenix: str) -> list[dict[str, Any]]:
    try:
        found: list[dict[str, Any]] = ask(f"{phoenix}/v1/projects/relay/spans?limit=100")["data"]
    except urllib.error.HTTPError:
        return []
    return found


def phoenix_totals(phoenix: str) -> Any:
    fields = "name tokenCountTotal costSummary { total { cost } } sessions(first: 10) { edges { node { sessionId } } }"
    answer = ask(f"{phoenix}/graphql", {"query": f"{{ projects {{ edges {{ node {{ {fields} }} }} }} }}"})
    return next(edge["node"] for edge in answer["data"]["projects"]["edges"] if edge["node"]["name"] == "relay")


@pytest.fixture(scope="module")
def mlflow(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Path]]:
    python = python_with("mlflow", "3.17.2")
    folder, port = tmp_path_factory.mktemp("mlflow"), free_port()
    url = f"http://127.0.0.1:{port}"
    command = [str(python), "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(port)]
    command += ["--backend-store-uri", f"sqlite:///{folder}/store.db", "--default-artifact-root", str(folder / "files")]
    environment = {"MLFLOW_DISABLE_TELEMETRY": "true", "PATH": f"{python.parent}:/usr/bin:/bin"}
    with server(command, f"{url}/health", environment, folder / "log"):
        yield url, python


READ = """
import json, sys, mlflow
mlflow.set_tracking_uri(sys.argv[1])
trace = mlflow.get_trace(sys.argv[2])
spans = {s.name: {"type": s.span_type, "id": s.span_id, "parent": s.parent_id, "status": s.status.status_code.value,
                  "inputs": s.inputs, "outputs": s.outputs} for s in trace.data.spans}
print(json.dumps({"spans": spans, "tokens": trace.info.token_usage, "metadata": trace.info.trace_metadata}))
"""


def mlflow_trace(url: str, python: Path, trace_id: str) -> Any:
    command = [python, "-c", READ, url, f"tr-{trace_id}"]
    read = subprocess.run(command, capture_output=True, text=True, timeout=180)
    assert read.returncode == 0, read.stderr
    return json.loads(read.stdout.splitlines()[-1])


def test_mlflow_shows_a_run_that_goes_on(mlflow: tuple[str, Path], export: Export) -> None:
    url, python = mlflow
    headers = {"x-mlflow-experiment-id": "0"}
    trace = {"type": "openinference", "endpoint": url, "headers": headers, "timeout_millis": 60_000, "pending": True}
    exporters = export({"traces": [trace]})
    with scope.scope("planner", ScopeType.Agent) as planner:
        assert exporters.force_flush(120), exporters.diagnostics()
        trace_id = planner.uuid.replace("-", "")
        assert list(mlflow_trace(url, python, trace_id)["spans"]) == ["planner"]
        llm.execute_sync("openai.chat", REQUEST, lambda request: RESPONSE, model_name="gpt-4.1")
    assert exporters.force_flush(120), exporters.diagnostics()
    found = mlflow_trace(url, python, trace_id)
    assert found["spans"]["planner"]["status"] == "OK"
    assert found["tokens"]["input_tokens"] == 1000


@pytest.mark.parametrize("projection", ["openinference", "gen_ai"])
def test_mlflow_shows_tree_types_tokens_and_session(
    mlflow: tuple[str, Path], export: Export, projection: str, receiver: Any
) -> None:
    url, python = mlflow
    config = {
        "type": projection,
        "endpoint": url,
        "headers": {"x-mlflow-experiment-id": "0"},
        "timeout_millis": 60_000,
    }
    exporters = export({"traces": [config, {"type": projection, "endpoint": receiver.url}]})
    run("session-1")
    assert exporters.force_flush(120), exporters.diagnostics()
    trace_id = receiver.spans[0].trace_id.hex()
    found = mlflow_trace(url, python, trace_id)
    names = {
        "openinference": ("planner", "openai.chat", "get_weather", "broken"),
        "gen_ai": ("invoke_agent planner", "chat gpt-4.1", "execute_tool get_weather", "execute_tool broken"),
    }
    agent, call, tool, broken = (found["spans"][name] for name in names[projection])
    assert len(found["spans"]) == 5
    assert (agent["parent"], call["parent"], broken["parent"]) == (None, agent["id"], agent["id"])
    assert agent["type"] == "AGENT"
    assert call["type"] in ("LLM", "CHAT_MODEL")
    assert (tool["type"], tool["status"], broken["status"]) == ("TOOL", "OK", "ERROR")
    assert tool["inputs"] == {"city": "Paris"}
    assert (found["tokens"]["input_tokens"], found["tokens"]["output_tokens"]) == (1000, 50)
    assert found["metadata"]["mlflow.trace.session"] == "session-1"


def test_an_application_on_logfire_and_its_agent_are_one_trace(receiver: Receiver) -> None:
    program = Path(__file__).with_name("logfire_program.py")
    command = [str(python_with("logfire", "5.4.0")), str(program), sysconfig.get_path("purelib"), receiver.url]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr[-3000:]
    request, http = (json.loads(done.stdout.splitlines()[-1])[name] for name in ("request", "http"))
    planner, tool = receiver.named("planner"), receiver.named("search")
    assert {planner.trace_id.hex(), tool.trace_id.hex(), http[0]} == {request[0]}
    assert planner.parent_span_id.hex() == request[1]
    assert tool.parent_span_id == planner.span_id
    assert http[2] == tool.span_id.hex()
