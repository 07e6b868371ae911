# SPDX-License-Identifier: Apache-2.0
"""What an application can choose; one set of options for all Python adapters."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

ToolRejection = Literal["tool_message", "raise", "interrupt"]
LlmRejection = Literal["raise", "message"]
UnsupportedEdits = Literal["raise", "mark"]


@dataclass(frozen=True, slots=True)
class AdapterOptions:
    """Choices of an application; the defaults suit most.

    Args:
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

    >>> AdapterOptions(on_tool_rejection="raise").on_llm_rejection
    'raise'
    """

    on_tool_rejection: ToolRejection = "tool_message"
    on_llm_rejection: LlmRejection = "raise"
    on_unsupported_edit: UnsupportedEdits = "raise"
    enforce_in_callbacks: bool = True
    model_resolver: Callable[[str, Any], Any] | None = None
    tool_registry: Mapping[str, Any] = field(default_factory=dict)
    header_policy: Callable[[Mapping[str, Any], Any], Mapping[str, Any]] | None = None

    def __post_init__(self) -> None:
        allowed = {
            "on_tool_rejection": ("tool_message", "raise", "interrupt"),
            "on_llm_rejection": ("raise", "message"),
            "on_unsupported_edit": ("raise", "mark"),
        }
        for name, values in allowed.items():
            if getattr(self, name) not in values:
                raise ValueError(f"AdapterOptions.{name}: {getattr(self, name)!r} is none of {', '.join(values)}")
