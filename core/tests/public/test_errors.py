# SPDX-License-Identifier: Apache-2.0
"""One tree of errors, each the built-in type and the text that programs may match on."""

from __future__ import annotations

import inspect
import pickle
import re
from typing import Any

import pytest

import nemo_relay
from nemo_relay import LLMRequest, ScopeType, errors, guardrails, scope, subscribers, tools

TREE: dict[str, tuple[type[Exception], ...]] = {
    "AlreadyRegistered": (RuntimeError,),
    "NotFound": (RuntimeError,),
    "UnknownPlugin": (RuntimeError, FileNotFoundError),
    "InvalidArgument": (RuntimeError,),
    "ScopeOrderError": (RuntimeError,),
    "RootScopeError": (RuntimeError,),
    "ContinuationClosed": (RuntimeError,),
    "InvalidValue": (ValueError,),
    "InvalidTimestamp": (ValueError,),
    "GuardrailRejected": (RuntimeError,),
    "CallbackError": (RuntimeError,),
    "AsyncCallbackError": (RuntimeError,),
    "NoActiveScope": (RuntimeError,),
    "InvalidConfig": (ValueError,),
    "RegistrationFailed": (RuntimeError,),
    "PluginConflict": (RuntimeError,),
    "SinkError": (RuntimeError,),
}


@pytest.mark.parametrize("name", TREE)
def test_every_error_is_ours_and_the_published_built_in(name: str) -> None:
    kind = getattr(errors, name)
    assert issubclass(kind, errors.RelayError)
    for base in TREE[name]:
        assert issubclass(kind, base)
    assert kind.__doc__


def test_the_tree_in_the_docstring_names_every_class() -> None:
    members = inspect.getmembers(errors, inspect.isclass)
    classes = {name for name, value in members if issubclass(value, errors.RelayError)}
    drawn = set(re.findall(r"[├└]── (\w+)", errors.__doc__ or "")) | {"RelayError"}
    assert drawn == classes
    assert set(TREE) <= classes
    for name in classes:
        bases = getattr(errors, name).__mro__
        assert errors.RelayError in bases
        assert name == "RelayError" or {RuntimeError, ValueError, ImportError} & set(bases)


def raised(fn: Any) -> BaseException:
    with pytest.raises(BaseException) as caught:
        fn()
    return caught.value


def test_the_texts_start_with_the_published_words() -> None:
    subscribers.register("a", print)
    handle = scope.push("s", ScopeType.Function)
    scope.pop(handle)
    guardrails.register_tool_conditional_execution("g", 0, lambda name, args: "r")
    found = {
        "already exists: a subscriber already exists": raised(lambda: subscribers.register("a", print)),
        "not found: scope handle not found": raised(lambda: scope.pop(handle)),
        "invalid argument: root scope cannot be removed": raised(lambda: scope.pop(scope.get_handle())),  # type: ignore[arg-type]
        "guardrail rejected: r": raised(lambda: tools.execute_sync("t", {}, str)),
    }
    for text, error in found.items():
        assert str(error) == text
        assert isinstance(error, errors.RelayError)
        assert isinstance(error, RuntimeError)


def test_an_error_can_travel_to_another_process() -> None:
    error = errors.GuardrailRejected("r", guardrail="g", target="t", kind="tool")
    for made in (error, errors.AlreadyRegistered("a"), errors.InvalidArgument("x"), errors.ScopeOrderError()):
        again = pickle.loads(pickle.dumps(made))
        assert type(again) is type(made)
        assert str(again) == str(made)
    assert pickle.loads(pickle.dumps(error)).reason == "r"


def test_what_an_application_raises_is_never_wrapped() -> None:
    """The one rule for everything between a caller and its callback."""
    error = BaseExceptionGroup("own", [KeyError("x")])

    def broken(value: Any) -> Any:
        raise error

    assert raised(lambda: tools.execute_sync("t", {}, broken)) is error
    assert raised(lambda: nemo_relay.llm.execute_sync("l", LLMRequest({}, {}), broken)) is error
