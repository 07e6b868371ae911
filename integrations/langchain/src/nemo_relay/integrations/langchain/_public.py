# SPDX-License-Identifier: Apache-2.0
"""Where something public is to be found, as tracebacks, reprs and pickles say it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

_PACKAGE = __name__.rpartition(".")[0]


def say_public_path(module: str, names: Mapping[str, Any], exported: Iterable[str]) -> None:
    """Let each class and function of ``exported`` whose home is a private module of ours say it lives in ``module``."""
    for name in exported:
        value = names.get(name)
        if str(getattr(value, "__module__", "")).startswith(f"{_PACKAGE}._") and hasattr(value, "__qualname__"):
            value.__module__ = module
