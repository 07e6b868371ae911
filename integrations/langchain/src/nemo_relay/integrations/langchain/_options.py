# SPDX-License-Identifier: Apache-2.0
"""What an application can choose; one set of options for all Python adapters."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from nemo_relay.errors import RelayError
from nemo_relay.integrations.langchain._views.capture import NAMES, Capture
from nemo_relay.integrations.langchain._views.memory import Memory

Detail = Literal["semantic", "nodes", "all"]
StreamMarks = Literal["off", "first", "sampled", "all"]
ToolRejection = Literal["tool_message", "raise", "interrupt"]
LlmRejection = Literal["raise", "message"]
UnsupportedEdits = Literal["raise", "mark"]

SMALLEST_PAYLOAD = 256  # bytes; below that not even the note of what is missing has room

_CHOICES: dict[str, tuple[str, ...]] = {
    "detail": ("semantic", "nodes", "all"),
    "stream_marks": ("off", "first", "sampled", "all"),
    "on_tool_rejection": ("tool_message", "raise", "interrupt"),
    "on_llm_rejection": ("raise", "message"),
    "on_unsupported_edit": ("raise", "mark"),
}
_SWITCHES = ("dedupe_state", "enforce_in_callbacks")
_FUNCTIONS = ("session_id", "model_resolver", "header_policy")


class OptionError(RelayError, ValueError):
    """An option has a value that it cannot have.

    Attributes:
        option: the name of the option.
        value: the value it was given.
    """

    def __init__(self, option: str, value: object, remedy: str) -> None:
        super().__init__(f"AdapterOptions.{option}: {value!r} is not possible; {remedy}")
        self.option = option
        self.value = value


@dataclass(frozen=True, slots=True)
class AdapterOptions:
    """Choices of an application; the defaults suit most.

    Args:
        detail: which runs get events. ``"semantic"``: agents, graphs, model calls, tools, retrievers. ``"nodes"``: also
            nodes, subgraphs, tasks, hooks of middleware, and runnables. ``"all"``: also prompts, parsers and the
            routers behind conditional edges. Whatever has no events of its own hands its children and marks to the run
            above it.
        capture: which payloads are recorded, as a ``Capture`` or a mapping of its names to booleans; what it does not
            name is recorded.
        max_payload_bytes: cut inputs, outputs, arguments and results that are larger; None for no limit.
        dedupe_state: record a message, or a value of a graph's state, once in a trace, and refer to it from then on.
            With False every event repeats the whole state and every model request the whole conversation, so that the
            volume grows with the square of an agent's turns.
        stream_marks: marks while a model streams: none, ``llm.first_token`` alone, that and an ``llm.chunk`` for every
            tenth chunk, or one for each.
        session_id: from the metadata of an outermost agent or graph run, the id of its session; by default the
            ``thread_id``, else the id of the run. ``None`` from it leaves it to the default.
        on_tool_rejection: what a guardrail's refusal of a tool call becomes: a tool message with status ``error``
            that the model reads, the exception ``GuardrailRejected``, or a question to a human
            (``langgraph.types.interrupt`` with the payload of LangChain's human-in-the-loop middleware).
        on_llm_rejection: what a refusal of a model call becomes: the exception, or an ``AIMessage`` with the reason.
        on_unsupported_edit: an edit of an intercept that cannot be carried out raises ``UnsupportedEdit``, or
            leaves the mark ``edit.unsupported`` and is left out.
        enforce_in_callbacks: the callback handler asks the guardrails for every tool and model call that nothing
            else has asked them for, and lets ``GuardrailRejected`` through.
        model_resolver: from a model name that an intercept asks for, and the current model, to the model to call.
        tool_registry: tools that an intercept may add to a request, by name.
        header_policy: from the headers that intercepts set, and the model, to those that leave the process.

    Raises:
        OptionError: an option has a value that it cannot have (a ValueError).

    >>> AdapterOptions(on_tool_rejection="raise", capture={"prompts": False}).capture.responses
    True
    """

    detail: Detail = "nodes"
    capture: Capture | Mapping[str, bool] = field(default_factory=Capture)
    max_payload_bytes: int | None = None
    dedupe_state: bool = True
    stream_marks: StreamMarks = "first"
    session_id: Callable[[Mapping[str, Any]], str | None] | None = None
    on_tool_rejection: ToolRejection = "tool_message"
    on_llm_rejection: LlmRejection = "raise"
    on_unsupported_edit: UnsupportedEdits = "raise"
    enforce_in_callbacks: bool = True
    model_resolver: Callable[[str, Any], Any] | None = None
    tool_registry: Mapping[str, Any] = field(default_factory=dict)
    header_policy: Callable[[Mapping[str, Any], Any], Mapping[str, Any]] | None = None

    def __post_init__(self) -> None:
        for name, values in _CHOICES.items():
            if getattr(self, name) not in values:
                raise OptionError(name, getattr(self, name), f"it is one of {', '.join(map(repr, values))}")
        for name in _SWITCHES:
            if not isinstance(getattr(self, name), bool):
                raise OptionError(name, getattr(self, name), "it is True or False")
        for name in _FUNCTIONS:
            if getattr(self, name) is not None and not callable(getattr(self, name)):
                raise OptionError(name, getattr(self, name), "it is a function, or None")
        if not isinstance(self.tool_registry, Mapping):
            raise OptionError("tool_registry", self.tool_registry, "it maps names to tools")
        self._check_limit()
        object.__setattr__(self, "capture", _capture(self.capture))

    def _check_limit(self) -> None:
        limit = self.max_payload_bytes
        if limit is None or (type(limit) is int and limit >= SMALLEST_PAYLOAD):
            return
        raise OptionError("max_payload_bytes", limit, f"it is None or an integer from {SMALLEST_PAYLOAD} on")

    @property
    def captured(self) -> Capture:
        """``capture`` as it holds, with the switches that a mapping left out."""
        assert isinstance(self.capture, Capture)
        return self.capture

    def memory(self) -> Memory:
        """The memory of a trace that is recorded by these options."""
        return Memory(self.captured, economical=self.dedupe_state, limit=self.max_payload_bytes)


def _capture(given: Any) -> Capture:
    if isinstance(given, Capture):
        found = given
    elif isinstance(given, Mapping):
        unknown = sorted(str(name) for name in given if name not in NAMES)
        if unknown:
            raise OptionError("capture", unknown[0], f"its switches are {', '.join(NAMES)}")
        found = Capture(**given)
    else:
        raise OptionError("capture", given, "it is a Capture, or a mapping of its switches to booleans")
    for name in NAMES:
        if not isinstance(getattr(found, name), bool):
            raise OptionError(f"capture[{name!r}]", getattr(found, name), "it is True or False")
    return found


def chosen(options: AdapterOptions | None, choices: Mapping[str, Any]) -> AdapterOptions | None:
    """Options given as an object, as keyword arguments, or not at all.

    Args:
        options: the object, or None.
        choices: the keyword arguments, by the names of options.

    Returns:
        The options; None where none were given.

    Raises:
        TypeError: both were given, or a keyword is no option.
        OptionError: an option has a value that it cannot have.
    """
    if options is not None and choices:
        raise TypeError(f"options were given twice: as {type(options).__name__} and as {', '.join(sorted(choices))}")
    if options is not None and not isinstance(options, AdapterOptions):
        raise TypeError(f"options: {options!r} is no AdapterOptions; give the options by name, or AdapterOptions(...)")
    return AdapterOptions(**choices) if choices else options
