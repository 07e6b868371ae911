# SPDX-License-Identifier: Apache-2.0
"""``scope.annotate``: the last word on how a span ended."""

from __future__ import annotations

import pytest

from nemo_relay import ScopeType, scope, tools
from nemo_relay.testing import capture_events


def test_what_was_annotated_is_laid_over_the_end_of_a_scope() -> None:
    with capture_events() as captured, scope.scope("work", ScopeType.Function, metadata={"team": "red"}) as handle:
        scope.annotate(handle, {"rows": 3, "team": "blue"})
        scope.annotate(handle, {"rows": 4})
    start, end = captured.events
    assert start.metadata == {"team": "red"}
    assert end.metadata == {"team": "blue", "otel.status_code": "OK", "rows": 4}


def test_an_adapter_can_say_that_an_exception_was_no_failure() -> None:
    class Pause(Exception):
        pass

    def pause(args: object) -> None:
        scope.annotate(scope.get_handle(), {"otel.status_code": "UNSET", "relay.outcome": "interrupted"})
        raise Pause

    with capture_events() as captured, pytest.raises(Pause):
        tools.execute_sync("ask", {}, pause)
    assert captured.events[-1].metadata["otel.status_code"] == "UNSET"
    assert captured.events[-1].metadata["relay.outcome"] == "interrupted"


def test_only_a_dict_can_be_annotated() -> None:
    with scope.scope("work", ScopeType.Function) as handle, pytest.raises(TypeError, match="'list' object"):
        scope.annotate(handle, [])  # type: ignore[arg-type]
