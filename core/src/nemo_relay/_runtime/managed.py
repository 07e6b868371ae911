# SPDX-License-Identifier: Apache-2.0
"""The managed call: what happens around a tool or LLM call, in which order.

The order is written once, in ``steps``, as a generator that yields the callbacks to run. ``drive`` awaits what they
return, ``drive_sync`` does not need an event loop, and neither can drift from the other. What a callback raises is
thrown back into the generator, so that cancellation and errors take the same road.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Generator
from contextvars import copy_context
from typing import Any, ClassVar

from nemo_relay._runtime import context, faults, registry
from nemo_relay._runtime.awaiting import is_awaitable, run_blocking
from nemo_relay._runtime.guarding import check
from nemo_relay._runtime.registry import Entry, Family
from nemo_relay._runtime.scoping import is_cancellation
from nemo_relay._runtime.spans import Span
from nemo_relay.errors import CallbackError, ContinuationClosed, InvalidArgument

_get = context.position.get
_set = context.position.set

Step = tuple[Callable[..., Any], tuple[Any, ...]]
Steps = Generator[Step, Any, Any]


class Produced:
    """What a callback or intercept produced: the value as observers see it, and the object its caller gets."""

    __slots__ = ("annotation", "marks", "original", "plain", "value")

    def __init__(self, value: Any, original: Any, annotation: Any = None, *, plain: bool = True) -> None:
        self.value = value
        self.original = original
        self.annotation = annotation
        self.plain = plain  # the callback returned the value itself, as programs for 0.5 to 0.7 do
        self.marks: list[Any] = []


class Raised:
    """The outcome of a call that failed. It is returned: StopIteration does not survive being raised in a generator."""

    __slots__ = ("error",)

    def __init__(self, error: BaseException) -> None:
        self.error = error


class ManagedCall(ABC):
    """One call on its way through the engine. Subclasses say what is particular to tools and to LLMs."""

    __slots__ = ("argument", "bits", "data", "func", "metadata", "name", "parent", "span", "sync")

    kind: ClassVar[str]
    guardrails: ClassVar[Family]
    layers: ClassVar[Family]

    name: str
    argument: Any
    metadata: Any
    func: Callable[..., Any]
    parent: Span
    span: Span
    sync: bool

    @abstractmethod
    def is_unshaped(self) -> bool:
        """Whether no middleware would take part in the call now."""

    @abstractmethod
    def guard_arguments(self) -> tuple[Any, ...]:
        """What a conditional guardrail is called with."""

    @abstractmethod
    def guard_payload(self) -> dict[str, Any]:
        """The start payload of a guardrail's scope."""

    @abstractmethod
    def rewrite(self) -> Steps:
        """Run the request intercepts; sets ``argument``."""

    @abstractmethod
    def open(self) -> None:
        """Make ``span`` and publish its start."""

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
    def accept_layer(self, entry: Entry, raw: Any, branches: list[Produced]) -> Produced:
        """What an intercept returned, after the ``branches`` it took."""

    @abstractmethod
    def present(self, produced: Produced, entry: Entry) -> Any:
        """What ``next`` gives to the intercept ``entry``."""

    @abstractmethod
    def succeed(self, produced: Produced) -> Any:
        """Publish the end; returns what the caller gets."""

    @abstractmethod
    def conclude(self, raw: Any) -> None:
        """Publish the end of a call without layers: its caller gets what the callback returned."""

    @abstractmethod
    def fail(self, error: BaseException) -> None:
        """Publish the end of a call that raised ``error``."""


def steps(call: ManagedCall) -> Steps:
    """Guardrails, request intercepts, start event, execution intercepts around the callback, end event."""
    guardrails = registry.visible(call.guardrails, call.parent)
    if guardrails:
        yield from check(call, guardrails)
    yield from call.rewrite()
    call.open()
    before = _get()
    if registry.quiet.locals:
        registry.remember_place(call.span)
    _set(call.span)
    layers = registry.visible(call.layers, call.span)
    try:
        if layers:
            produced = yield from descend(call, layers, call.argument)
        else:
            produced = call.accept((yield call.func, (call.argument,)))
        if produced.__class__ is Raised:
            _result(produced)
    except BaseException as error:
        _set(before)
        call.fail(error)
        return Raised(error)
    _set(before)
    return call.succeed(produced)


def descend(call: ManagedCall, layers: tuple[Entry, ...], value: Any) -> Steps:
    """The outermost of ``layers`` around the rest, and the callback innermost."""
    try:
        if not layers:
            return call.accept((yield call.func, (value,)))
        entry = layers[0]
        proceed = Continuation(call, layers[1:], entry)
        try:
            raw = yield entry.fn, call.layer_arguments(entry, value, proceed)
        finally:
            proceed.active = proceed.lasting
    except StopIteration as error:
        return Raised(error)  # leaving a generator it would become another error
    return call.accept_layer(entry, raw, [branch for branch in proceed.branches if branch is not None])


class Continuation:
    """The ``next`` of an execution intercept. Each use runs the rest of the chain from where the intercept stands."""

    __slots__ = ("active", "branches", "call", "entry", "lasting", "layers")

    def __init__(self, call: ManagedCall, layers: tuple[Entry, ...], entry: Entry) -> None:
        self.call = call
        self.layers = layers
        self.entry = entry
        self.active = True
        self.lasting = False  # a stream's intercept goes on when it has returned its iterator
        self.branches: list[Produced | None] = []  # in the order of the uses, whenever each one ends

    def __call__(self, value: Any) -> Any:
        """Run the rest with ``value``: an awaitable, or for a plain function in a synchronous call the result."""
        if not self.active:
            raise ContinuationClosed
        value = self.call.checked(value)
        self.branches.append(None)
        branch = Branch(self, value, len(self.branches) - 1)
        return branch.run_sync() if self.call.sync and not self.entry.is_async else branch


class Branch:
    """One use of ``next``. Awaiting it runs it in the awaiting task; used as a future it gets a task of its own."""

    __slots__ = ("_future", "_here", "_index", "_outcome", "_proceed", "_value")

    def __init__(self, proceed: Continuation, value: Any, index: int) -> None:
        self._proceed = proceed
        self._value = value
        self._index = index
        self._here = _get()
        self._future: Any = None
        self._outcome: tuple[Any, BaseException | None] | None = None

    def run_sync(self) -> Any:
        """Run it now, without an event loop."""
        before = _get()
        _set(self._here)
        try:
            return self._kept(drive_sync(self._steps()))
        finally:
            _set(before)

    async def _run(self) -> Any:
        if self._outcome is None:
            before = _get()
            _set(self._here)
            try:
                # In a synchronous call an async intercept awaits; what it wraps stays synchronous.
                run = drive_sync(self._steps()) if self._proceed.call.sync else await drive(self._steps())
                self._outcome = (self._kept(run), None)
            except BaseException as error:
                self._outcome = (None, error)
                del self  # no cycle through the traceback
                raise
            finally:
                _set(before)  # whatever the branch left open
        value, failure = self._outcome
        if failure is not None:
            raise failure
        return value

    def _steps(self) -> Steps:
        proceed = self._proceed
        if not proceed.active:
            raise ContinuationClosed
        return descend(proceed.call, proceed.layers, self._value)

    def _kept(self, produced: Produced) -> Any:
        self._proceed.branches[self._index] = produced
        return self._proceed.call.present(produced, self._proceed.entry)

    def __await__(self) -> Generator[Any, Any, Any]:
        return (self._future or self._run()).__await__()

    def __getattr__(self, name: str) -> Any:
        # done(), add_done_callback(), cancel(), ...: asked of a future, so become one.
        if name.startswith("__"):
            raise AttributeError(name)
        if self._future is None:
            import asyncio

            self._future = asyncio.ensure_future(self._run())
        return getattr(self._future, name)


async def drive(run: Steps) -> Any:
    """Run the steps, awaiting what can be awaited, in the caller's own task."""
    answer: Any = None
    error: BaseException | None = None
    try:
        while True:
            fn, args = run.send(answer) if error is None else _throw(run, error)
            try:
                answer = fn(*args)
                if hasattr(type(answer), "__await__"):
                    answer = await answer
                error = None
            except BaseException as raised:
                error = raised
    except StopIteration as done:
        outcome = done.value
    finally:
        error = None  # its traceback holds this frame: no cycle
    return _result(outcome)


def drive_sync(run: Steps) -> Any:
    """Run the steps on this thread; an async callback is run to its end on a loop of its own."""
    answer: Any = None
    error: BaseException | None = None
    try:
        while True:
            fn, args = run.send(answer) if error is None else _throw(run, error)
            try:
                answer = fn(*args)
                if is_awaitable(answer):
                    answer = finish(answer)
                error = None
            except BaseException as raised:
                error = raised
    except StopIteration as done:
        outcome = done.value
    finally:
        error = None
    return _result(outcome)


def _throw(run: Steps, error: BaseException) -> Any:
    """Throw ``error`` into the steps; it keeps the context it was raised in, which throwing would overwrite."""
    context = error.__context__
    try:
        return run.throw(error)
    finally:
        error.__context__ = context
        del error  # no cycle through the traceback


def _result(outcome: Any) -> Any:
    if outcome.__class__ is Raised:
        error = outcome.error
        del outcome.error
        context = error.__context__
        try:
            raise error
        finally:
            error.__context__ = context
            del error, context  # no cycle through the traceback
    return outcome


def finish(awaitable: Awaitable[Any]) -> Any:
    """The result of ``awaitable``, waited for without an event loop running here, in a copy of this context."""

    async def wait() -> Any:
        return await awaitable

    return run_blocking(wait, copy_context())


def failure(call: ManagedCall, error: BaseException) -> dict[str, Any]:
    """The end metadata of a call that raised ``error``."""
    if isinstance(error, GeneratorExit) or (is_cancellation(error) and _is_cancelling()):
        label = "LLM" if call.kind == "llm" else "tool"
        return {"otel.status_code": "ERROR", "otel.status_description": f"{label} execution cancelled"}
    given = call.span._metadata if isinstance(call.span._metadata, dict) else {}
    status: dict[str, Any] = {"otel.status_code": "ERROR"}
    if isinstance(error, (InvalidArgument, CallbackError)):
        kind = "invalid_argument" if isinstance(error, InvalidArgument) else "internal_error"
        status |= {"otel.status_description": str(error), "error.type": kind}
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
