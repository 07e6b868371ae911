# SPDX-License-Identifier: Apache-2.0
"""A W3C ``traceparent`` as the scope that work goes below: that of whoever started the run, or sent the request."""

from __future__ import annotations

import re
from contextlib import AbstractContextManager, nullcontext
from uuid import UUID

from nemo_relay import PropagationContext, ScopeStack, create_scope_stack_from_propagation, use_scope_stack

_W3C = re.compile(r"[0-9a-f]{2}-([0-9a-f]{32})-([0-9a-f]{16})-[0-9a-f]{2}")


def position(traceparent: bytes | str | None, tracestate: bytes | None = None) -> ScopeStack | None:
    """The place that a ``traceparent`` names. What starts there continues its trace.

    Args:
        traceparent: the header's value, or that of the variable ``TRACEPARENT``.
        tracestate: what vendors say beside it.

    Returns:
        A stack whose current scope is the sender's; None where the value is none or not valid.
    """
    header = traceparent.decode("latin-1") if isinstance(traceparent, bytes) else traceparent
    found = _W3C.fullmatch(header.strip()) if header else None
    if found is None:
        return None
    trace, span = found.groups()
    state = None if tracestate is None else tracestate.decode("latin-1")
    try:
        context = PropagationContext(str(UUID(trace[:16] + span)), None, 1, header, state)
    except ValueError:  # a number of zeros
        return None
    return None if context.traceparent is None else create_scope_stack_from_propagation(context)


def entered(stack: ScopeStack | None) -> AbstractContextManager[object]:
    """Work inside goes below the stack's current scope; where there is none, it stays where it is."""
    return nullcontext() if stack is None else use_scope_stack(stack)
