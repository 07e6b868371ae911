# SPDX-License-Identifier: Apache-2.0
"""Observations: what came back from tools and sub-agents."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from nemo_relay_projections.atif_calls import Happening
from nemo_relay_projections.atif_content import exact_parts
from nemo_relay_projections.atif_spans import Span, error, event_info, mapping, status


def result(tool: Span) -> dict[str, Any]:
    """The observation of a tool: its result, or how it failed; empty if it returned nothing, or not yet."""
    if tool.end is None:
        return {}
    annotation = mapping(tool.end, "category_profile").get("tool_result_annotation")
    outcome = status(tool)
    content, whole = _content(tool.output)
    if content is None and outcome != "completed":
        wrong = error(tool)
        content = wrong.get("message") or wrong.get("type") or outcome
    if content is None and whole is None and annotation is None:
        return {}
    extra = event_info(tool.end, tool.name)
    if outcome != "completed":
        extra["status"] = outcome
    if whole is not None:
        extra["tool_result"] = whole
    if annotation is not None:
        extra["tool_result_annotation"] = annotation
    return {"content": content, "extra": extra} if content is not None else {"extra": extra}


def _content(value: Any) -> tuple[Any, Any]:
    """The content of a result, and the whole value where the content does not say it all."""
    if value is None or isinstance(value, str):
        return value, None
    parts = exact_parts(value)
    if parts is not None:
        return parts, None
    if isinstance(value, Mapping) and {"content", "status"} <= set(value):  # a framework's tool message
        content, whole = _content(value["content"])
        complete = set(value) == {"content", "status"} and whole is None
        return content, None if complete and content is not None else value
    return None, value


def results(happenings: Iterable[Happening]) -> list[dict[str, Any]]:
    """In stream order, with the references of a delegating call on its result."""
    results: list[dict[str, Any]] = []
    referring: dict[int, dict[str, Any]] = {}  # by call: references that came before any result
    first: dict[int, dict[str, Any]] = {}
    for happening in sorted(happenings, key=lambda happening: happening.position):
        key, news = id(happening.call), happening.result
        refs = news.get("subagent_trajectory_ref", [])
        if refs and key in first:
            first[key].setdefault("subagent_trajectory_ref", []).extend(refs)
        elif not refs and key in referring:
            referring.pop(key).update(news)  # the tool's own event says more than the sub-agent's start
        else:
            result = {"source_call_id": happening.call.id, **news}
            results.append(result)
            first.setdefault(key, result)
            if refs:
                referring[key] = result
    return results
