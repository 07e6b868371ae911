# SPDX-License-Identifier: Apache-2.0
"""Kept for programs that call it before touching the current scope; the runtime needs no such step."""

from __future__ import annotations

from nemo_relay._runtime.tree.stacks import get_scope_stack


def ensure_scope_stack() -> None:
    """Make sure that this context has a stack."""
    get_scope_stack()
