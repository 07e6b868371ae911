# SPDX-License-Identifier: Apache-2.0
"""What a chat model says of itself: provider, name, and the metadata that LangChain's tracers get."""

from __future__ import annotations

from typing import Any, NamedTuple

from langchain_core.runnables.config import var_child_runnable_config


class ModelFacts(NamedTuple):
    """A chat model for observers."""

    provider: str
    name: str | None
    metadata: dict[str, Any]


def about_model(model: Any, **settings: Any) -> ModelFacts:
    """The facts of ``model``; those that it cannot tell are left out, whatever its own code raises."""
    try:
        params: dict[str, Any] = dict(model._get_ls_params(**settings))
    except Exception:
        params = {}
    try:
        kind = str(model._llm_type)
    except Exception:
        kind = type(model).__name__
    own = (getattr(model, field, None) for field in ("model_name", "model", "model_id"))
    name = params.get("ls_model_name") or next((found for found in own if isinstance(found, str)), None)
    return ModelFacts(str(params.get("ls_provider") or kind), str(name) if name else None, params)


def will_stream(model: Any, settings: dict[str, Any], *, async_api: bool) -> bool:
    """Whether LangChain is going to stream this call: somebody up there listens to its tokens."""
    config = var_child_runnable_config.get()
    manager = config.get("callbacks") if config else None
    try:
        return bool(
            model._should_stream(async_api=async_api, run_manager=manager, **settings)
            or model._should_use_protocol_streaming(async_api=async_api, run_manager=manager, **settings)
        )
    except Exception:  # another version of LangChain: the call is managed as a whole then
        return False
