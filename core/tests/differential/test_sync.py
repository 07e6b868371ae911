# SPDX-License-Identifier: Apache-2.0
"""Synchronous calls: whatever can be told from inside or outside is as if the function were called directly."""

from __future__ import annotations

import gc
import sys
import threading
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import Any
from unittest.mock import MagicMock

import pytest

from .failures import MAKERS, Application, described
from .modes import MODES, Invoke, directly, through_sync, watched

variable: ContextVar[str] = ContextVar("variable", default="unset")
Log = list[Any]
Scenario = Callable[[Invoke, Log], None]


class Anything:
    def __getattr__(self, name: str) -> Any:
        return Anything()


def results_are_the_very_objects(invoke: Invoke, log: Log) -> None:
    made = [
        object(),
        {"a": [1]},
        [1],
        (1,),
        "text",
        1.5,
        None,
        True,
        b"b",
        Anything(),
        MagicMock(),
        int,
        ValueError("x"),
    ]
    made += [iter([1]), (item for item in "ab"), lambda: 1, float("nan"), {1: {2}}, NotImplemented, ...]
    for thing in made:
        log.append(invoke(lambda args, thing=thing: thing, {}) is thing)
        if isinstance(thing, MagicMock):
            log.append(thing.mock_calls)


def arguments_are_the_very_objects(invoke: Invoke, log: Log) -> None:
    cycle: list[Any] = []
    cycle.append(cycle)
    for args in [{"a": {"b": [1, object()]}}, [], {}, None, object(), (1, 2), Anything(), cycle, {1, 2}, "x", {1: 2}]:
        log.append(invoke(lambda got, args=args: got is args, args))


def what_the_function_does_to_its_arguments_stays(invoke: Invoke, log: Log) -> None:
    args: dict[str, Any] = {"list": [1]}
    invoke(lambda got: got["list"].append(2), args)
    log.append(args)


def context_variables(invoke: Invoke, log: Log) -> None:
    token = variable.set("outside")

    def work(_args: Any) -> None:
        log.append(variable.get())
        variable.set("inside")

    invoke(work, {})
    log.append(variable.get())
    invoke(lambda args: variable.reset(token), {})  # only the context that set it can do that
    log.append(variable.get())


def the_thread(invoke: Invoke, log: Log) -> None:
    before = threading.get_ident(), threading.current_thread(), threading.active_count()
    inside = lambda args: (threading.get_ident(), threading.current_thread(), threading.active_count())  # noqa: E731
    log.append(invoke(inside, {}) == before)


def cleanup_is_in_order(invoke: Invoke, log: Log) -> None:
    @contextmanager
    def resource(name: str) -> Iterator[None]:
        log.append(f"open {name}")
        try:
            yield
        finally:
            log.append(f"close {name}")

    def work(fail: Any) -> str:
        with resource("inner"):
            if fail:
                raise Application
            return "value"

    for fail in (False, True):
        try:
            with resource("outer"):
                log.append(invoke(work, fail))
        except Application:
            log.append("caught")


def generators_stay_lazy(invoke: Invoke, log: Log) -> None:
    def work(args: Any) -> Iterator[int]:
        log.append("started")
        try:
            yield args
            yield 2
        finally:
            log.append("closed")

    made = invoke(work, 1)
    log.append("made")
    log.append(next(made))
    made.close()
    log.append("end")


def stop_iteration(invoke: Invoke, log: Log) -> None:
    error = StopIteration(5)

    def work(_args: Any) -> None:
        raise error

    try:
        invoke(work, {})
    except StopIteration as caught:
        log.append((caught is error, caught.value, described(caught)))
    log.append(next((invoke(lambda args, item=item: item, {}) for item in (7,)), None))


def the_exception_being_handled(invoke: Invoke, log: Log) -> None:
    try:
        raise KeyError("outer")
    except KeyError as error:
        log.append(invoke(lambda args: sys.exc_info()[1], {}) is error)
    log.append(invoke(lambda args: sys.exc_info()[1], {}))


def the_stack_is_hardly_deeper(invoke: Invoke, log: Log) -> None:
    def depth(_args: Any = None) -> int:
        frame: Any = sys._getframe()
        count = 0
        while frame is not None:
            count, frame = count + 1, frame.f_back
        return count

    log.append(invoke(depth, {}) - depth() < 12)

    def nested(levels: int) -> int:
        return 0 if not levels else 1 + invoke(nested, levels - 1)

    log.append(nested(60))


def nothing_is_kept_alive(invoke: Invoke, log: Log) -> None:
    class Thing:
        pass

    args, result = Thing(), Thing()
    references = [weakref.ref(args), weakref.ref(result)]
    invoke(lambda got, result=result: result, args)
    del args, result
    log.append([reference() for reference in references])


def an_exception_is_not_kept_alive(invoke: Invoke, log: Log) -> None:
    def work(_args: Any) -> None:
        raise Application

    gc.disable()
    try:
        try:
            invoke(work, {})
        except Application as error:
            reference = weakref.ref(error)
        log.append(reference() is None)
    finally:
        gc.enable()


def reentrant(invoke: Invoke, log: Log) -> None:
    def outer(args: Any) -> Any:
        return [invoke(lambda inner: (inner, variable.get()), item) for item in args]

    log.append(invoke(outer, [1, "two", None]))


SCENARIOS = [
    results_are_the_very_objects,
    arguments_are_the_very_objects,
    what_the_function_does_to_its_arguments_stays,
    context_variables,
    the_thread,
    cleanup_is_in_order,
    generators_stay_lazy,
    stop_iteration,
    the_exception_being_handled,
    the_stack_is_hardly_deeper,
    nothing_is_kept_alive,
    an_exception_is_not_kept_alive,
    reentrant,
]


@pytest.mark.parametrize(("kind", "setup"), MODES)
@pytest.mark.parametrize("scenario", SCENARIOS)
def test_nothing_changes(scenario: Scenario, kind: str, setup: str, tmp_path: Path) -> None:
    expected: Log = []
    scenario(directly, expected)
    assert expected
    with watched(setup, tmp_path, synchronous=True):
        log: Log = []
        scenario(through_sync(kind), log)
    assert log == expected


def raised(invoke: Invoke, make: Callable[[], BaseException]) -> tuple[bool, list[Any]]:
    error = make()

    def work(_args: Any) -> None:
        try:
            raise LookupError("handled inside")
        except LookupError:
            raise error  # noqa: B904

    try:
        raise KeyError("handled outside")
    except KeyError:
        try:
            invoke(work, {})
        except BaseException as caught:
            return caught is error, described(caught)
    raise AssertionError("nothing was raised")


@pytest.mark.parametrize(("kind", "setup"), MODES)
@pytest.mark.parametrize("name", MAKERS)
def test_what_is_raised_arrives_as_it_is(name: str, kind: str, setup: str, tmp_path: Path) -> None:
    expected = raised(directly, MAKERS[name])
    with watched(setup, tmp_path, synchronous=True):
        assert raised(through_sync(kind), MAKERS[name]) == expected
