# SPDX-License-Identifier: Apache-2.0
"""ATIF: a run as a trajectory document, made from its events while they happen or from a file long after.

>>> from nemo_relay import AtifExporter, LLMRequest, ScopeType, llm, scope
>>> exporter = AtifExporter("session-1", "planner", "1.0")
>>> exporter.register("atif")
>>> with scope.scope("planner", ScopeType.Agent):
...     _ = llm.execute_sync("demo", LLMRequest({}, {"prompt": "Hi"}), lambda request: {"content": "Hello"})
>>> exporter.deregister("atif")
True
>>> [step["source"] for step in exporter.export()["steps"]]
['user', 'agent']
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from nemo_relay._runtime.checks import expect_text
from nemo_relay._runtime.delivery.dispatcher import dispatcher
from nemo_relay._runtime.exports import claim
from nemo_relay._runtime.registry import registry
from nemo_relay.redaction import Redaction, chosen
from nemo_relay_projections.atif import SCHEMA_VERSION, known_version, roots, trajectory
from nemo_relay_projections.atif_completeness import Completeness, completeness
from nemo_relay_projections.atif_stream import TrajectoryStream
from nemo_relay_records.encoding import decode, encode

__all__ = ["AtifExporter", "Completeness", "TrajectoryStream", "completeness", "read_events", "roots", "trajectory"]

claim(globals())


class AtifExporter:
    """Collects events and gives the trajectory of what it has heard so far, at any time.

    Args:
        session_id: the document's id; the uuid of an agent selects that agent's part of the stream.
        agent_name: who acted.
        agent_version: which version of it.
        model_name: the model, if it is one for all.
        tool_definitions: the tools that the agent was given.
        extra: anything else to say about the agent.
        redact: mask secrets: True, False, or a ``nemo_relay.redaction.Redaction``.
        schema_version: of the document, ``"ATIF-v1.7"`` or ``"ATIF-v1.8"``.

    Raises:
        ValueError: the schema version is none that is written.
    """

    def __init__(
        self,
        session_id: str,
        agent_name: str,
        agent_version: str,
        *,
        model_name: str | None = None,
        tool_definitions: list[Any] | None = None,
        extra: Mapping[str, Any] | None = None,
        redact: bool | Redaction = True,
        schema_version: str = SCHEMA_VERSION,
    ) -> None:
        for value in (session_id, agent_name, agent_version):
            expect_text(value)
        self._session_id = session_id
        self._agent: dict[str, Any] = {
            "agent_name": agent_name,
            "agent_version": agent_version,
            "model_name": model_name,
            "tool_definitions": tool_definitions,
            "extra": extra,
            "schema_version": known_version(schema_version),
        }
        self._lines: list[bytes] = []
        self._redaction = chosen(redact)

    def register(self, name: str) -> None:
        """Start collecting, under the subscriber name ``name``.

        Raises:
            AlreadyRegistered: the name is taken (a RuntimeError).
        """
        registry.subscribers.register(name, 0, self._lines.append, sink=self._collect)

    def deregister(self, name: str) -> bool:
        """Stop collecting; False when the name is unknown."""
        return registry.subscribers.deregister(name)

    def _collect(self, line: bytes) -> None:
        self._lines.append(line if self._redaction is None else self._redaction.line(line))

    def export(self) -> dict[str, Any]:
        """The trajectory of what was collected, as a dict. Collecting goes on."""
        if dispatcher.jobs:  # async sanitizers hold events back
            dispatcher.flush(5.0)
        return trajectory(map(decode, tuple(self._lines)), session_id=self._session_id, **self._agent)

    def export_json(self) -> str:
        """The same as compact JSON."""
        return encode(self.export()).decode()

    def clear(self) -> None:
        """Forget what was collected."""
        self._lines.clear()


def read_events(lines: Iterable[bytes | str]) -> list[dict[str, Any]]:
    """The events of an ATOF file, e.g. ``read_events(open(path, "rb"))``; a line that a crash tore is left out."""
    events = []
    for line in lines:
        try:
            event = decode(line)
        except ValueError:
            continue
        if isinstance(event, dict):
            events.append(event)
    return events
