# SPDX-License-Identifier: Apache-2.0
"""Names for the shapes that callbacks take and return. Callbacks are plain callables, sync or async."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, Literal, TypeAlias, TypedDict, TypeVar

from nemo_relay._runtime.events.events import MarkEvent, ScopeEvent
from nemo_relay._runtime.managed.codec_context import (
    LlmCodecIdentity,
    LlmExecutionContext,
    LlmRequestContext,
    LlmResponseContext,
    LlmSanitizeRequestCodec,
    LlmSanitizeRequestContext,
    LlmSanitizeResponseCodec,
    LlmSanitizeResponseContext,
)
from nemo_relay._runtime.managed.results import (
    LLMRequestInterceptOutcome,
    ToolExecutionContext,
    ToolExecutionInterceptOutcome,
    ToolExecutionResult,
)
from nemo_relay_codecs.request import LLMRequest

T = TypeVar("T")
_Maybe: TypeAlias = T | Awaitable[T]

JsonPrimitive: TypeAlias = str | int | float | bool | None
JsonValue: TypeAlias = Any
JsonObject: TypeAlias = dict[str, Any]
Json: TypeAlias = Any
UnsupportedBehavior = Literal["ignore", "warn", "error"]


class DataSchema(TypedDict):
    """The name and version of a payload's schema."""

    name: str
    version: str


class ApplicationExecutionContext(TypedDict, total=False):
    """What ``execution_context`` of a tool call is: the application's JSON under ``data``, if any."""

    data: dict[str, Any]


class LlmApplicationExecutionContext(TypedDict, total=False):
    """The same for an LLM call."""

    data: dict[str, Any]


class EventSanitizeFields(TypedDict):
    """The fields of an event that a sanitizer may replace."""

    data: Any
    category_profile: Any
    metadata: Any


Event: TypeAlias = ScopeEvent | MarkEvent
EventMetadataScalar: TypeAlias = str | int | float | bool
EventMetadataValue: TypeAlias = EventMetadataScalar | list[EventMetadataScalar]
EventMetadata: TypeAlias = dict[str, EventMetadataValue]
EventMetadataInjectorCallback: TypeAlias = Callable[[Event], _Maybe[EventMetadata]]
EventSanitizeGuardrail: TypeAlias = Callable[[Event, EventSanitizeFields], _Maybe[EventSanitizeFields]]
ToolSanitizeGuardrail: TypeAlias = Callable[[str, Any], Any]
ToolConditionalExecutionGuardrail: TypeAlias = Callable[[str, Any], _Maybe[str | None]]
LlmSanitizeRequestGuardrail: TypeAlias = Callable[[LLMRequest, LlmSanitizeRequestContext], _Maybe[LLMRequest | None]]
LlmSanitizeResponseGuardrail: TypeAlias = Callable[[Any, LlmSanitizeResponseContext], Any]
LlmConditionalExecutionGuardrail: TypeAlias = Callable[[LLMRequest], _Maybe[str | None]]
ToolRequestIntercept: TypeAlias = Callable[[str, Any], Any]
ToolExecutionIntercept: TypeAlias = Callable[
    [ToolExecutionContext, Callable[[Any], Awaitable[ToolExecutionResult[Any]]]],
    _Maybe[ToolExecutionInterceptOutcome],
]
LlmRequestIntercept: TypeAlias = Callable[[str, LLMRequest, Any], _Maybe[LLMRequestInterceptOutcome]]
LlmExecutionIntercept: TypeAlias = Callable[
    [str, LLMRequest, LlmExecutionContext, Callable[[LLMRequest], Awaitable[Any]]], Any
]
LlmStreamExecutionIntercept: TypeAlias = Callable[
    [str, LLMRequest, LlmExecutionContext, Callable[[LLMRequest], Awaitable[AsyncIterator[Any]]]],
    _Maybe[AsyncIterator[Any]],
]

__all__ = [
    "ApplicationExecutionContext",
    "LlmApplicationExecutionContext",
    "DataSchema",
    "Event",
    "EventMetadata",
    "EventMetadataInjectorCallback",
    "EventMetadataScalar",
    "EventMetadataValue",
    "EventSanitizeFields",
    "EventSanitizeGuardrail",
    "Json",
    "JsonObject",
    "JsonPrimitive",
    "JsonValue",
    "LlmCodecIdentity",
    "LlmConditionalExecutionGuardrail",
    "LlmExecutionContext",
    "LlmExecutionIntercept",
    "LlmRequestContext",
    "LlmRequestIntercept",
    "LlmResponseContext",
    "LlmSanitizeRequestCodec",
    "LlmSanitizeRequestContext",
    "LlmSanitizeRequestGuardrail",
    "LlmSanitizeResponseCodec",
    "LlmSanitizeResponseContext",
    "LlmSanitizeResponseGuardrail",
    "LlmStreamExecutionIntercept",
    "ToolConditionalExecutionGuardrail",
    "ToolExecutionIntercept",
    "ToolRequestIntercept",
    "ToolSanitizeGuardrail",
    "UnsupportedBehavior",
]
