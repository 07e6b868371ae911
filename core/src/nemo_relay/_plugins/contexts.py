# SPDX-License-Identifier: Apache-2.0
"""What a plugin registers through: names of its own, and everything is removed with the activation."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any
from urllib.parse import quote

from nemo_relay._runtime.checks import expect_text
from nemo_relay._runtime.registry import gates, registry
from nemo_relay._runtime.registry.registration import Entry
from nemo_relay._runtime.registry.registry import Family
from nemo_relay.errors import PluginContextClosed

Undo = tuple[str, Callable[[], Any]]  # the kind it is of, and the call that takes something back


class Context:
    """The ``PluginContext`` of one component, for as long as its ``register`` runs."""

    __slots__ = ("_kind", "_open", "_ordinal", "_undo")

    def __init__(self, kind: str, ordinal: int, undo: list[Undo]) -> None:
        self._kind = kind
        self._ordinal = ordinal
        self._undo = undo
        self._open = True

    def __repr__(self) -> str:
        return "<PluginContext>"

    def _end(self) -> None:
        self._open = False

    def on_close(self, callback: Callable[[], Any]) -> None:
        """Call ``callback``, sync or async, when the activation ends; the last one added comes first."""
        self._expect_open()
        self._undo.append((self._kind, callback))

    def register_subscriber(self, name: str, callback: Any) -> None:
        """Let ``callback`` hear every event."""
        self._register(registry.subscribers, name, 0, callback, sink=getattr(callback, "__relay_sink__", None))

    def register_conditional_middleware_guardrail(
        self, name: str, kinds: Iterable[Any], registration_name: str, callback: Any
    ) -> None:
        """Let ``callback`` decide whether the registration of that effective name takes part."""
        self._expect_open()
        expect_text(name)
        expect_text(registration_name)
        members = {kind.value: kind for kind in kinds}
        effective = self._effective(name)
        gates.add(effective, set(members.values()), frozenset(members), registration_name, callback)
        self._undo.append((self._kind, lambda: gates.remove(effective)))

    def register_event_metadata_injector(self, name: str, priority: int, callback: Any) -> None:
        """Let ``callback`` add metadata to events."""
        self._register(registry.injectors, name, priority, callback)

    def register_mark_sanitize_guardrail(self, name: str, priority: int, callback: Any) -> None:
        """Let ``callback`` clean marks."""
        self._register(registry.mark_sanitizers, name, priority, callback)

    def register_scope_sanitize_start_guardrail(self, name: str, priority: int, callback: Any) -> None:
        """Let ``callback`` clean start events."""
        self._register(registry.start_sanitizers, name, priority, callback)

    def register_scope_sanitize_end_guardrail(self, name: str, priority: int, callback: Any) -> None:
        """Let ``callback`` clean end events."""
        self._register(registry.end_sanitizers, name, priority, callback)

    def register_tool_sanitize_request_guardrail(self, name: str, priority: int, callback: Any) -> None:
        """Let ``callback`` clean the arguments that events show of a tool call."""
        self._register(registry.tool_request_sanitizers, name, priority, callback)

    def register_tool_sanitize_response_guardrail(self, name: str, priority: int, callback: Any) -> None:
        """Let ``callback`` clean the result that events show of a tool call."""
        self._register(registry.tool_response_sanitizers, name, priority, callback)

    def register_tool_conditional_execution_guardrail(self, name: str, priority: int, callback: Any) -> None:
        """Let ``callback`` refuse tool calls."""
        self._register(registry.tool_guardrails, name, priority, callback)

    def register_tool_request_intercept(self, name: str, priority: int, break_chain: bool, callback: Any) -> None:
        """Let ``callback`` shape a tool's arguments."""
        self._register(registry.tool_request_intercepts, name, priority, callback, break_chain=break_chain)

    def register_tool_execution_intercept(self, name: str, priority: int, callback: Any) -> None:
        """Let ``callback`` shape the execution of a tool."""
        self._register(registry.tool_execution_intercepts, name, priority, callback)

    def register_llm_sanitize_request_guardrail(self, name: str, priority: int, callback: Any) -> None:
        """Let ``callback`` clean the request that events show of an LLM call."""
        self._register(registry.llm_request_sanitizers, name, priority, callback)

    def register_llm_sanitize_response_guardrail(self, name: str, priority: int, callback: Any) -> None:
        """Let ``callback`` clean the response that events show of an LLM call."""
        self._register(registry.llm_response_sanitizers, name, priority, callback)

    def register_llm_conditional_execution_guardrail(self, name: str, priority: int, callback: Any) -> None:
        """Let ``callback`` refuse LLM calls."""
        self._register(registry.llm_guardrails, name, priority, callback)

    def register_llm_request_intercept(self, name: str, priority: int, break_chain: bool, callback: Any) -> None:
        """Let ``callback`` shape an LLM request."""
        self._register(registry.llm_request_intercepts, name, priority, callback, break_chain=break_chain)

    def register_llm_execution_intercept(self, name: str, priority: int, callback: Any) -> None:
        """Let ``callback`` shape the execution of an LLM call."""
        self._register(registry.llm_execution_intercepts, name, priority, callback)

    def register_llm_stream_execution_intercept(self, name: str, priority: int, callback: Any) -> None:
        """Let ``callback`` shape the execution of a streamed LLM call."""
        self._register(registry.llm_stream_intercepts, name, priority, callback)

    def _register(self, family: Family, name: str, priority: int, callback: Any, **options: Any) -> None:
        self._expect_open()
        expect_text(name)
        owner = (self._kind, self._ordinal)
        made = family.register(self._effective(name), priority, callback, owner=owner, **options)
        self._undo.append((self._kind, lambda: _remove(family, made)))

    def _effective(self, name: str) -> str:
        return f"nemo-relay-plugin.v1.{quote(self._kind, safe='')}:{self._ordinal}:{name}"

    def _expect_open(self) -> None:
        if not self._open:
            raise PluginContextClosed(
                f"plugin '{self._kind}' used its context after its register() had returned; "
                "register everything before register() returns"
            )


def _remove(family: Family, made: Entry) -> None:
    if family.entries.get(made.name) is made:  # somebody may have removed it by hand, and taken the name
        family.remove(made.name)
