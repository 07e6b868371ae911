# SPDX-License-Identifier: Apache-2.0
"""The filesystem tools: which resource a call touches, and whether its permissions refused it."""

from __future__ import annotations

from typing import Any

from langchain_core.messages import ToolMessage

# tool: the operation, and the argument that names the path
_TOOLS = {
    "ls": ("list", "path"),
    "read_file": ("read", "file_path"),
    "write_file": ("write", "file_path"),
    "edit_file": ("edit", "file_path"),
    "delete": ("delete", "file_path"),
    "glob": ("search", "path"),
    "grep": ("search", "path"),
}
_DENIED = "Error: permission denied for "  # the only sign that the framework gives


def resource(tool: str, args: Any, backend: str | None) -> dict[str, Any] | None:
    """The file or folder that a call is about; None when the tool is no filesystem tool.

    ``bytes`` is what the call hands over to be written; what it reads is counted when it ends.
    """
    if tool not in _TOOLS or not isinstance(args, dict):
        return None
    operation, key = _TOOLS[tool]
    found = {"backend": backend, "path": args.get(key), "operation": operation}
    content = args.get("content") if tool == "write_file" else args.get("new_string") if tool == "edit_file" else None
    if isinstance(content, str):
        found["bytes"] = _size(content)
    return {name: value for name, value in found.items() if value is not None}


def read_bytes(tool: str, output: Any) -> int | None:
    """How much a call handed to the model; None when that is not known, or it read nothing."""
    if tool not in ("read_file", "ls", "glob", "grep") or not isinstance(output, ToolMessage):
        return None
    return _size(output.content) if isinstance(output.content, str) and output.status != "error" else None


def is_denied(tool: str, output: Any) -> bool:
    """Whether the agent's permissions refused the call."""
    if tool not in _TOOLS or not isinstance(output, ToolMessage) or output.status != "error":
        return False
    return isinstance(output.content, str) and output.content.startswith(_DENIED)


def _size(text: str) -> int:
    return len(text.encode("utf-8", "surrogatepass"))
