# SPDX-License-Identifier: Apache-2.0
"""A web service: requests at the same time, each a run of its own that names its session and its user.

The application's lifespan opens the recording once. A request opens a scope, and what happens in it, in tasks and
threads too, belongs to that request and no other.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
from fastapi import FastAPI, Header

from nemo_relay import ScopeType, scope, tools
from nemo_relay.recording import Recording, record


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    async with record("runs") as app.state.recording:
        yield


app = FastAPI(lifespan=lifespan)


async def look_up(args: dict[str, Any]) -> str:
    await asyncio.sleep(0.01)  # other requests go on meanwhile
    return f"three pages about {args['topic']}"


@app.get("/ask/{session}")
async def ask(session: str, topic: str, x_user: str = Header()) -> str:
    # With a graph, `configurable` says the same: {"thread_id": ..., "session_id": session, "user_id": x_user}.
    with scope.scope("helper", ScopeType.Agent, metadata={"session_id": session, "user_id": x_user}):
        return str(await tools.execute("look_up", {"topic": topic}, look_up))


async def main() -> None:
    """What a server would do: start the application, send it five requests at once, and stop it."""
    transport = httpx.ASGITransport(app)
    async with lifespan(app), httpx.AsyncClient(transport=transport, base_url="http://service") as client:
        requests = [
            client.get(f"/ask/s-{number}?topic=tides", headers={"x-user": f"user-{number}"}) for number in range(5)
        ]
        answers = await asyncio.gather(*requests)
    assert all(answer.status_code == 200 for answer in answers)
    recording: Recording = app.state.recording
    for path in sorted(recording.trajectories):
        print(path.name)
    assert len(recording.trajectories) == 5


if __name__ == "__main__":
    asyncio.run(main())
