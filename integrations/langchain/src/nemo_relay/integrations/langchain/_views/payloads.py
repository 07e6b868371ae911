# SPDX-License-Identifier: Apache-2.0
"""Views of the framework's own types, for observers. Everything else is left to the core's total encoder.

A view is built beside the object it shows; the object is never touched.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from langchain_core.documents import Document
from langchain_core.messages import BaseMessage, ToolMessage
from langchain_core.prompt_values import PromptValue

from nemo_relay.integrations.langchain._views.capture import Capture
from nemo_relay.integrations.langchain._views.messages import message_view, short_repr, unviewable

MAX_DEPTH = 24  # deeper than that the encoder of the core takes over, which knows cycles
_PLAIN = (str, int, float, bool, type(None))


Render = Callable[[BaseMessage], Any]
DEGRADED = {"relay.degraded": True}


def shown(value: Any) -> tuple[Any, dict[str, Any]]:
    """``view(value)`` and no metadata; for a value that refuses to be looked at, a note and a flag."""
    try:
        return view(value), {}
    except Exception:
        return unviewable(value), DEGRADED


def view(value: Any, depth: int = 0, *, message: Render = message_view) -> Any:
    """``value`` with every message, document, command and prompt in it shown in its canonical form.

    Args:
        value: anything.
        depth: how deep it stands in what is shown.
        message: how to show a message.
    """
    if isinstance(value, _PLAIN) or depth > MAX_DEPTH:
        return value
    kind = type(value)
    if kind is dict:  # a call for each text in it would cost more than all the rest
        return {
            key: item if type(item) is str else view(item, depth + 1, message=message) for key, item in value.items()
        }
    if kind is list or kind is tuple:
        return [item if type(item) is str else view(item, depth + 1, message=message) for item in value]
    if isinstance(value, BaseMessage):
        return message(value)
    if isinstance(value, Document):
        return document_view(value)
    if isinstance(value, PromptValue):
        return [message(part) for part in value.to_messages()]
    if kind.__module__ == "langgraph.types":
        return _graph_view(value, depth, message)
    return value


def permitted(value: Any, capture: Capture) -> Any:
    """``view(value)`` without what is not to be recorded."""
    if capture.everything:
        return view(value)
    return capture.scrubbed(view(value, message=lambda message: capture.without(message_view(message))))


def _graph_view(value: Any, depth: int, message: Render) -> Any:
    kind = type(value).__name__
    if kind == "Command":
        parts = {name: getattr(value, name, None) for name in ("update", "goto", "graph", "resume")}
        given = {name: view(part, depth + 1, message=message) for name, part in parts.items() if not _is_absent(part)}
        return {"type": "command", **given}
    if kind == "Send":
        return {"type": "send", "node": value.node, "arg": view(value.arg, depth + 1, message=message)}
    if kind == "Interrupt":
        return {"id": getattr(value, "id", None), "value": view(value.value, depth + 1, message=message)}
    return value


def _is_absent(part: Any) -> bool:
    return part is None or (isinstance(part, tuple) and not part)


def tool_view(output: Any) -> Any:
    """The result of a tool: a tool message as its content, status and a reference to its artifact."""
    if not isinstance(output, ToolMessage):
        return view(output)
    shown: dict[str, Any] = {"content": view(output.content), "status": output.status}
    if output.artifact is not None:
        shown["artifact_ref"] = {"type": type(output.artifact).__name__, "repr": short_repr(output.artifact)}
    return shown


def document_view(document: Document, max_chars: int = 4_000) -> dict[str, Any]:
    """A document with its text capped."""
    text = document.page_content
    shown: dict[str, Any] = {
        "id": document.id,
        "metadata": document.metadata,
        "page_content": text[:max_chars],
    }
    if "score" in document.metadata:
        shown["score"] = document.metadata["score"]
    if len(text) > max_chars:
        shown["$truncated"] = len(text) - max_chars
    return shown


def documents_view(documents: Sequence[Document]) -> list[dict[str, Any]]:
    """What a retriever found."""
    return [document_view(document) for document in documents]
