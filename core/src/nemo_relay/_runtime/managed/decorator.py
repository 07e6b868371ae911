# SPDX-License-Identifier: Apache-2.0
"""A context manager around each call of a function, of whichever of the four kinds it is."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from functools import wraps
from inspect import isasyncgenfunction, isgeneratorfunction
from typing import Any, ParamSpec, TypeVar, cast

from nemo_relay._runtime.awaitables import is_async_callable

P = ParamSpec("P")
R = TypeVar("R")


def around(fn: Callable[P, R], make: Callable[[], AbstractContextManager[Any]]) -> Callable[P, R]:
    """``fn`` with the context manager from ``make()`` around its body, each time anew."""
    body: Any = fn

    @wraps(fn)
    def call(*args: Any, **kwargs: Any) -> Any:
        with make():
            return body(*args, **kwargs)

    @wraps(fn)
    async def call_async(*args: Any, **kwargs: Any) -> Any:
        with make():
            return await body(*args, **kwargs)

    @wraps(fn)
    def generate(*args: Any, **kwargs: Any) -> Any:
        with make():
            return (yield from body(*args, **kwargs))

    @wraps(fn)
    async def generate_async(*args: Any, **kwargs: Any) -> Any:
        with make():
            inner = body(*args, **kwargs)
            try:
                async for item in inner:
                    yield item
            finally:
                await inner.aclose()

    if isasyncgenfunction(fn):
        chosen: Any = generate_async
    elif isgeneratorfunction(fn):
        chosen = generate
    else:
        chosen = call_async if is_async_callable(fn) else call
    return cast("Callable[P, R]", chosen)
