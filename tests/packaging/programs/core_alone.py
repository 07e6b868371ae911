# SPDX-License-Identifier: Apache-2.0
"""Run where only `nemo-relay` is installed: a scope, managed calls, a mark, and the files of the run."""

import asyncio
import json
import tempfile
from pathlib import Path
from typing import Any

import nemo_relay
from nemo_relay import ScopeType
from nemo_relay.recording import record


def double(args: Any) -> Any:
    return {"value": args["value"] * 2}


async def double_later(args: Any) -> Any:
    return double(args)


with tempfile.TemporaryDirectory() as folder:
    with record(directory=folder):
        with nemo_relay.scope.scope("agent", ScopeType.Agent, input={"value": 1}) as agent:
            assert nemo_relay.tools.execute_sync("double", {"value": 1}, double) == {"value": 2}
            later = asyncio.run(nemo_relay.tools.execute("double", {"value": 2}, double_later, handle=agent))
            assert later == {"value": 4}
            nemo_relay.scope.event("halfway", handle=agent, data={"percent": 50})

    lines = (Path(folder) / "atof" / "events.jsonl").read_text(encoding="utf-8").splitlines()
    events = [json.loads(line) for line in lines]
    assert all(event["atof_version"] == "0.1" for event in events)
    starts = {event["uuid"]: event for event in events if event.get("scope_category") == "start"}
    assert [event["name"] for event in starts.values()] == ["agent", "double", "double"], events
    assert {starts[event["parent_uuid"]]["name"] for event in events if event["name"] != "agent"} == {"agent"}
    assert sum(event.get("scope_category") == "end" for event in events) == 3
    (trajectory,) = (Path(folder) / "atif").glob("*.json")
    assert json.loads(trajectory.read_text(encoding="utf-8"))["schema_version"]
