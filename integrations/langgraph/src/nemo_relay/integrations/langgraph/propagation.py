# SPDX-License-Identifier: Apache-2.0
"""The trace of a graph run, as headers for work in another process."""

from __future__ import annotations

from nemo_relay import capture_traceparent, scope
from nemo_relay.integrations.langchain import current_scope


def propagate_headers(headers: dict[str, str] | None = None) -> dict[str, str]:
    """``headers`` with the W3C ``traceparent`` of the node or tool that runs here.

    For ``RemoteGraph(..., headers=...)``, MCP servers and HTTP tools. Outside of recorded runs it is that of the
    current scope.

    Args:
        headers: headers to add it to; not changed.

    Returns:
        A new dictionary.

    >>> from nemo_relay import ScopeType, scope
    >>> with scope.scope("app", ScopeType.Function):
    ...     sorted(propagate_headers({"x-team": "red"}))
    ['traceparent', 'x-team']
    """
    with scope.use(current_scope() or scope.get_handle()):
        found = capture_traceparent()
    return {**(headers or {}), **({"traceparent": found} if found else {})}
