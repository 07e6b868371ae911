# SPDX-License-Identifier: Apache-2.0
"""Managed tool calls whose arguments or results are not to be recorded, or not whole.

Guardrails, intercepts and the tool itself get everything. Only the events of the call are cut, by sanitizers that
stand on the span above it for as long as it runs.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

from nemo_relay import scope, scope_local
from nemo_relay.integrations.langchain._options import AdapterOptions
from nemo_relay.integrations.langchain._runs.table import Handle
from nemo_relay.integrations.langchain._views.capture import capped

_FIRST = -1_000_000  # before the application's own: what is not recorded is nobody's to see
_numbers = itertools.count(1)


@contextmanager
def tool_payloads(parent: Handle | None, options: AdapterOptions) -> Iterator[None]:
    """Let the events of the tool calls inside the block carry what ``options`` permit."""
    capture, limit = options.captured, options.max_payload_bytes
    if capture.tool_args and capture.tool_results and limit is None:
        yield
        return
    above: Any = parent if parent is not None else scope.get_handle()
    name = f"nemo_relay.integrations.langchain.{next(_numbers)}"
    with ExitStack() as stack:
        if not capture.tool_args or limit is not None:
            show = _permitted(limit) if capture.tool_args else _nothing
            scope_local.register_tool_sanitize_request(above, name, _FIRST, show)
            stack.callback(scope_local.deregister_tool_sanitize_request, above, name)
        if not capture.tool_results or limit is not None:
            show = _permitted(limit) if capture.tool_results else _nothing
            scope_local.register_tool_sanitize_response(above, name, _FIRST, show)
            stack.callback(scope_local.deregister_tool_sanitize_response, above, name)
        yield


def arguments(args: Any, options: AdapterOptions) -> Any:
    """What a mark may show of a tool's arguments."""
    return capped(args, options.max_payload_bytes) if options.captured.tool_args else None


def _nothing(name: str, payload: Any) -> None:
    return None


def _permitted(limit: int | None) -> Any:
    return lambda name, payload: capped(payload, limit)
