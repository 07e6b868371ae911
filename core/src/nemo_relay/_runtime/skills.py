# SPDX-License-Identifier: Apache-2.0
"""The ``skill.load`` mark: a tool call that reads a skill's instructions says so in the stream."""

from __future__ import annotations

from typing import Any

from nemo_relay._runtime.spans import ToolHandle


def emit_skill_loads(span: ToolHandle, args: Any, ns: int) -> None:
    """Emit a mark for each skill that the call loads."""
