# SPDX-License-Identifier: Apache-2.0
"""How a run ended. An error is an error; an interrupt, a hand-off, a closed stream or a cancellation is not.

LangGraph's control flow travels as exceptions. They are known by class name here, so that a program without
LangGraph needs none, and the LangChain handler still tells the truth inside a graph.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
from dataclasses import dataclass, field
from typing import Any

from langchain_core.messages import ToolMessage

from nemo_relay.integrations.langchain._views.payloads import shown, tool_view

_STATUS = {"ok": "OK", "cached": "OK", "error": "ERROR"}
_CODES = {
    "GraphRecursionError": "GRAPH_RECURSION_LIMIT",
    "InvalidUpdateError": "INVALID_CONCURRENT_GRAPH_UPDATE",
}
MAX_MESSAGE = 2_000


@dataclass(slots=True)
class Ending:
    """The end of a run: its outcome, what goes into the end event's data, and into its metadata."""

    outcome: str
    data: Any = None
    extra: dict[str, Any] = field(default_factory=dict)
    annotated: dict[str, Any] | None = None
    unwound: bool = False  # an exception went through the run: what ran inside it on its thread or task is over
    closed_early: bool = False  # the consumer closed a generator: what feeds it is torn down after it

    @property
    def metadata(self) -> dict[str, Any]:
        """The end event's metadata."""
        status = _STATUS.get(self.outcome, "UNSET")
        return {"relay.outcome": self.outcome, "otel.status_code": status, **self.extra}


def ok(data: Any) -> Ending:
    """The run returned ``data``."""
    return Ending("ok", data)


def cancelled(reason: str, data: Any = None, *, unwound: bool = True, closed_early: bool = False) -> Ending:
    """The run was stopped from outside; ``data`` is what it had produced so far."""
    return Ending("cancelled", data, {"reason": reason}, unwound=unwound, closed_early=closed_early)


def ending_of(error: BaseException) -> Ending:
    """The run raised ``error``."""
    stop = _cancellation(error)
    if stop is not None:
        return stop
    names = {cls.__name__ for cls in type(error).__mro__ if cls.__module__.startswith("langgraph.")}
    if "GraphBubbleUp" in names:
        return _control_flow(error, names)
    return failed(error)


def failed(error: BaseException, outcome: str = "error", code: str | None = None) -> Ending:
    """The run failed: ``error`` with its type, module, message and notes."""
    kind, text = type(error).__name__, message_of(error)
    notes = [str(note) for note in getattr(error, "__notes__", ())]
    described = {
        "type": kind,
        "module": type(error).__module__,
        "message": text,
        **({"notes": notes} if notes else {}),
    }
    extra = {"error.type": kind, "exception.type": kind}
    if outcome == "error":
        extra["otel.status_description"] = text or kind
    code = code or _CODES.get(kind)
    return Ending(outcome, {"error": described}, {**extra, "error.code": code} if code else extra, unwound=True)


def message_of(error: BaseException) -> str:
    """``str(error)``, shortened; a broken ``__str__`` gives an empty text."""
    try:
        return str(error)[:MAX_MESSAGE]
    except Exception:
        return ""


def interrupted(ids: list[str], data: Any, *, unwound: bool = False) -> Ending:
    """The run paused for a human; ``ids`` names the interrupts it waits for."""
    return Ending("interrupted", data, {"relay.interrupt_ids": ids} if ids else {}, unwound=unwound)


def interrupts_of(error: BaseException) -> list[Any]:
    """The interrupts that a graph interrupt carries."""
    first = error.args[0] if error.args else ()
    return list(first) if isinstance(first, (list, tuple)) else []


def _cancellation(error: BaseException) -> Ending | None:
    if isinstance(error, GeneratorExit):
        return cancelled("consumer_closed", closed_early=True)
    if isinstance(error, (asyncio.CancelledError, concurrent.futures.CancelledError)):
        return cancelled("cancelled")
    if isinstance(error, (KeyboardInterrupt, SystemExit)):
        return cancelled(type(error).__name__)
    return None


def _control_flow(error: BaseException, names: set[str]) -> Ending:
    if "GraphInterrupt" in names:
        pauses = interrupts_of(error)
        ids = [str(pause.id) for pause in pauses if getattr(pause, "id", None)]
        described = [
            {"id": getattr(pause, "id", None), "value": shown(getattr(pause, "value", None))[0]} for pause in pauses
        ]
        return interrupted(ids, {"interrupts": described}, unwound=True)
    if "ParentCommand" in names:
        return Ending("handoff", _command(error.args[0] if error.args else None), unwound=True)
    outcome = "drained" if "GraphDrained" in names else "handoff"
    return Ending(outcome, {"reason": message_of(error)}, unwound=True)


def _command(command: Any) -> dict[str, Any]:
    update = getattr(command, "update", None)
    return {
        "goto": shown(getattr(command, "goto", None))[0],
        "update": sorted(map(str, update)) if isinstance(update, dict) else [],
    }


def tool_returned(output: Any) -> Ending:
    """A tool returned; a tool message may say that it failed."""
    ending = _tool_ok(output)
    if isinstance(output, ToolMessage) and output.status == "error":
        ending.outcome = "tool_error"
        ending.extra["error.code"] = "tool_error"
    return ending


def _tool_ok(output: Any) -> Ending:
    try:
        return ok(tool_view(output))
    except Exception:
        data, flag = shown(output)
        return Ending("ok", data, dict(flag))


def tool_raised(error: BaseException) -> Ending:
    """A tool raised; arguments that do not fit its schema are the model's mistake, not its own."""
    if type(error).__name__ == "ValidationError" and _while_parsing(error):
        return failed(error, "tool_error", "invalid_arguments")
    return ending_of(error)


def _while_parsing(error: BaseException) -> bool:
    trace = error.__traceback__
    while trace is not None:
        if trace.tb_frame.f_code.co_name == "_parse_input":
            return True
        trace = trace.tb_next
    return False
