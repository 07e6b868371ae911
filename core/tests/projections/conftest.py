# SPDX-License-Identifier: Apache-2.0
"""A small way to write an event stream by hand, and the published model of ATIF to hold documents against."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from nemo_relay_projections.atif import trajectory

OK = {"otel.status_code": "OK"}


class Stream:
    """Events in the order of the calls; names serve as uuids."""

    def __init__(self) -> None:
        self.events: list[dict[str, Any]] = []
        self._open: dict[str, dict[str, Any]] = {}

    def start(self, uuid: str, category: str, parent: str | None = None, data: Any = None, **more: Any) -> None:
        event = {
            "atof_version": "0.1",
            "kind": "scope",
            "scope_category": "start",
            "category": category,
            "attributes": [],
            "name": more.get("name", uuid),
            "uuid": uuid,
            "parent_uuid": parent,
            "timestamp": f"2026-11-20T10:00:00.{len(self.events):06d}+00:00",
            "data": data,
            "data_schema": None,
            "metadata": more.get("metadata"),
            "category_profile": more.get("profile"),
        }
        self._open[uuid] = event
        self.events.append(event)

    def end(self, uuid: str, data: Any = None, metadata: Any = OK, profile: Any = None) -> None:
        begun = self._open[uuid]
        event = dict(begun, scope_category="end", data=data)
        event["metadata"] = {**(begun["metadata"] or {}), **(metadata or {})} or None
        event["category_profile"] = {**(begun["category_profile"] or {}), **(profile or {})} or None
        event["timestamp"] = f"2026-11-20T10:00:00.{len(self.events):06d}+00:00"
        self.events.append(event)

    def llm(self, uuid: str, parent: str, messages: list[Any], answer: Any, **more: Any) -> None:
        body = {"model": "m-1", "messages": messages, **more.pop("body", {})}
        self.start(uuid, "llm", parent, {"headers": {}, "content": body}, name="openai")
        self.end(uuid, answer, **more)

    def tool(self, uuid: str, parent: str, call: str | None, args: Any, result: Any, **more: Any) -> None:
        profile = {"tool_call_id": call} if call else None
        self.start(uuid, "tool", parent, args, name=more.pop("name", uuid), profile=profile)
        self.end(uuid, result, **more)

    def project(self, session_id: str = "s", **more: Any) -> dict[str, Any]:
        found = trajectory(self.events, session_id=session_id, agent_name="app", agent_version="1", **more)
        json.dumps(found, allow_nan=False)
        return found


@pytest.fixture
def stream() -> Stream:
    return Stream()


@pytest.fixture(scope="session")
def validate() -> Callable[[dict[str, Any]], None]:
    """Raise unless the document fits the published v1.7 model, and its extras that model's own convention."""
    from nat.atif import Trajectory
    from nat.atif.atif_step_extra import AtifStepExtra, AtifToolCallExtra

    def check(document: dict[str, Any]) -> None:
        for step in Trajectory.model_validate(document).steps:
            if step.extra is not None:
                AtifStepExtra.model_validate(step.extra)
            for call in step.tool_calls or []:
                AtifToolCallExtra.model_validate(call.extra or {})
        for nested in document.get("subagent_trajectories", []):
            check(nested)

    return check


def declared(**calls: Any) -> list[dict[str, Any]]:
    """Tool calls as Chat writes them: ``declared(c1=("f", {"x": 1}))``."""
    return [
        {"id": identity, "type": "function", "function": {"name": name, "arguments": json.dumps(arguments)}}
        for identity, (name, arguments) in calls.items()
    ]


@pytest.fixture(name="declared")
def _declared() -> Callable[..., list[dict[str, Any]]]:
    return declared
