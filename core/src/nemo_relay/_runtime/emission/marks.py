# SPDX-License-Identifier: Apache-2.0
"""Marks that the caller asks for and the runtime emits, and what a mark may carry."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from nemo_relay._runtime.checks import expect
from nemo_relay._runtime.emission import emit
from nemo_relay._runtime.enums import LogSeverity
from nemo_relay._runtime.events.events import SEVERITY_KEY
from nemo_relay._runtime.log import faults
from nemo_relay._runtime.tree.spans import ScopeHandle, Span
from nemo_relay_records.encoding import strict


def checked_schema(schema: Any) -> dict[str, str]:
    """``{"name", "version"}`` of ``schema``; other keys are dropped. Raises ValueError where either is missing."""
    problem = "expected an object"
    if isinstance(schema, dict):
        missing = [key for key in ("name", "version") if not isinstance(schema.get(key), str)]
        if not missing:
            return {"name": schema["name"], "version": schema["version"]}
        problem = f"missing field `{missing[0]}`"
    raise ValueError(f"data_schema must contain string name and version fields: {problem} in {schema!r}")


def owning_agent(span: Span) -> ScopeHandle:
    """The nearest agent at or above ``span``; the root counts as one."""
    while span.category != "agent" and span.parent_span is not None:
        span = span.parent_span
    assert isinstance(span, ScopeHandle)
    return span


def rearm_freshness(span: Span) -> None:
    """The history was compacted: the agent's next LLM start records it whole again."""
    owning_agent(span).fresh = True


class PendingMarkSpec:
    """A mark that an intercept asks for; it is emitted under the call's span when the call has succeeded.

    Args:
        name: shown in events.
        category: any string.
        category_profile: an object whose well-known keys (``model_name``, ``tool_call_id``, ``subtype``) are strings.
        data: any JSON payload.
        metadata: any JSON value.
        data_schema: ``{"name", "version"}``.
        severity: stored in the metadata as ``nemo_relay.log.severity``.

    Raises:
        ValueError: a value that has no JSON form, or a malformed profile or schema.
    """

    __slots__ = ("category", "category_profile", "data", "data_schema", "metadata", "name", "severity")

    def __init__(
        self,
        name: str,
        category: str | None = None,
        category_profile: dict[str, Any] | None = None,
        data: Any = None,
        metadata: Any = None,
        data_schema: dict[str, str] | None = None,
        severity: LogSeverity | None = None,
    ) -> None:
        expect(name, str, where="name")
        if category is not None:
            expect(category, str, where="category")
        if severity is not None:
            expect(severity, LogSeverity, where="severity")
        self.name = name
        self.category = category
        self.category_profile = _checked_profile(category_profile)
        self.data = data
        self.metadata = metadata
        self.data_schema = None if data_schema is None else checked_schema(data_schema)
        self.severity = severity

    def __repr__(self) -> str:
        return f"PendingMarkSpec(name={self.name!r})"


def _checked_profile(profile: Any) -> Any:
    if profile is None:
        return None
    if not isinstance(profile, dict):
        raise ValueError(f"category_profile must be an object, not {profile!r}")
    for key in ("model_name", "tool_call_id", "subtype"):
        if profile.get(key) is not None and not isinstance(profile[key], str):
            raise ValueError(f"category_profile.{key} must be a string, not {profile[key]!r}")
    strict(profile)
    return profile


def emit_pending(specs: Iterable[PendingMarkSpec], span: Span, after_ns: int, *, step_ns: int, family: str) -> None:
    """Emit the marks that intercepts asked for, from ``after_ns`` on, ``step_ns`` apart."""
    for position, spec in enumerate(specs):
        metadata = spec.metadata
        if spec.severity is not None:
            if metadata is not None and not isinstance(metadata, dict):
                error = TypeError("mark metadata must be a JSON object when severity is provided")
                faults.report(f"{family}_pending_mark_dropped", error, mark=spec.name)
                continue
            metadata = {**(metadata or {}), SEVERITY_KEY: spec.severity.name.lower()}
        emit.mark(
            spec.name,
            span,
            data=spec.data,
            metadata=metadata,
            data_schema=spec.data_schema,
            category=spec.category,
            profile=spec.category_profile,
            ns=after_ns + position * step_ns,
        )
