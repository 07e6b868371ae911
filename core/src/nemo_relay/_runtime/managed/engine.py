# SPDX-License-Identifier: Apache-2.0
"""The managed call: what happens around a tool or LLM call, in which order.

The order is written once, in ``steps``, as a coroutine that an asynchronous call awaits in its own task. A synchronous
call runs the very same to its end without an event loop (``complete``): whatever could be awaited in it is waited for
on the spot, so it never suspends, and neither can drift from the other.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import Any, ClassVar, Self

from nemo_relay._runtime.awaitables import finish
from nemo_relay._runtime.log import faults
from nemo_relay._runtime.managed.guardrails import check
from nemo_relay._runtime.managed.layers import Continuation, Produced, Raised, descend, result
from nemo_relay._runtime.managed.options import ALL, checked_context, checked_options
from nemo_relay._runtime.managed.scope import is_cancellation
from nemo_relay._runtime.registry import registry
from nemo_relay._runtime.registry.registration import Entry
from nemo_relay._runtime.registry.registry import Family
from nemo_relay._runtime.tree import context
from nemo_relay._runtime.tree.spans import Span
from nemo_relay.errors import CallbackError, InvalidArgument

_get = context.position.get
_set = context.position.set


class ManagedCall(ABC):
    """One call on its way through the engine. Subclasses say what is particular to tools and to LLMs."""

    __slots__ = ("application_context", "argument", "func", "options", "span", "sync")

    kind: ClassVar[str]
    guardrails: ClassVar[Family]
    layers: ClassVar[Family]

    def __init__(self, span: Any, argument: Any, func: Callable[..., Any], *, sync: bool) -> None:
        self.span = span  # not started before the guardrails and request intercepts have had their say
        self.argument = argument
        self.func = func
        self.sync = sync
        self.options = ALL
        self.application_context: bytes | None = None  # what the caller tells execution intercepts, as JSON

    def directed(self, execution_options: Any, execution_context: Any) -> Self:
        """The call with what its caller says about its middleware; both are checked."""
        self.options = checked_options(execution_options)
        self.application_context = checked_context(execution_context)
        return self

    @property
    def name(self) -> str:
        """The tool or provider."""
        name: str = self.span.label
        return name

    @property
    def parent(self) -> Span:
        """The span it belongs to."""
        parent: Span = self.span.parent_span
        return parent

    @property
    def metadata(self) -> Any:
        """What its caller gave for the events."""
        return self.span.given_metadata

    @staticmethod
    @abstractmethod
    def is_unshaped() -> bool:
        """Whether no middleware would take part in a call now."""

    @staticmethod
    @abstractmethod
    def begin(span: Any, argument: Any) -> Any:
        """Publish the start; returns what the callback is called with."""

    @staticmethod
    @abstractmethod
    def begin_unobserved(span: Any, argument: Any) -> Any:
        """What the callback is called with where nobody hears the start."""

    @staticmethod
    @abstractmethod
    def conclude(span: Any, raw: Any) -> None:
        """Publish the end of a call without layers: its caller gets ``raw``, which the callback returned."""

    @staticmethod
    @abstractmethod
    def fail(span: Any, error: BaseException) -> None:
        """Publish the end of a call that raised ``error``."""

    @abstractmethod
    def guard_arguments(self) -> tuple[Any, ...]:
        """What a conditional guardrail is called with."""

    @abstractmethod
    def guard_payload(self) -> dict[str, Any]:
        """The start payload of a guardrail's scope."""

    @abstractmethod
    async def rewrite(self) -> None:
        """Run the request intercepts; sets ``argument``."""

    @abstractmethod
    def open(self) -> None:
        """Publish the start of ``span``."""

    @abstractmethod
    def layer_arguments(self, entry: Entry, value: Any, proceed: Continuation) -> tuple[Any, ...]:
        """What an execution intercept is called with."""

    @abstractmethod
    def checked(self, value: Any) -> Any:
        """What an intercept passes on, as the next layer gets it."""

    @abstractmethod
    def accept(self, raw: Any) -> Produced:
        """What the callback returned."""

    @abstractmethod
    def accept_layer(self, entry: Entry, raw: Any, branches: Sequence[Produced]) -> Produced:
        """What an intercept returned, after the ``branches`` it took."""

    @abstractmethod
    def present(self, produced: Produced, entry: Entry) -> Any:
        """What ``next`` gives to the intercept ``entry``."""

    @abstractmethod
    def succeed(self, produced: Produced) -> Any:
        """Publish the end; returns what the caller gets."""


async def steps(call: ManagedCall) -> Any:
    """Guardrails, request intercepts, start event, execution intercepts around the callback, end event."""
    span = call.span
    options = call.options
    guardrails = registry.visible(call.guardrails, span.parent_span) if options.conditional_execution else ()
    if guardrails:
        await check(call, guardrails)
    if options.request_intercepts:
        await call.rewrite()
    call.open()
    before = _get()
    if registry.activity.owners:
        registry.remember_place(span)
    _set(span)
    layers = registry.visible(call.layers, span) if options.execution_intercepts else ()
    try:
        if layers:
            produced = await descend(call, layers, 0, call.argument)
            if type(produced) is Raised:
                result(produced)
        else:
            raw = call.func(call.argument)
            if hasattr(type(raw), "__await__"):
                raw = finish(raw) if call.sync else await raw
            produced = call.accept(raw)
    except BaseException as error:
        _set(before)
        call.fail(span, error)
        if call.sync:
            return Raised(error)
        raise
    _set(before)
    return call.succeed(produced)


def failure(span: Span, error: BaseException) -> dict[str, Any]:
    """The end metadata of a call that raised ``error``."""
    if isinstance(error, GeneratorExit) or (is_cancellation(error) and _is_cancelling()):
        label = "LLM" if span.category == "llm" else "tool"
        return {"otel.status_code": "ERROR", "otel.status_description": f"{label} execution cancelled"}
    given = span.given_metadata if isinstance(span.given_metadata, dict) else {}
    status: dict[str, Any] = {"otel.status_code": "ERROR"}
    if isinstance(error, (InvalidArgument, CallbackError)):
        kind = "invalid_argument" if isinstance(error, InvalidArgument) else "internal_error"
        status |= {"otel.status_description": faults.text(error), "error.type": kind}
    else:
        name = type(error).__name__
        status |= {
            "otel.status_description": f"internal error: {faults.describe(error)}",
            "error.type": "internal_error",
            "exception.type": name,
        }
    return {key: given.get(key, value) if "." in key and key[0] == "e" else value for key, value in status.items()}


def _is_cancelling() -> bool:
    """Whether somebody cancelled this task; otherwise the callback raised CancelledError by itself."""
    import asyncio

    try:
        task = asyncio.current_task()
    except RuntimeError:
        return False
    return task is not None and task.cancelling() > 0
