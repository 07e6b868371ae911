# SPDX-License-Identifier: Apache-2.0
"""Reads a recorded run and says which calls had a guard that should have looked at them, and no receipt."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec

from nemo_relay.atof import verify_chain
from nemo_relay_guard.models import Config
from nemo_relay_guard.receipts import MARK, seen
from nemo_relay_guard.rules import Rules

Event = dict[str, Any]
_SURFACES = {"tool": ("tool", "tool_result"), "llm": ("llm", "llm_response")}


@dataclass(frozen=True)
class AuditReport:
    """What an audit found.

    Attributes:
        calls: how many tool and LLM calls were recorded.
        receipts: how many receipts.
        missing: calls that a configured guard should have seen and left no receipt for: uuid, name, the guard, where.
        denied_but_run: calls that were recorded although a guard refused them: uuid, name, the guard.
        tampered: in a file written with ``hash_chain``, the number of the first line that was changed, or 0 where
            lines are missing at its end; else None.
    """

    calls: int = 0
    receipts: int = 0
    missing: list[Event] = field(default_factory=list)
    denied_but_run: list[Event] = field(default_factory=list)
    tampered: int | None = None

    @property
    def ok(self) -> bool:
        """Whether nothing is missing, nothing ran that was refused, and no line was changed."""
        return not self.missing and not self.denied_but_run and self.tampered is None


def audit(events: str | Path | Iterable[Any], document: Any = None) -> AuditReport:
    """Check the receipts of a recorded run.

    Args:
        events: a file of events (ATOF), or the events themselves: dicts, lines, or what subscribers get.
        document: the plugin document that was active; without one, the guards that left a receipt anywhere are expected
            of every call of the same surface and name.

    Returns:
        What was found.

    Raises:
        OSError: the file cannot be read.
        ValueError: a line is no JSON, or the document's guard is wrong.
    """
    known = [_event(line) for line in _lines(events)]
    calls = {one["uuid"]: one for one in known if _is_call(one)}
    receipts = [one for one in known if one.get("kind") == "mark" and one.get("name") == MARK]
    rules = _rules(document)
    left = {(one["data"].get("call"), one["data"]["on"], name) for one in receipts for name in _guards(one["data"])}
    loose = {
        (one.get("parent_uuid"), one["data"]["on"], name, one["data"]["digest"])
        for one in receipts
        if one["data"].get("call") is None and one["data"]["verdict"] != "deny"
        for name in _guards(one["data"])
    }
    missing = []
    ended = {one["uuid"] for one in known if one.get("scope_category") == "end" and not _failed(one)}
    for uuid, call in calls.items():
        for on in _SURFACES[call["category"]]:
            if on in ("tool_result", "llm_response") and uuid not in ended:
                continue
            for guard in _expected(rules, receipts, calls, call, on):
                if (uuid, on, guard) in left or (call.get("parent_uuid"), on, guard, _digest(call)) in loose:
                    continue
                missing.append({"uuid": uuid, "name": call["name"], "guard": guard, "on": on})
    denied = [
        {"uuid": one["data"]["call"], "name": calls[one["data"]["call"]]["name"], "guard": one["data"]["guard"]}
        for one in receipts
        if one["data"]["verdict"] in ("deny", "ask")
        and one["data"].get("call") in calls
        and one["data"]["on"] in ("tool", "llm")
    ]
    return AuditReport(len(calls), len(receipts), missing, denied, _tampered(events))


def _lines(events: Any) -> list[Any]:
    if isinstance(events, (str, Path)):
        return Path(events).read_bytes().splitlines()
    return list(events)


def _event(line: Any) -> Event:
    if isinstance(line, (bytes, str)):
        found: Event = msgspec.json.decode(line)
        return found
    return line if isinstance(line, dict) else json.loads(line.to_json())


def _is_call(event: Event) -> bool:
    return event.get("scope_category") == "start" and event.get("category") in _SURFACES


def _failed(event: Event) -> bool:
    metadata = event.get("metadata")
    return isinstance(metadata, dict) and metadata.get("otel.status_code") == "ERROR"


def _guards(data: Event) -> list[str]:
    return list(data.get("guards") or [data["guard"]])


def _rules(document: Any) -> Rules | None:
    if document is None:
        return None
    view = document if isinstance(document, dict) else document.to_dict()
    for component in view.get("components", [{"kind": "guard", "config": view}] if "rules" in view else []):
        component = component if isinstance(component, dict) else component.to_dict()
        if component["kind"] == "guard" and component.get("enabled", True):
            config = Config.model_validate(component.get("config", {}))
            return Rules(config) if config.require_receipts else None
    return None


def _expected(rules: Rules | None, receipts: list[Event], calls: dict[str, Event], call: Event, on: str) -> list[str]:
    if rules is not None:
        profile = call.get("category_profile") or {}
        model = profile.get("model_name") or _model(call)
        return [rule.name for rule in rules.for_call(on, call["name"], model)]
    found = {
        name
        for one in receipts
        if one["data"]["on"] == on and calls.get(one["data"].get("call"), {}).get("name") == call["name"]
        for name in _guards(one["data"])
    }
    return sorted(found)


def _model(call: Event) -> str | None:
    content = (call.get("data") or {}).get("content") if isinstance(call.get("data"), dict) else None
    model = content.get("model") if isinstance(content, dict) else None
    return model if isinstance(model, str) else None


def _digest(call: Event) -> str:
    data = call.get("data")
    return seen(data.get("content") if call["category"] == "llm" and isinstance(data, dict) else data).digest


def _tampered(events: Any) -> int | None:
    if not isinstance(events, (str, Path)):
        return None
    misfit = verify_chain(events).misfit
    return None if misfit is None else misfit.line
