# SPDX-License-Identifier: Apache-2.0
"""What a plugin is, and what it gets to register with."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, Protocol

from nemo_relay.runtime_registrations import ConditionalMiddlewareGuardrail, RuntimeRegistrationKind
from nemo_relay.types import (
    Event,
    EventMetadataInjectorCallback,
    EventSanitizeGuardrail,
    LlmConditionalExecutionGuardrail,
    LlmExecutionIntercept,
    LlmRequestIntercept,
    LlmSanitizeRequestGuardrail,
    LlmSanitizeResponseGuardrail,
    LlmStreamExecutionIntercept,
    ToolConditionalExecutionGuardrail,
    ToolExecutionIntercept,
    ToolRequestIntercept,
    ToolSanitizeGuardrail,
)
from nemo_relay_configuration.documents import JsonObject
from nemo_relay_configuration.reports import ConfigDiagnostic


class PluginContext(Protocol):
    """Registers callbacks for one component; they go with the activation.

    Names are the component's own: another component may use the same. It works until ``register`` returns; afterwards
    each method raises ``PluginContextClosed``.
    """

    def on_close(self, callback: Callable[[], Any]) -> None:
        """Call ``callback``, sync or async, when the activation ends; the last one added comes first."""

    def register_subscriber(self, name: str, callback: Callable[[Event], Any]) -> None:
        """As ``subscribers.register``."""

    def register_conditional_middleware_guardrail(
        self,
        name: str,
        kinds: set[RuntimeRegistrationKind],
        registration_name: str,
        guardrail: ConditionalMiddlewareGuardrail,
    ) -> None:
        """As ``runtime_registrations.register_conditional_middleware_guardrail``; not listed, removed only with all."""

    def register_event_metadata_injector(
        self, name: str, priority: int, callback: EventMetadataInjectorCallback
    ) -> None:
        """As ``event_metadata.register_injector``."""

    def register_mark_sanitize_guardrail(self, name: str, priority: int, callback: EventSanitizeGuardrail) -> None:
        """As ``guardrails.register_mark_sanitize``."""

    def register_scope_sanitize_start_guardrail(
        self, name: str, priority: int, callback: EventSanitizeGuardrail
    ) -> None:
        """As ``guardrails.register_scope_sanitize_start``."""

    def register_scope_sanitize_end_guardrail(self, name: str, priority: int, callback: EventSanitizeGuardrail) -> None:
        """As ``guardrails.register_scope_sanitize_end``."""

    def register_tool_sanitize_request_guardrail(
        self, name: str, priority: int, callback: ToolSanitizeGuardrail
    ) -> None:
        """As ``guardrails.register_tool_sanitize_request``."""

    def register_tool_sanitize_response_guardrail(
        self, name: str, priority: int, callback: ToolSanitizeGuardrail
    ) -> None:
        """As ``guardrails.register_tool_sanitize_response``."""

    def register_tool_conditional_execution_guardrail(
        self, name: str, priority: int, callback: ToolConditionalExecutionGuardrail
    ) -> None:
        """As ``guardrails.register_tool_conditional_execution``."""

    def register_tool_request_intercept(
        self, name: str, priority: int, break_chain: bool, callback: ToolRequestIntercept
    ) -> None:
        """As ``intercepts.register_tool_request``."""

    def register_tool_execution_intercept(self, name: str, priority: int, callback: ToolExecutionIntercept) -> None:
        """As ``intercepts.register_tool_execution``."""

    def register_llm_sanitize_request_guardrail(
        self, name: str, priority: int, callback: LlmSanitizeRequestGuardrail
    ) -> None:
        """As ``guardrails.register_llm_sanitize_request``."""

    def register_llm_sanitize_response_guardrail(
        self, name: str, priority: int, callback: LlmSanitizeResponseGuardrail
    ) -> None:
        """As ``guardrails.register_llm_sanitize_response``."""

    def register_llm_conditional_execution_guardrail(
        self, name: str, priority: int, callback: LlmConditionalExecutionGuardrail
    ) -> None:
        """As ``guardrails.register_llm_conditional_execution``."""

    def register_llm_request_intercept(
        self, name: str, priority: int, break_chain: bool, callback: LlmRequestIntercept
    ) -> None:
        """As ``intercepts.register_llm_request``."""

    def register_llm_execution_intercept(self, name: str, priority: int, callback: LlmExecutionIntercept) -> None:
        """As ``intercepts.register_llm_execution``."""

    def register_llm_stream_execution_intercept(
        self, name: str, priority: int, callback: LlmStreamExecutionIntercept
    ) -> None:
        """As ``intercepts.register_llm_stream_execution``."""


class Plugin(Protocol):
    """One kind of component. ``validate`` may be left out."""

    def validate(self, plugin_config: JsonObject) -> list[ConfigDiagnostic] | None:
        """What there is to say about a configuration. It has no side effects; disabled components are asked too."""

    def register(self, plugin_config: JsonObject, context: PluginContext) -> Awaitable[None] | None:
        """Register what the component does. May be async. What it raises takes the whole activation back.

        Args:
            plugin_config: the component's own part of the document.
            context: what to register with; it ends with the activation.

        Returns:
            None, or what is awaited before the activation goes on.
        """
