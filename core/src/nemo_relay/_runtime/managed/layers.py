# SPDX-License-Identifier: Apache-2.0
"""The layers of a managed call: execution intercepts around each other, and the callback innermost.

Each intercept gets a ``next``, and may use it not at all, more than once, or at the same time; each use is a branch.
"""

from __future__ import annotations

from collections.abc import Coroutine, Generator
from types import FunctionType
from typing import Any

from nemo_relay._runtime.awaitables import block_on
from nemo_relay._runtime.guard import blame
from nemo_relay._runtime.managed.call import ManagedCall
from nemo_relay._runtime.registry.registration import Entry
from nemo_relay._runtime.tree import context
from nemo_relay.errors import ContinuationClosed

_get = context.position.get
_set = context.position.set

Steps = Coroutine[Any, Any, Any]


class Produced:
    """What a callback or intercept produced: the value as observers see it, and the object its caller gets."""

    __slots__ = ("annotation", "marks", "original", "plain", "value")

    def __init__(self, value: Any, original: Any, annotation: Any = None, plain: bool = True) -> None:
        self.value = value
        self.original = original
        self.annotation = annotation
        self.plain = plain  # the callback returned the value itself, as programs for 0.5 to 0.7 do
        self.marks: tuple[Any, ...] = ()


class Raised:
    """The outcome of a call that failed. It is returned: StopIteration does not survive leaving a coroutine."""

    __slots__ = ("error",)

    def __init__(self, error: BaseException) -> None:
        self.error = error


async def descend(call: ManagedCall, layers: tuple[Entry, ...], depth: int, value: Any) -> Any:
    """The intercept at ``depth`` around the rest of ``layers``: what it ``Produced``, or ``Raised``."""
    entry = layers[depth]
    proceed = Continuation(call, layers, depth + 1, entry)
    try:
        raw = entry.fn(*call.middleware.arguments(call, entry, value, proceed))
        if hasattr(type(raw), "__await__"):
            raw = block_on(raw) if call.sync else await raw
        return call.middleware.produced(raw, entry, proceed.taken())
    except StopIteration as error:
        return Raised(error)  # leaving a coroutine it would become another error
    except BaseException as error:
        if error is not proceed.failure:  # what came from further down is not the intercept's
            blame(error, "execution intercept", entry.name, f"of the {call.kind} call {call.name!r}")
        raise
    finally:
        proceed.active = proceed.lasting
        proceed.is_over = True
        proceed.failure = None  # no cycle through the traceback


class Continuation:
    """The ``next`` of an execution intercept. Each use runs the rest of the chain from where the intercept stands."""

    __slots__ = ("active", "branches", "call", "depth", "entry", "failure", "is_over", "lasting", "layers")

    def __init__(self, call: ManagedCall, layers: tuple[Entry, ...], depth: int, entry: Entry) -> None:
        self.call = call
        self.layers = layers
        self.depth = depth  # where in the layers the rest begins
        self.entry = entry
        self.active = True
        self.failure: BaseException | None = None  # the last error that came from further down, while it matters
        self.is_over = False  # the intercept has returned
        self.lasting = False  # a stream's intercept goes on when it has returned its iterator
        self.branches: list[Produced | None] = []  # in the order of the uses, whenever each one ends

    def __call__(self, value: Any) -> Any:
        """Run the rest with ``value``: an awaitable, or for a plain function in a synchronous call the result."""
        if not self.active:
            raise ContinuationClosed
        call = self.call
        branch = Branch(self, call.middleware.passed_on(call, value), len(self.branches))
        self.branches.append(None)
        return branch.run_sync() if call.sync and not self.entry.is_async else branch

    def failed(self, error: BaseException) -> None:
        """Note an error that comes from further down: it is not the intercept's own."""
        if not self.is_over:
            self.failure = error

    def taken(self) -> list[Any]:
        """What the uses produced; one that failed, or was not awaited, produced nothing."""
        if len(self.branches) == 1 and self.branches[0] is not None:  # nearly always
            return self.branches
        return [branch for branch in self.branches if branch is not None]


class _OfTask:
    """A method of a task: a branch that is asked for it becomes one."""

    def __set_name__(self, owner: type, name: str) -> None:
        self._name = name

    def __get__(self, branch: Branch | None, owner: type) -> Any:
        if branch is None:
            return self
        if branch._future is None:
            import asyncio

            branch._future = asyncio.ensure_future(branch._run())
        return getattr(branch._future, self._name)


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
        proceed = self._proceed
        call = proceed.call
        before = _get()
        _set(self._here)
        try:
            if proceed.depth == len(proceed.layers):
                raw = call.func(self._value)
                if hasattr(type(raw), "__await__"):
                    raw = block_on(raw)
                return self._kept(call.middleware.produced(raw))
            return self._kept(drive(descend(call, proceed.layers, proceed.depth, self._value)))
        except BaseException as error:
            proceed.failed(error)
            raise
        finally:
            _set(before)

    async def _run(self) -> Any:
        if self._outcome is None:
            before = _get()
            if before is not self._here:  # setting a context variable costs more than the rest of this method
                _set(self._here)
            try:
                proceed = self._proceed
                call = proceed.call
                if not proceed.active:
                    raise ContinuationClosed
                if call.sync:  # an async intercept of a synchronous call awaits; what it wraps stays synchronous
                    answer = self.run_sync()
                elif proceed.depth == len(proceed.layers):
                    raw = call.func(self._value)
                    if hasattr(type(raw), "__await__"):
                        raw = await raw
                    answer = self._kept(call.middleware.produced(raw))
                else:
                    answer = self._kept(unwrap(await descend(call, proceed.layers, proceed.depth, self._value)))
                self._outcome = (answer, None)
                return answer
            except BaseException as error:
                self._outcome = (None, error)
                self._proceed.failed(error)
                del self  # no cycle through the traceback
                raise
            finally:
                if _get() is not before:
                    _set(before)  # whatever the branch left open
        value, failure = self._outcome
        if failure is not None:
            raise failure
        return value

    def _kept(self, produced: Produced) -> Any:
        proceed = self._proceed
        proceed.branches[self._index] = produced
        call = proceed.call
        return call.middleware.presented(call, produced, proceed.entry)

    def __await__(self) -> Generator[Any, Any, Any]:
        return (self._future or self._run()).__await__()

    # What a task has. Not ``__getattr__``: with that, every attribute of a branch takes five times as long to read.
    add_done_callback = _OfTask()
    cancel = _OfTask()
    cancelled = _OfTask()
    cancelling = _OfTask()
    done = _OfTask()
    exception = _OfTask()
    get_context = _OfTask()
    get_coro = _OfTask()
    get_loop = _OfTask()
    get_name = _OfTask()
    get_stack = _OfTask()
    print_stack = _OfTask()
    remove_done_callback = _OfTask()
    result = _OfTask()
    set_exception = _OfTask()
    set_name = _OfTask()
    set_result = _OfTask()
    uncancel = _OfTask()


def named(function: Any, name: str) -> Any:
    """The coroutine function ``function`` under the name of a call: Python names a coroutine that nobody awaits."""
    copy = FunctionType(function.__code__, function.__globals__, name, function.__defaults__, function.__closure__)
    copy.__kwdefaults__ = function.__kwdefaults__
    copy.__qualname__ = name
    return copy


def drive(run: Steps) -> Any:
    """Run the steps of a synchronous call on this thread."""
    outcome: Any = None
    try:
        run.send(None)
    except StopIteration as done:
        outcome = done.value
    return unwrap(outcome)


def unwrap(outcome: Any) -> Any:
    """``outcome``, unless it is an error that was returned: that is raised, in the context it was first raised in."""
    if type(outcome) is Raised:
        error = outcome.error
        del outcome.error
        context = error.__context__
        try:
            raise error
        finally:
            error.__context__ = context
            del error, context  # no cycle through the traceback
    return outcome
