# SPDX-License-Identifier: Apache-2.0
"""Programs that know nothing of us, recorded by the environment alone; each a process of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from nemo_relay.integrations.langchain import is_wanted
from nemo_relay.integrations.langchain._record import launch

PROGRAM = """
import sys
from langgraph.graph import START, MessagesState, StateGraph
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.types import Command, interrupt

builder = StateGraph(MessagesState)
builder.add_node("ask", lambda state: {"messages": [("ai", interrupt("sure?"))]})
builder.add_edge(START, "ask")
graph = builder.compile(checkpointer=InMemorySaver(), name="asker")
config = {"configurable": {"thread_id": "t"}}
graph.invoke({"messages": [("user", "hi")]}, config)
print(graph.invoke(Command(resume="yes"), config)["messages"][-1].content, *sys.argv[1:])
"""


def run(*words: str, cwd: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    ours = ("NEMO_RELAY", "LANGSMITH", "LANGCHAIN", "PYTHONPATH")
    kept = {key: value for key, value in os.environ.items() if not key.startswith(ours)}
    line = [sys.executable, *words]
    return subprocess.run(line, cwd=cwd, env={**kept, **environment}, capture_output=True, text=True, timeout=120)


def recorded(directory: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (directory / "atof" / "events.jsonl").read_text().splitlines()]


def test_a_program_without_a_line_of_ours(tmp_path: Path) -> None:
    (tmp_path / "app.py").write_text(PROGRAM)
    launcher = ("-m", "nemo_relay.integrations.langchain", "run", "--instrument", "langchain,langgraph")
    done = run(*launcher, "--record", "events", "app.py", "--record", "x", cwd=tmp_path)
    assert (done.returncode, done.stdout, done.stderr) == (0, "yes --record x\n", "")
    events = recorded(tmp_path / "events")
    starts = [event["name"] for event in events if event.get("scope_category") == "start"]
    assert starts == ["asker", "ask", "asker", "ask"]
    marks = [event["name"] for event in events if event["kind"] == "mark"]
    assert {"Graph Interrupt", "Graph Resume"} <= set(marks)
    assert marks.count("Graph Interrupt") == 1


def test_its_children_and_its_own_start_up_module(tmp_path: Path) -> None:
    own = tmp_path / "own"
    own.mkdir()
    (own / "sitecustomize.py").write_text("print('own start-up')\n")
    (tmp_path / "app.py").write_text(PROGRAM)
    (tmp_path / "parent.py").write_text(
        "import subprocess, sys\nsubprocess.run([sys.executable, 'app.py'], check=True)\n"
    )
    launcher = ("-m", "nemo_relay.integrations.langchain", "run", "--record", "events", "--")
    done = run(
        *launcher, sys.executable, "parent.py", cwd=tmp_path, PYTHONPATH=str(own), NEMO_RELAY_INSTRUMENT="LangGraph"
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.count("own start-up") >= 2
    assert [event["name"] for event in recorded(tmp_path / "events")][:1] == ["asker"]


def test_a_module_that_fails_and_a_framework_that_is_none(tmp_path: Path) -> None:
    (tmp_path / "failing.py").write_text("import sys\nsys.exit(3)\n")
    launcher = ("-m", "nemo_relay.integrations.langchain", "run", "--instrument", "cobol")
    done = run(*launcher, "-m", "failing", cwd=tmp_path)
    assert done.returncode == 3
    assert "'cobol' is not recorded" in done.stderr
    nothing = run("-m", "nemo_relay.integrations.langchain", "run", cwd=tmp_path)
    assert (nothing.returncode, "name the program to run" in nothing.stderr) == (2, True)
    missing = run("-m", "nemo_relay.integrations.langchain", "run", "no-such-command", cwd=tmp_path)
    assert (missing.returncode, "'no-such-command' cannot be run" in missing.stderr) == (2, True)


LOOKUP = """
import nemo_relay.integrations.langgraph as adapter
from langgraph.pregel import main
from nemo_relay.integrations.langchain import instrumented

def state():
    patched = hasattr(main.get_sync_graph_callback_manager_for_config, "__wrapped__")
    return (type(instrumented()).__module__.split(".")[-2:-1], patched)

print(state())
adapter.instrument()
print(adapter.uninstrument(), adapter.uninstrument(), state())
"""


@pytest.mark.parametrize(
    ("wanted", "before"),
    [("langchain", "(['langchain'], False)"), ("langgraph, langchain", "(['langgraph'], True)"), ("", "([], False)")],
)
def test_the_import_of_an_adapter_is_enough(tmp_path: Path, wanted: str, before: str) -> None:
    done = run("-c", LOOKUP, cwd=tmp_path, NEMO_RELAY_INSTRUMENT=wanted)
    assert (done.stdout.splitlines(), done.stderr) == ([before, "True False ([], False)"], "")


def test_what_is_wanted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NEMO_RELAY_INSTRUMENT", " LangChain,,langgraph,langchain ")
    assert is_wanted("langchain")
    assert not is_wanted("lang")
    assert launch.wanted() == ["langchain", "langgraph"]


def test_the_environment_of_a_program(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("NEMO_RELAY_INSTRUMENT", raising=False)
    monkeypatch.setenv("PYTHONPATH", "elsewhere")
    once = launch.environment(None, None)
    assert once["NEMO_RELAY_INSTRUMENT"] == "langchain"
    assert "NEMO_RELAY_RECORD" not in once
    monkeypatch.setenv("PYTHONPATH", once["PYTHONPATH"])
    again = launch.environment("langgraph", str(tmp_path))
    assert again["PYTHONPATH"] == once["PYTHONPATH"]
    assert (again["NEMO_RELAY_INSTRUMENT"], again["NEMO_RELAY_RECORD"]) == ("langgraph", str(tmp_path))
    assert launch.command(["app.py", "x"]) == [sys.executable, "app.py", "x"]
    assert launch.command(["uvicorn", "app:app"]) == ["uvicorn", "app:app"]
