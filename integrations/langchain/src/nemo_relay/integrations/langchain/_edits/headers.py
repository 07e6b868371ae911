# SPDX-License-Identifier: Apache-2.0
"""Headers that intercepts set, on their way to the provider through LangChain's integrations."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from nemo_relay import scope
from nemo_relay.integrations.langchain._options import AdapterOptions

# The core's own, for whoever sends the request itself. Here it would be an argument of the model call, which is
# part of LangChain's cache key: every answer would be asked for again.
_OWN = ("traceparent", "tracestate")
_EXTRA_HEADERS = ("langchain_openai", "langchain_anthropic", "langchain_deepseek", "langchain_xai")
_DEFAULT_HEADERS = ("langchain_nvidia_ai_endpoints",)


def outgoing(headers: Mapping[str, Any], model: Any, options: AdapterOptions) -> dict[str, Any]:
    """The headers that leave the process: those that intercepts set, unless the application's policy says otherwise."""
    if options.header_policy is not None:
        return dict(options.header_policy(headers, model))
    return {name: value for name, value in headers.items() if name.lower() not in _OWN}


def delivered(headers: dict[str, Any], model: Any, settings: dict[str, Any]) -> tuple[Any, dict[str, Any]]:
    """The model and the arguments of its call that carry ``headers``. What cannot be carried leaves a mark."""
    packages = {cls.__module__.partition(".")[0] for cls in type(model).__mro__}
    if packages.intersection(_EXTRA_HEADERS):
        return model, {**settings, "extra_headers": {**(settings.get("extra_headers") or {}), **headers}}
    if packages.intersection(_DEFAULT_HEADERS):
        known = getattr(model, "default_headers", None) or {}
        return model.model_copy(update={"default_headers": {**known, **headers}}), settings
    provider = type(model).__name__
    scope.event("headers.dropped", data={"names": sorted(headers), "provider": provider})
    return model, settings
