# SPDX-License-Identifier: Apache-2.0
"""Conformance of a framework adapter: what the events of a scenario must look like, whatever the framework.

An adapter's own tests play a scenario with their framework, as the scenario's ``play`` says, capture the events, and
let ``check`` compare. Names of agents, nodes, tools and models are those of ``play``; where a framework gives a span
another name, ``names`` says which.

>>> from nemo_relay import ScopeType, llm, LLMRequest, scope
>>> from nemo_relay.testing import capture_events
>>> from nemo_relay.testing.conformance import SCENARIOS, check
>>> with capture_events() as captured:
...     with scope.scope("app", ScopeType.Function):
...         answer = {"content": "hello", "usage": {"prompt_tokens": 1, "completion_tokens": 1}}
...         _ = llm.execute_sync("prov", LLMRequest({}, {}), lambda request: answer, model_name="m")
>>> check(SCENARIOS[1], captured)
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from nemo_relay.testing.capture import CapturedEvents
from nemo_relay_projections.expectations.lifecycles import check_lifecycles
from nemo_relay_projections.expectations.scenarios import SCENARIOS as SCENARIOS
from nemo_relay_projections.expectations.scenarios import Scenario as Scenario
from nemo_relay_projections.expectations.scenarios import scenario as scenario
from nemo_relay_projections.expectations.trees import expect_tree


def check(scenario: Scenario, captured: CapturedEvents, names: Mapping[str, str] | None = None) -> None:
    """Compare what was captured with what the scenario wants.

    Args:
        scenario: one of ``SCENARIOS``, or one of your own.
        captured: the events of one run of it.
        names: the framework's names for the names in ``<<...>>``, e.g. ``{"model": "call_model"}``.

    Raises:
        AssertionError: the tree is another one, a start lacks its end, or one physical call has two events.
    """
    check_lifecycles(captured.events)
    given = dict(names or {})
    expect_tree(captured.tree(), re.sub(r"<<(\w+)>>", lambda found: given.get(found[1], found[1]), scenario.tree))
    for category in scenario.once:
        ids = [node.tool_call_id for node in captured.tree().walk() if node.category == category and node.tool_call_id]
        twice = sorted({found for found in ids if ids.count(found) > 1})
        assert not twice, f"scenario {scenario.number}: the {category} calls {twice} have more than one event"
