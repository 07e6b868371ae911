# SPDX-License-Identifier: Apache-2.0
"""A public function of two arguments or more tells what they are for, and what it returns, in every distribution."""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Callable, Iterator
from types import ModuleType
from typing import Any

import pytest

from workspace import distributions


def public_modules() -> list[str]:
    """Every module with a public path that lists what it offers."""
    found = []
    for dist in distributions():
        for file in dist.modules():
            parts = file.with_suffix("").parts
            name = ".".join(parts).removesuffix(".__init__")
            public = not any(part.startswith("_") for part in name.split("."))
            if public and "\n__all__" in (dist.source / file).read_text("utf-8"):
                found.append(name)
    return sorted(found)


def functions(module: ModuleType) -> Iterator[tuple[str, Callable[..., Any]]]:
    """The functions that a module offers, and the public methods of its classes that are not inherited."""
    for name in module.__all__:
        value = getattr(module, name, None)
        if inspect.isfunction(value):
            yield name, value
        elif inspect.isclass(value) and value.__module__.startswith("nemo_relay"):
            for member, method in vars(value).items():
                plain = getattr(method, "__func__", method)
                if inspect.isfunction(plain) and not member.startswith("_") and not is_of_a_library(value, member):
                    yield f"{name}.{member}", plain


def is_of_a_library(cls: type, member: str) -> bool:
    """Whether the method follows a class of somebody else's, which describes it."""
    bases = (base for base in cls.__mro__[1:] if not base.__module__.startswith("nemo_relay"))
    return any(member in vars(base) for base in bases)


def lacks(function: Callable[..., Any]) -> list[str]:
    """The sections that the docstring of a function should have and has not."""
    signature = inspect.signature(function)
    named = [p for p in signature.parameters if p not in ("self", "cls") and not p.startswith("_")]
    text = inspect.getdoc(function) or ""
    if len(named) < 2 or text.startswith("As ``"):  # that names the function with the same arguments
        return []
    returned = str(signature.return_annotation)
    gives = not returned.endswith(("None", "_empty'>")) and "Iterator[" not in returned  # those are for `with`
    return [section for section in ["Args:"] + ["Returns:"] * gives if section not in text]


@pytest.mark.parametrize("name", public_modules())
def test_a_public_function_tells_its_arguments_and_its_result(name: str) -> None:
    module = importlib.import_module(name)
    found = {f"{value.__module__}.{value.__qualname__}": lacks(value) for _, value in functions(module)}
    assert {function: missing for function, missing in found.items() if missing} == {}
