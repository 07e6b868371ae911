# SPDX-License-Identifier: Apache-2.0
"""What is registered in this process, and gates: callbacks that switch a global registration off for one operation.

>>> from nemo_relay import guardrails, runtime_registrations as registrations
>>> guardrails.register_tool_conditional_execution("no-rm", 10, lambda name, args: "no" if name == "rm" else None)
>>> [found.effective_name for found in registrations.list_runtime_registrations()]
['no-rm']
>>> kinds = {registrations.RuntimeRegistrationKind.TOOL_CONDITIONAL_EXECUTION_GUARDRAIL}
>>> registrations.register_conditional_middleware_guardrail("off", kinds, "no-rm", lambda kinds, name: "maintenance")
>>> from nemo_relay import tools
>>> tools.execute_sync("rm", None, lambda args: "removed")
'removed'
>>> registrations.deregister_conditional_middleware_guardrail("off")
True
>>> guardrails.deregister_tool_conditional_execution("no-rm")
True
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Literal, TypeAlias

from nemo_relay._runtime.checks import expect_text
from nemo_relay._runtime.registry import gates, registry

__all__ = [
    "ConditionalMiddlewareGuardrail",
    "RuntimeRegistrationIdentity",
    "RuntimeRegistrationKind",
    "RuntimeRegistrationOwner",
    "RuntimeRegistrationOwnerKind",
    "deregister_conditional_middleware_guardrail",
    "is_heard",
    "is_shaped",
    "list_runtime_registrations",
    "register_conditional_middleware_guardrail",
]


class RuntimeRegistrationKind(StrEnum):
    """The sixteen families of registrations."""

    SUBSCRIBER = "subscriber"
    EVENT_METADATA_INJECTOR = "event_metadata_injector"
    MARK_SANITIZE_GUARDRAIL = "mark_sanitize_guardrail"
    SCOPE_SANITIZE_START_GUARDRAIL = "scope_sanitize_start_guardrail"
    SCOPE_SANITIZE_END_GUARDRAIL = "scope_sanitize_end_guardrail"
    TOOL_SANITIZE_REQUEST_GUARDRAIL = "tool_sanitize_request_guardrail"
    TOOL_SANITIZE_RESPONSE_GUARDRAIL = "tool_sanitize_response_guardrail"
    TOOL_CONDITIONAL_EXECUTION_GUARDRAIL = "tool_conditional_execution_guardrail"
    TOOL_REQUEST_INTERCEPT = "tool_request_intercept"
    TOOL_EXECUTION_INTERCEPT = "tool_execution_intercept"
    LLM_SANITIZE_REQUEST_GUARDRAIL = "llm_sanitize_request_guardrail"
    LLM_SANITIZE_RESPONSE_GUARDRAIL = "llm_sanitize_response_guardrail"
    LLM_CONDITIONAL_EXECUTION_GUARDRAIL = "llm_conditional_execution_guardrail"
    LLM_REQUEST_INTERCEPT = "llm_request_intercept"
    LLM_EXECUTION_INTERCEPT = "llm_execution_intercept"
    LLM_STREAM_EXECUTION_INTERCEPT = "llm_stream_execution_intercept"


class RuntimeRegistrationOwnerKind(StrEnum):
    """Who made a registration."""

    CORE = "core"
    GLOBAL_API = "global_api"
    PLUGIN = "plugin"


@dataclass(frozen=True)
class RuntimeRegistrationOwner:
    """Who made a registration; for a plugin also its kind and which of its components."""

    kind: RuntimeRegistrationOwnerKind
    plugin_kind: str | None
    component_ordinal: int | None


@dataclass(frozen=True)
class RuntimeRegistrationIdentity:
    """One registration. ``effective_name`` is the one that is unique in its family, and that a gate names."""

    kind: RuntimeRegistrationKind
    local_name: str
    effective_name: str
    owner: RuntimeRegistrationOwner


ConditionalMiddlewareGuardrail: TypeAlias = Callable[[set[RuntimeRegistrationKind], str], str | None]


def register_conditional_middleware_guardrail(
    name: str,
    kinds: Iterable[RuntimeRegistrationKind],
    registration_name: str,
    guardrail: ConditionalMiddlewareGuardrail,
) -> None:
    """Let ``guardrail`` decide, each time, whether the registration of that name takes part.

    It is asked, as ``(kinds, registration_name)``, whenever an operation is about to use the registration; a string
    switches it off for that operation. One that raises switches nothing off. Scope-local registrations have no gates.

    Args:
        name: the gate's own name.
        kinds: the families it is for; at least one.
        registration_name: the effective name of the registration, which may come later.
        guardrail: a plain function; it runs on hot paths.

    Raises:
        InvalidArgument: ``kinds`` is empty (a RuntimeError).
        AlreadyRegistered: the name is taken (a RuntimeError).
    """
    expect_text(name)
    expect_text(registration_name)
    members = {kind.value: kind for kind in kinds}
    gates.add(name, set(members.values()), frozenset(members), registration_name, guardrail)


def deregister_conditional_middleware_guardrail(name: str) -> bool:
    """Remove the gate; False when the name is unknown."""
    expect_text(name)
    return gates.remove(name)


def list_runtime_registrations(
    kinds: Iterable[RuntimeRegistrationKind] | None = None,
) -> list[RuntimeRegistrationIdentity]:
    """The global registrations of ``kinds``, all when None, by kind and then by name. Gates are not among them."""
    wanted = None if kinds is None else {kind.value for kind in kinds}
    return [_identity(record) for record in gates.listed(wanted)]


def is_shaped(kind: Literal["tool", "llm"]) -> bool:
    """Whether a guardrail or an intercept could take part in calls of that kind now, in whatever scope they are made.

    For adapters: where nothing could, nobody needs a view of the call's arguments but the observers.
    """
    return registry.activity.shapes_tools if kind == "tool" else registry.activity.shapes_llms


def is_heard() -> bool:
    """Whether anybody could hear an event that is emitted now, in whatever scope: where not, none need be made."""
    return registry.activity.observed


def _identity(record: gates.Record) -> RuntimeRegistrationIdentity:
    owner = record["owner"]
    return RuntimeRegistrationIdentity(
        RuntimeRegistrationKind(record["kind"]),
        record["local_name"],
        record["effective_name"],
        RuntimeRegistrationOwner(
            RuntimeRegistrationOwnerKind(owner["kind"]), owner["plugin_kind"], owner["component_ordinal"]
        ),
    )
