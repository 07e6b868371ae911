# SPDX-License-Identifier: Apache-2.0
"""Where a signal goes: the path rules of endpoints, and what is derived for logs and metrics."""

from __future__ import annotations

from urllib.parse import urlsplit, urlunsplit


def trace_url(endpoint: str) -> str:
    """The address for traces: without a path, ``/v1/traces`` is added; any other path is kept."""
    parts = urlsplit(endpoint)
    return urlunsplit(parts._replace(path="/v1/traces", fragment="")) if not parts.path else endpoint


def signal_url(endpoint: str, signal: str) -> str:
    """The address for logs or metrics: a bare one, or one for traces, becomes the signal's; any other is kept."""
    parts = urlsplit(endpoint)
    path = parts.path
    if path in ("", "/"):
        path = f"/v1/{signal}"
    elif path.rstrip("/").endswith("/v1/traces"):
        path = path.rstrip("/").removesuffix("/v1/traces") + f"/v1/{signal}"
    return urlunsplit(parts._replace(path=path, fragment=""))


def is_derivable(endpoint: str) -> bool:
    """Whether an endpoint for traces tells where logs and metrics go."""
    path = urlsplit(endpoint).path
    return path in ("", "/") or path.rstrip("/").endswith("/v1/traces")


def environment_url(base: str, signal: str) -> str:
    """The address that the base endpoint of ``OTEL_EXPORTER_OTLP_ENDPOINT`` gives a signal."""
    parts = urlsplit(base)
    return urlunsplit(parts._replace(path=f"{parts.path.rstrip('/')}/v1/{signal}", fragment=""))
