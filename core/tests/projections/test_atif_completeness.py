# SPDX-License-Identifier: Apache-2.0
"""Every model and tool call of a stream is in its trajectories, or named."""

from __future__ import annotations

from io import BytesIO

from nemo_relay import LLMRequest, ScopeType, llm, scope, tools
from nemo_relay.atif import TrajectoryStream, completeness
from nemo_relay.testing import capture_events
from nemo_relay_records.encoding import decode


def test_what_is_missing_and_what_has_no_place() -> None:
    with capture_events() as events, scope.scope("agent", ScopeType.Agent) as agent:
        llm.execute_sync("m", LLMRequest({}, {"prompt": "Hi"}), lambda _: {"content": "Yes"})
        with scope.scope("step", ScopeType.Function):
            tools.execute_sync("t", {}, lambda _: 1)
        scope.event("noted")
    records = [event.to_dict() for event in events]
    stream = TrajectoryStream(agent.uuid)
    for record in records:
        stream.feed(record)
    file = BytesIO()
    head = {"session_id": "s", "trajectory_id": agent.uuid, "agent": {"name": "agent", "version": "1"}}
    stream.write(file, head, {})
    document = decode(file.getvalue())
    report = completeness(records, [document])
    assert (report.llm, report.tool, report.missing, report.is_complete) == (1, 1, [], True)
    assert report.without_place == {"scope function": 1, "mark noted": 1}
    document["steps"] = []
    assert len(completeness(records, [document]).missing) == 2
