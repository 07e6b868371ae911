# SPDX-License-Identifier: Apache-2.0
"""A subscriber's event is put together when it is read, and says the same as the line that a sink got at once."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from nemo_relay import AtofExporter, AtofExporterConfig, LLMRequest, ScopeType, llm, scope, subscribers, tools
from nemo_relay.testing import deterministic


def work(padding: str) -> None:
    """One of each: scope, mark, tool call, LLM call; the payloads change right after they were emitted."""
    payload: dict[str, Any] = {"n": 1, "text": padding}
    with scope.scope("é", ScopeType.Agent, metadata={"k": [1]}):
        scope.event("mark", data=payload, metadata={"k": 2})
        payload["n"] = 2
        tools.execute_sync("tool", payload, lambda args: args.update(n=3) or {"done": args}, tool_call_id="c")
        payload["n"] = 4
        request = LLMRequest({"x-team": "red", "Authorization": "s"}, payload)
        llm.execute_sync("llm", request, lambda request: payload, model_name="m")
        payload.clear()


@pytest.mark.parametrize("padding", ["short", "long" * 1_000])
def test_what_is_read_late_is_what_was_written_at_once(padding: str, tmp_path: Path) -> None:
    config = AtofExporterConfig()
    config.output_directory, config.filename = str(tmp_path), "events.jsonl"
    exporter = AtofExporter(config)
    exporter.register("file")
    with deterministic():
        work(padding)
    exporter.shutdown()
    events: list[Any] = []
    subscribers.register("ear", events.append)
    try:
        with deterministic():
            work(padding)
        subscribers.flush()
    finally:
        subscribers.deregister("ear")
    written = (tmp_path / "events.jsonl").read_text(encoding="utf-8").splitlines()
    assert len(written) == 7
    assert [event.to_json() for event in events] == written
