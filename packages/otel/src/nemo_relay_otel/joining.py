# SPDX-License-Identifier: Apache-2.0
"""One trace with the application's own OpenTelemetry spans.

In both directions, and by the same question: which is nearer, the application's span or ours? What begins inside the
application's span becomes its child; what the application begins inside ours becomes ours.

Nothing is attached and detached around the application's code, which would leak out of generators and not reach
threads. Instead OpenTelemetry's runtime context is asked through a thin layer that knows where the runtime stands
(``nemo_relay.scope.get_handle``), and adds our span to the answer where that is the nearer one. An application that
has not imported OpenTelemetry pays a look into ``sys.modules``.
"""

from __future__ import annotations

import sys
import threading
from typing import Any

import nemo_relay
from nemo_relay import scope

_KEY = "nemo_relay-position"
_TRACER = "opentelemetry"
_HEAD = b'"parent_uuid":"'


class Joiner:
    """Knows the open spans, and which of them belong to a span outside the stream."""

    def __init__(self) -> None:
        self._open: dict[str, dict[str, Any] | None] = {}  # uuid -> what was found outside
        self._layer: Any = None

    def mark(self, line: bytes) -> bytes:
        """The line of an event, with what a start has to do with spans outside; on the thread that emitted it."""
        tail = line[-330:]
        if b'"scope_category":"start"' not in tail:
            if b'"scope_category":"end"' in tail:
                self._open.pop(line[-39:-3].decode("ascii", "replace"), None)
            return line
        uuid = line[-39:-3].decode("ascii", "replace")
        try:
            outside = self._outside(uuid, _parent(tail))
        except Exception:  # somebody's own context: without it the span simply begins a trace
            outside = None
        self._open[uuid] = outside
        if outside is None:
            return line
        import msgspec

        return line[:-2] + b',"otel":' + msgspec.json.encode(outside) + b"}\n"

    def _outside(self, uuid: str, parent: str | None) -> dict[str, Any] | None:
        if "opentelemetry.context" in sys.modules:
            if self._layer is None:
                self._layer = _install(self)
            found = self._of_application(uuid, parent)
            if found is not None:
                return found
        if parent in self._open:
            return None
        return _imported(uuid, parent)

    def _of_application(self, uuid: str, parent: str | None) -> dict[str, Any] | None:
        """The application's span, if it was started inside the parent, or there is no parent."""
        from opentelemetry import trace

        context = self._layer.beneath.get_current()
        found = trace.get_current_span(context).get_span_context()
        if not found.is_valid:
            return None
        at = context.get(_KEY)
        if parent in self._open and not _within(at, parent):
            return None
        outside: dict[str, Any] = {"trace_id": f"{found.trace_id:032x}", "span_id": f"{found.span_id:016x}"}
        if not found.trace_flags.sampled:
            outside["sampled"] = False
        if found.is_remote:
            outside["remote"] = True
        if found.trace_state:
            outside["state"] = found.trace_state.to_header()
        return outside

    def joined(self, span: Any) -> tuple[str, bool] | None:
        """The trace that ``span`` has joined, or is about to, and that it is sampled; None for a trace of its own."""
        outside = None
        if span.uuid not in self._open:
            known = span.parent
            while known is not None and known.uuid not in self._open:
                known = known.parent
            outside = self._of_application(span.uuid, None if known is None else known.uuid)
        outside = outside or self.trace_of(span)
        return None if outside is None or outside.get("sampled") is False else (outside["trace_id"], True)

    def trace_of(self, span: Any) -> dict[str, Any] | None:
        """The nearest thing outside that a span of ours, or one above it, belongs to; None where that is unheard."""
        top = None
        while span is not None:
            if span.uuid in self._open:
                top = span.uuid
                outside = self._open[top]
                if outside is not None:
                    return outside
            span = span.parent
        return None if top is None else {"trace_id": top.replace("-", "")}


def _parent(tail: bytes) -> str | None:
    at = tail.rfind(_HEAD)
    return None if at < 0 else tail[at + len(_HEAD) : at + len(_HEAD) + 36].decode("ascii", "replace")


def _within(span: Any, uuid: str | None) -> bool:
    while span is not None:
        if span.uuid == uuid:
            return True
        span = span.parent
    return False


def _imported(uuid: str, parent: str | None) -> dict[str, Any] | None:
    """What a start below a span that is not in the stream belongs to: another process, or a span begun earlier."""
    if parent is None or not nemo_relay.scope_stack_active():
        return None
    here = scope.get_handle()
    stack = nemo_relay.get_scope_stack()
    if not _within(here, parent) or (stack.root.uuid == parent and stack.imported is None):
        return None  # the root of a stack is no span
    header = nemo_relay.capture_traceparent()
    _, trace_id, _, flags = header.split("-")[:4]
    span_id = parent[19:23] + parent[24:]
    if stack.traceparent is not None and parent in (stack.root.uuid, stack.imported and stack.imported.uuid):
        _, trace_id, span_id, flags = stack.traceparent.split("-")[:4]
    elif stack.imported is not None and stack.rootless:
        trace_id = uuid.replace("-", "")
    outside: dict[str, Any] = {"trace_id": trace_id, "span_id": span_id, "remote": True}
    if flags == "00":
        outside["sampled"] = False
    if stack.tracestate:
        outside["state"] = stack.tracestate
    return outside


class _Layer:
    """OpenTelemetry's runtime context, with our spans in it."""

    def __init__(self, beneath: Any) -> None:
        self.beneath = beneath
        self.joiner: Joiner | None = None
        self._last: tuple[Any, Any, Any] = (None, None, None)

    def attach(self, context: Any) -> Any:
        """Attach, and note where the runtime stands."""
        if self.joiner is not None and nemo_relay.scope_stack_active():
            from opentelemetry.context.context import Context

            context = Context({**context, _KEY: scope.get_handle()})
        return self.beneath.attach(context)

    def detach(self, token: Any) -> None:
        """Detach."""
        self.beneath.detach(token)

    def get_current(self) -> Any:
        """The current context; ours where our span is nearer than the application's."""
        context = self.beneath.get_current()
        joiner = self.joiner
        if joiner is None or not nemo_relay.scope_stack_active():
            return context
        try:
            return self._with_ours(context, joiner)
        except Exception:  # never the application's problem
            return context

    def _with_ours(self, context: Any, joiner: Joiner) -> Any:
        here = scope.get_handle()
        at = context.get(_KEY)
        if here is at or here.parent is None:
            return context
        if at is not None and at.parent is not None and not _within(here, at.uuid):
            return context
        before, span, made = self._last
        if before is context and span is here:
            return made
        outside = joiner.trace_of(here)
        if outside is None or outside.get("sampled") is False:
            return context
        made = _with_span(context, outside, here)
        self._last = (context, here, made)
        return made


def _with_span(context: Any, outside: dict[str, Any], here: Any) -> Any:
    from opentelemetry.trace import NonRecordingSpan, SpanContext, TraceFlags, TraceState, set_span_in_context

    span_id = int(here.uuid[19:23] + here.uuid[24:], 16)
    state = TraceState.from_header([outside["state"]]) if outside.get("state") else None
    ours = SpanContext(int(outside["trace_id"], 16), span_id, False, TraceFlags(1), state)
    return set_span_in_context(NonRecordingSpan(ours), context)


_lock = threading.Lock()


def _install(joiner: Joiner) -> _Layer:
    """Put the layer in, once; the newest joiner answers."""
    import opentelemetry.context

    api: Any = opentelemetry.context
    with _lock:
        layer = api._RUNTIME_CONTEXT
        if not isinstance(layer, _Layer):
            layer = api._RUNTIME_CONTEXT = _Layer(layer)
        layer.joiner = joiner
        scope.register_tracer(_TRACER, joiner.joined)
        return layer


def leave(joiner: Joiner) -> None:
    """Take no part any more."""
    layer = joiner._layer
    if layer is not None and layer.joiner is joiner:
        layer.joiner = None
        scope.deregister_tracer(_TRACER)
