# SPDX-License-Identifier: Apache-2.0
"""The view of what a model is asked: model, messages, tools, tool choice and parameters."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from langchain_core.messages import BaseMessage

from nemo_relay.integrations.langchain._views.conversations import HISTORY, Turn
from nemo_relay.integrations.langchain._views.payloads import DEGRADED
from nemo_relay.integrations.langchain._views.payloads import shown as safe_view

Request = tuple[dict[str, Any], dict[str, Any]]
"""The view of a request, and metadata that says so if a part of it could not be looked at."""

_MODEL_KEYS = ("model", "model_name", "model_id", "deployment_name")
# Some integrations repeat constructor arguments among the parameters; credentials do not belong into an
# event.
_SECRET = re.compile(
    r"api[_-]?key|secret|password|authorization|credential|access[_-]?token|headers|http_client",
    re.IGNORECASE,
)


def chat_request(messages: Sequence[BaseMessage], params: dict[str, Any], model: str | None) -> Request:
    """The whole request of a chat model run.

    Args:
        messages: what the model is asked.
        params: the invocation parameters, as the framework tells them.
        model: the name of the model, if it is known.

    Returns:
        The request as observers see it, and what its metadata say where a message could not be shown whole.
    """
    views = [safe_view(message) for message in messages]
    flag = DEGRADED if any(degraded for _, degraded in views) else {}
    return {"model": model, "messages": [view for view, _ in views], **named_params(params)}, flag


def content_of(made: Turn, before: dict[str, Any], after: dict[str, Any]) -> dict[str, Any]:
    """The body of the request: what comes before the messages, the messages, and the parameters."""
    content = {**before, "messages": made.views}
    if made.history is not None:
        content[HISTORY] = made.history
    return {**content, **after}


def named_params(params: dict[str, Any]) -> dict[str, Any]:
    """The parameters that the view of a request shows."""
    return {
        key: value
        for key, value in params.items()
        if value is not None and key not in _MODEL_KEYS and not private_parameter(key)
    }


def private_parameter(key: object) -> bool:
    """Whether a parameter stays out of events: it carries a credential, or is none of the application's business."""
    return not isinstance(key, str) or key.startswith("_") or _SECRET.search(key) is not None


def model_name(params: dict[str, Any], metadata: dict[str, Any]) -> str | None:
    """The model that is asked, as the integration names it.

    Args:
        params: the invocation parameters.
        metadata: the run's.

    Returns:
        The name; None where nobody says it.
    """
    found = metadata.get("ls_model_name") or next((params[key] for key in _MODEL_KEYS if params.get(key)), None)
    return str(found) if found else None


def provider_name(
    params: dict[str, Any], metadata: dict[str, Any], serialized: dict[str, Any] | None, name: str | None
) -> str:
    """The provider: what LangSmith's conventions say, else the integration's own name for itself.

    Args:
        params: the invocation parameters.
        metadata: the run's.
        serialized: what the framework says of the model's class.
        name: that of the run.

    Returns:
        The name; ``"llm"`` where nobody says one.
    """
    last = (serialized or {}).get("id") or [None]
    return str(metadata.get("ls_provider") or params.get("_type") or name or last[-1] or "llm")
