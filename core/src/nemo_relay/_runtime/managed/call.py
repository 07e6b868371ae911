# SPDX-License-Identifier: Apache-2.0
"""A managed call on its way, and what its kind has to say: two small objects, which keep nothing of a call.

``Events`` publishes the call; ``Middleware`` says what guardrails and intercepts get, and what becomes of their
answers. The order in which they are asked is the engine's.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Protocol, Self

from nemo_relay._runtime.managed.options import ALL, checked_context, checked_options
from nemo_relay._runtime.registry.registration import Entry
from nemo_relay._runtime.registry.registry import Family
from nemo_relay._runtime.tree.spans import Span

if TYPE_CHECKING:
    from nemo_relay._runtime.managed.layers import Continuation, Produced


class Events(Protocol):
    """The two events of a call of one kind."""

    def start(self, span: Any, argument: Any) -> Any:
        """Publish the start, if anybody hears it; returns what the callback is called with."""

    def end(self, span: Any, raw: Any) -> None:
        """Publish the end of a call that nothing shaped: its caller gets ``raw``, which the callback returned."""

    def end_failed(self, span: Any, error: BaseException) -> None:
        """Publish the end of a call that raised ``error``."""

    def start_shaped(self, call: Any) -> None:
        """Publish the start of a call after its request intercepts; sets what the callback is called with."""

    def end_shaped(self, call: Any, produced: Produced) -> Any:
        """Publish the end of a call through its layers; returns what the caller gets."""


class Middleware(Protocol):
    """What guardrails and intercepts get of a call of one kind, and what becomes of what they give back."""

    guardrails: Family
    layers: Family

    def takes_part(self) -> bool:
        """Whether any of it would take part in a call now."""

    def question(self, call: Any) -> tuple[Any, ...]:
        """What a conditional guardrail is called with."""

    def subject(self, call: Any) -> dict[str, Any]:
        """The start payload of a guardrail's scope."""

    async def rewrite(self, call: Any) -> None:
        """Run the request intercepts; sets what the call goes on with."""

    def arguments(self, call: Any, entry: Entry, value: Any, proceed: Continuation) -> tuple[Any, ...]:
        """What the execution intercept ``entry`` is called with."""

    def passed_on(self, call: Any, value: Any) -> Any:
        """What an execution intercept gives to its ``next``, as the next layer gets it."""

    def produced(self, raw: Any, entry: Entry | None = None, branches: Sequence[Produced] = ()) -> Produced:
        """What the callback returned, or the intercept ``entry`` after the ``branches`` it took."""

    def presented(self, call: Any, produced: Produced, entry: Entry) -> Any:
        """What ``next`` gives to the intercept ``entry``."""


class Kind:
    """A kind of managed calls: its name for guardrails and errors, and its two objects."""

    __slots__ = ("events", "middleware", "name")

    def __init__(self, name: str, events: Events, middleware: Middleware) -> None:
        self.name = name
        self.events = events
        self.middleware = middleware


class Edits:
    """What request intercepts have made of an LLM request besides itself."""

    __slots__ = ("annotated", "contributions", "marks")

    def __init__(self) -> None:
        self.annotated: Any = None  # the view that they agreed on
        self.marks: list[Any] = []
        self.contributions: list[dict[str, Any]] = []


class ManagedCall:
    """One call on its way through the engine."""

    __slots__ = (
        "application_context",
        "argument",
        "edits",
        "events",
        "func",
        "kind",
        "later",
        "middleware",
        "options",
        "span",
        "sync",
    )

    def __init__(self, kind: Kind, span: Any, argument: Any, func: Callable[..., Any], *, sync: bool) -> None:
        self.kind = kind.name
        self.events = kind.events
        self.middleware = kind.middleware
        self.span = span  # not started before the guardrails and request intercepts have had their say
        self.argument = argument
        self.func = func
        self.sync = sync
        self.options = ALL
        self.edits: Edits | None = None  # of an LLM request, where there were intercepts
        self.later: list[Callable[[], None]] | None = None  # what guardrails want done once it has begun
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
