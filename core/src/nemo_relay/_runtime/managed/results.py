# SPDX-License-Identifier: Apache-2.0
"""What callbacks and intercepts hand to the runtime and to each other."""

from __future__ import annotations

from typing import Any, Generic, TypeVar

from nemo_relay._runtime.checks import expect
from nemo_relay._runtime.emission.marks import PendingMarkSpec
from nemo_relay._runtime.managed.options import read_context
from nemo_relay._runtime.managed.views import copy_json
from nemo_relay_codecs.request import LLMRequest
from nemo_relay_records.encoding import strict

T = TypeVar("T")


class ToolExecutionResult(Generic[T]):
    """A tool's result and, optionally, an annotation that travels beside it. Both are kept by identity."""

    __slots__ = ("annotation", "result")

    def __init__(self, result: T, annotation: Any = None) -> None:
        self.result = result
        self.annotation = annotation

    def __repr__(self) -> str:
        return f"ToolExecutionResult(result={self.result!r}, annotation={self.annotation!r})"


class ToolExecutionContext:
    """What a tool execution intercept learns about the call it wraps."""

    __slots__ = ("_application_context", "_args", "_tool_call_id", "_tool_name")

    def __init__(
        self, tool_name: str, args: Any, tool_call_id: str | None, application_context: bytes | None = None
    ) -> None:
        self._tool_name = tool_name
        self._args = args
        self._tool_call_id = tool_call_id
        self._application_context = application_context

    @property
    def tool_name(self) -> str:
        """The tool's name."""
        return self._tool_name

    @property
    def args(self) -> Any:
        """A copy of the arguments, fresh at each access; pass it on unchanged and the callee gets the original."""
        return copy_json(self._args)

    @property
    def tool_call_id(self) -> str | None:
        """The provider's correlation id, if the call has one."""
        return self._tool_call_id

    @property
    def execution_context(self) -> Any:
        """What the caller gave as ``execution_context``, a copy, fresh at each access; None where it gave none."""
        return read_context(self._application_context)

    def __repr__(self) -> str:
        shown = "None" if self._tool_call_id is None else f'Some("{self._tool_call_id}")'
        return f'ToolExecutionContext(tool_name="{self._tool_name}", tool_call_id={shown})'


class ToolExecutionInterceptOutcome:
    """What a tool execution intercept returns: the result, its annotation, and marks to emit after the end event."""

    __slots__ = ("annotation", "pending_marks", "result")

    def __init__(
        self, result: Any, pending_marks: list[PendingMarkSpec] | None = None, *, annotation: Any = None
    ) -> None:
        if type(result) is ToolExecutionResult:
            raise TypeError(
                "ToolExecutionInterceptOutcome result must be the downstream payload, not ToolExecutionResult;"
                " pass result=downstream.result, annotation=downstream.annotation"
            )
        self.result = result
        self.annotation = annotation
        self.pending_marks = _marks(pending_marks) if pending_marks else []

    def __repr__(self) -> str:
        return f"ToolExecutionInterceptOutcome(result={self.result!r}, annotation={self.annotation!r})"


class LLMRequestInterceptOutcome:
    """What an LLM request intercept returns: the request, its normalised view, marks and contributions.

    Args:
        request: the request to go on with.
        annotated_request: its normalised view; with an active codec this is what edits are made on.
        pending_marks: emitted right after the start event.
        optimization_contributions: dicts with at least ``producer`` and ``kind``.

    Raises:
        TypeError: ``request`` is no ``LLMRequest``.
        ValueError: a contribution lacks a field.
    """

    __slots__ = ("annotated_request", "optimization_contributions", "pending_marks", "request")

    def __init__(
        self,
        request: LLMRequest,
        annotated_request: Any = None,
        pending_marks: list[PendingMarkSpec] | None = None,
        optimization_contributions: list[dict[str, Any]] | None = None,
    ) -> None:
        expect(request, LLMRequest, where="request")
        self.request = request
        self.annotated_request = annotated_request
        self.pending_marks = _marks(pending_marks) if pending_marks else []
        self.optimization_contributions = _contributions(optimization_contributions)

    def __repr__(self) -> str:
        return f"LLMRequestInterceptOutcome(request={self.request!r})"


def _marks(specs: list[PendingMarkSpec] | None) -> list[PendingMarkSpec]:
    made = list(specs or ())
    for spec in made:
        expect(spec, PendingMarkSpec, where="pending_marks")
    return made


def _contributions(items: Any) -> list[dict[str, Any]]:
    if items is None:
        return []
    if not isinstance(items, (list, tuple)):
        raise ValueError(f"invalid optimization_contributions: expected a sequence, got {items!r}")
    return [_contribution(item) for item in items]


def _contribution(item: Any) -> dict[str, Any]:
    if not isinstance(item, dict):
        raise ValueError(f"invalid optimization_contributions: expected an object, got {item!r}")
    for field in ("producer", "kind"):
        if field not in item:
            raise ValueError(f"invalid optimization_contributions: missing field `{field}`")
        if not isinstance(item[field], str):
            raise ValueError(f"invalid optimization_contributions: {field} must be a string, not {item[field]!r}")
    if not isinstance(item.get("applied", False), bool):
        raise ValueError(f"invalid optimization_contributions: applied must be a boolean, not {item['applied']!r}")
    strict(item)
    return {"applied": False, **item}
