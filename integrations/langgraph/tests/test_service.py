# SPDX-License-Identifier: Apache-2.0
"""A web service that runs agents at the same time: each request has a trajectory of its own, and no other's data."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import FastAPI, Header
from langchain.agents import create_agent
from langchain_core.messages import AIMessage, HumanMessage
from langchain_core.tools import tool
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import START, MessagesState, StateGraph
from langgraph.types import Command, interrupt

from nemo_relay.integrations.langchain.testing import ScriptedChatModel
from nemo_relay.integrations.langgraph import wrap_graph
from nemo_relay.recording import record

REQUESTS = 40


class Echo(ScriptedChatModel):
    """Looks up what it is asked for, then repeats it."""

    script: list[Any] = []  # noqa: RUF012 - a field of pydantic's, copied for each instance

    def _reply(self, messages: Any) -> AIMessage:
        asked = next(message.text for message in reversed(messages) if isinstance(message, HumanMessage))
        call = {"name": "look_up", "args": {"secret": asked}, "id": f"call-{asked}"}
        script = [AIMessage("", tool_calls=[call]), f"here is {asked}"]
        return ScriptedChatModel(script=script, model=self.model)._reply(messages)


@tool
async def look_up(secret: str) -> str:
    """Look it up; others do so meanwhile."""
    await asyncio.sleep(0)
    return f"found {secret}"


def service() -> FastAPI:
    """Two agents behind HTTP, as an application has them: compiled once, called by many."""
    app = FastAPI()
    agent = wrap_graph(create_agent(Echo(), [look_up], name="helper", checkpointer=InMemorySaver()))

    def approve(state: MessagesState) -> Any:
        return {"messages": [("ai", f"approved: {interrupt('may I?')}")]}

    builder = StateGraph(MessagesState)
    builder.add_node("work", create_agent(Echo(), [look_up], name="worker"))
    builder.add_node("approve", approve)
    builder.add_edge(START, "work")
    builder.add_edge("work", "approve")
    reviewed = wrap_graph(builder.compile(name="reviewed", checkpointer=InMemorySaver()))

    @app.post("/chat/{thread}")
    async def chat(thread: str, text: str, x_user: str = Header()) -> str:
        config: Any = {"configurable": {"thread_id": thread, "user_id": x_user, "session_id": f"session-{thread}"}}
        state = await agent.ainvoke({"messages": [("user", text)]}, config)
        return str(state["messages"][-1].content)

    @app.post("/review/{thread}")
    async def review(thread: str, text: str = "", answer: str = "", x_user: str = Header()) -> list[Any]:
        config: Any = {"configurable": {"thread_id": thread, "user_id": x_user}}
        given: Any = Command(resume=answer) if answer else {"messages": [("user", text)]}
        state = await reviewed.ainvoke(given, config)
        return [state["messages"][-1].text, len(state.get("__interrupt__", []))]

    return app


def client() -> httpx.AsyncClient:
    return httpx.AsyncClient(transport=httpx.ASGITransport(app=service()), base_url="http://127.0.0.1")


def documents(folder: Path) -> list[tuple[str, dict[str, Any], str]]:
    """Name, content and text of each trajectory."""
    found = []
    for path in sorted((folder / "atif").glob("trajectory-*.json")):
        text = path.read_text(encoding="utf-8")
        found.append((path.name, json.loads(text), text))
    return found


@pytest.mark.allow_blocking  # opening the files of the recording
async def test_a12_forty_requests_at_once(tmp_path: Path) -> None:
    with record(tmp_path):
        async with client() as http:
            asked = [
                http.post(f"/chat/t{number:02}?text=canary-{number:02}", headers={"x-user": f"user-{number:02}"})
                for number in range(REQUESTS)
            ]
            answers = [answer.json() for answer in await asyncio.gather(*asked)]
    assert answers == [f"here is canary-{number:02}" for number in range(REQUESTS)]
    found = documents(tmp_path)
    assert len(found) == REQUESTS
    for number, (name, document, text) in enumerate(sorted(found, key=lambda item: item[1]["session_id"])):
        session, user, canary = f"session-t{number:02}", f"user-{number:02}", f"canary-{number:02}"
        assert session in name and user in name
        assert document["session_id"] == session
        assert document["extra"]["nemo_relay"]["user_id"] == user
        assert document["extra"]["nemo_relay"]["thread_id"] == f"t{number:02}"
        assert canary in text
        others = [other for other in range(REQUESTS) if other != number]
        assert not [other for other in others if f"canary-{other:02}" in text or f"user-{other:02}" in text]


@pytest.mark.allow_blocking
async def test_a12_an_interrupted_thread_is_two_documents_that_name_each_other(tmp_path: Path) -> None:
    with record(tmp_path):
        async with client() as http:
            names = [f"r{number}" for number in range(5)]
            headers = {"x-user": "ann"}
            first = [http.post(f"/review/{name}?text=canary-{name}", headers=headers) for name in names]
            paused = [answer.json() for answer in await asyncio.gather(*first)]
            second = [http.post(f"/review/{name}?answer=yes-{name}", headers=headers) for name in names]
            done = [answer.json() for answer in await asyncio.gather(*second)]
    assert paused == [[f"here is canary-{name}", 1] for name in names]
    assert done == [[f"approved: yes-{name}", 0] for name in names]
    by_thread: dict[str, list[dict[str, Any]]] = {name: [] for name in names}
    for _, document, _ in documents(tmp_path):
        by_thread[document["session_id"]].append(document)
    for both in by_thread.values():
        before, after = sorted(both, key=lambda document: "continues" in document["extra"]["nemo_relay"])
        assert before["extra"]["nemo_relay"]["continued_by"]["trajectory_id"] == after["trajectory_id"]
        assert after["extra"]["nemo_relay"]["continues"]["trajectory_id"] == before["trajectory_id"]
        assert {document["extra"]["nemo_relay"]["user_id"] for document in both} == {"ann"}
