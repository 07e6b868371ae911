# SPDX-License-Identifier: Apache-2.0
"""The proof that every event stands where the framework says."""

from __future__ import annotations

from nemo_relay.integrations.langchain.testing import RunRecorder
from nemo_relay.testing import CapturedEvents, check_lifecycles
from nemo_relay.tree import Forest, Node

REPETITIONS = 20


def assert_same_tree(captured: CapturedEvents, recorder: RunRecorder) -> dict[str, Node]:
    """Every run of the framework is one span, ended once, under the span of the run's own parent.

    Returns the spans by run id.
    """
    check_lifecycles(captured.events)
    nodes = list(captured.tree().walk())
    spans = {node.metadata["relay.run_id"]: node for node in nodes if "relay.run_id" in node.metadata}
    assert len([node for node in nodes if "relay.run_id" in node.metadata]) == len(spans)
    assert spans.keys() == {run.run_id for run in recorder.visible()}
    for run in recorder.visible():
        parent = recorder.visible_parent(run.run_id)
        if parent is not None:
            assert spans[run.run_id].parent_uuid == spans[parent].uuid, run
    return spans


def above(forest: Forest, node: Node) -> list[Node]:
    """The ancestors of a span, nearest first."""
    found: list[Node] = []
    while (parent := forest.nodes.get(node.parent_uuid or "")) is not None:
        found.append(node := parent)
    return found


def assert_own_lanes(
    captured: CapturedEvents, lanes: dict[str, Node], *, per_lane_llm: int, per_lane_tools: int
) -> None:
    """By their payloads, without the framework's help: what speaks of ``who`` is in the lane of ``who``."""
    forest = captured.tree()
    seen: dict[str, list[str]] = {who: [] for who in lanes}
    for node in forest.walk():
        if node.category not in ("llm", "tool") and not node.name.startswith("user:"):
            continue
        text = f"{node.name} {node.input}"
        who = next(candidate for candidate in lanes if f"{candidate}'" in text or f":{candidate}:" in text)
        assert lanes[who] in above(forest, node), (who, node.name)
        seen[who].append(node.category)
        for mark in node.marks:
            assert node.name.startswith("user:") is (mark.name == "inside")
            assert mark.name != "inside" or mark.data["who"] == who
    for categories in seen.values():
        assert categories.count("llm") == per_lane_llm
        assert categories.count("tool") == per_lane_tools
        assert categories.count("function") == 2  # the scopes its tool opened
