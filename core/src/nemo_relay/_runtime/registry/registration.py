# SPDX-License-Identifier: Apache-2.0
"""Adding to and removing from the families: the checks every registration passes, globally or on a scope."""

from __future__ import annotations

from typing import Any

from nemo_relay._runtime import encoding
from nemo_relay._runtime.awaitables import is_async_callable, running_loop
from nemo_relay._runtime.checks import expect, expect_text
from nemo_relay._runtime.registry import registry
from nemo_relay._runtime.registry.registry import Entry, Family
from nemo_relay._runtime.tree.spans import ScopeHandle, Span
from nemo_relay.errors import NotFound


def entry(name: Any, priority: Any, fn: Any, *, break_chain: Any = False, family: Family | None = None) -> Entry:
    """A checked entry.

    Raises:
        TypeError: the name is no string, the priority no integer, ``break_chain`` no bool, or an LLM sanitizer
            does not take ``(payload, context)``.
        OverflowError: the priority does not fit 32 bits.
    """
    expect_text(name)
    if not isinstance(priority, int):
        raise TypeError(f"'{type(priority).__name__}' object cannot be interpreted as an integer")
    if not -(2**31) <= priority < 2**31:
        raise OverflowError("out of range integral type conversion attempted")
    expect(break_chain, bool)
    encoding.load()  # not with the first event, in the middle of somebody's work
    # Nor by the dispatcher's thread: a fork in the middle of its import would leave the child a lock that nobody holds.
    from nemo_relay._runtime.events import wire as _wire  # noqa: F401

    made = Entry(name, priority, fn, break_chain=break_chain)
    made.is_async = is_async_callable(fn)
    made.loop = running_loop()
    if family is not None:
        made.form = _form(family, fn)
    return made


_GLOBAL: Any = object()


def register(family: Family, made: Entry, scope: Any = _GLOBAL) -> None:
    """Add ``made`` globally, or to what ``scope`` owns."""
    if scope is _GLOBAL:
        family.add(made)
        return
    owner = _owner(scope)
    while True:
        own = registry.local_family(family, owner, create=True)
        assert own is not None
        own.add(made)
        if registry.owns(owner, own):  # not dropped meanwhile by another thread that removed the last one
            return


def deregister(family: Family, name: Any, scope: Any = _GLOBAL) -> bool:
    """Remove the entry of that name; False when there is none."""
    expect_text(name)
    if scope is _GLOBAL:
        return family.remove(name)
    owner = _owner(scope)
    own = registry.local_family(family, owner, create=False)
    found = own is not None and own.remove(name)
    if found:
        registry.release(owner, only_if_empty=True)
    return found


def _owner(scope: Any) -> ScopeHandle:
    expect(scope, Span, "ScopeHandle")
    if not isinstance(scope, ScopeHandle):
        raise NotFound(f"scope {scope.uuid} not found")
    return scope


def _form(family: Family, fn: Any) -> int:
    """Which generation's parameter list ``fn`` takes; 0 is the current one."""
    if family in (registry.llm_request_sanitizers, registry.llm_response_sanitizers):
        return _sanitizer_form(fn)
    older = _OLDER_FORMS.get(family.kind)
    if older is None:
        return 0
    current, before = older
    return int(not _binds(fn, current) and _binds(fn, before))


# How many positional arguments a callback takes now, and took in 0.5 to 0.9.
_OLDER_FORMS = {
    "tool_execution_intercept": (2, 3),
    "llm_execution_intercept": (4, 3),
    "llm_stream_execution_intercept": (4, 2),
}


def _binds(fn: Any, count: int) -> bool:
    import inspect

    try:
        inspect.signature(fn).bind(*range(count))
    except TypeError:
        return False
    except ValueError:  # a builtin without a signature: taken at its word
        return True
    return True


def _sanitizer_form(fn: Any) -> int:
    """0 for ``(payload, context)``, 1 for ``(payload)`` of 0.5 and 0.6."""
    import inspect

    try:
        inspect.signature(fn)
    except (TypeError, ValueError):
        raise TypeError(
            "LLM sanitizer callback signature cannot be inspected; use a callable that accepts `(payload, context)`"
        ) from None
    if _binds(fn, 2):
        return 0
    if _binds(fn, 1):
        return 1
    raise TypeError("LLM sanitizer callback must accept `(payload, context)`")
