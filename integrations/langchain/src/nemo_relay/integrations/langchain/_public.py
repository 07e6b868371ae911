# SPDX-License-Identifier: Apache-2.0
"""Where something public is to be found, as tracebacks, reprs and pickles say it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

_DEPTH = 3  # of an adapter's package: nemo_relay.integrations.<framework>


def claim_public_path(module: str, names: Mapping[str, Any], exported: Iterable[str]) -> None:
    """Let what an adapter's private module defines and ``module`` exports say that it lives in ``module``.

    Args:
        module: the public module, of the same adapter.
        names: its namespace.
        exported: the names it exports. Values that have no home, or a public one, stay as they are.
    """
    private = ".".join(module.split(".")[:_DEPTH]) + "._"
    for name in exported:
        value = names.get(name)
        if str(getattr(value, "__module__", "")).startswith(private) and hasattr(value, "__qualname__"):
            value.__module__ = module
