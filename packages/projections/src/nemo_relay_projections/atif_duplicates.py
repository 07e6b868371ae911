# SPDX-License-Identifier: Apache-2.0
"""One physical model call seen twice: by a host's hook and by the gateway. The better record is kept.

Our own adapters record a call once. Hosts that are observed from both sides do not, and say so in metadata.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from nemo_relay_projections.atif_content import text
from nemo_relay_projections.atif_requests import Request
from nemo_relay_projections.atif_responses import Response
from nemo_relay_projections.atif_spans import Span, mapping

_PLAIN = 50
_GATEWAY = ("gateway_path", "llm_correlation_source")
_REQUEST_IDS = (
    "api_call_id", "apiCallId", "request_id", "requestId", "request.id", "llm_correlation_request_id",
)  # fmt: skip
_GENERATION_IDS = ("generation_id", "generationId", "generation.id", "llm_correlation_generation_id")


def duplicates(calls: Iterable[Span]) -> dict[str, Span]:
    """The lesser record of each call that was recorded twice: its uuid, and the span that stands for both."""
    calls = list(calls)
    if all(_fidelity(call) == _PLAIN for call in calls):
        return {}
    replaced: dict[str, Span] = {}
    waiting: dict[tuple[str, ...], list[Span]] = {}
    for call in calls:
        keys = list(_keys(call))
        twins = (_twin(call, waiting[key], replaced, key[1]) for key in keys if key in waiting)
        twin = next((found for found in twins if found is not None), None)
        if twin is not None:
            lesser, better = sorted((call, twin), key=_fidelity)
            replaced[lesser.uuid] = better
        for key in keys:
            waiting.setdefault(key, []).append(call)
    return {uuid: _last(better, replaced) for uuid, better in replaced.items()}


def _twin(call: Span, candidates: list[Span], replaced: Mapping[str, Span], kind: str) -> Span | None:
    # Calls come in the order of their start: what is over by now overlaps nothing that follows.
    candidates[:] = [other for other in candidates if other.closed is None or other.closed > call.opened]
    for other in candidates:
        fits = other.uuid not in replaced and _fidelity(other) != _fidelity(call) and _same_model(call, other)
        if fits and (kind == "said" or _is_hook(call) != _is_hook(other)):
            return other
    return None


def _last(span: Span, replaced: Mapping[str, Span]) -> Span:
    while span.uuid in replaced:
        span = replaced[span.uuid]
    return span


def _keys(call: Span) -> Iterator[tuple[str, ...]]:
    """What two records of one call share: everything said, or (hook and gateway) the question or an id."""
    parent = call.parent or ""
    request, response = Request(call), Response(call)
    prompt = text(request.message)
    calls = text([[tool.id, tool.name, tool.arguments] for tool in response.calls()])
    yield parent, "said", prompt, text(response.message), calls
    if _is_hook(call) or _is_gateway(call):
        yield parent, "asked", prompt
        for kind, names in (("request", _REQUEST_IDS), ("generation", _GENERATION_IDS)):
            for value in _identities(call, names):
                yield parent, kind, value


def _identities(call: Span, names: tuple[str, ...]) -> Iterator[str]:
    places: list[Mapping[str, Any]] = []
    for event in (call.start, call.end):
        for holder in (mapping(event, "metadata"), mapping(event, "data"), mapping(event, "data", "content")):
            places += [holder, mapping(holder, "metadata"), mapping(holder, "extra")]
    for place in places:
        for name in names:
            value = mapping(place, *name.split(".")[:-1]).get(name.split(".")[-1])
            if isinstance(value, str) and value:
                yield value


def _fidelity(call: Span) -> int:
    about = {**call.metadata, **call.end_metadata}
    if about.get("projection") is True:
        return 10
    if isinstance(about.get("provider_payload_exact"), bool):
        return 100 if about["provider_payload_exact"] else 30
    if "fidelity_source" in about or "api_call_id" in about:
        return 95
    return 90 if "hook_event_name" in about else _PLAIN


def _is_hook(call: Span) -> bool:
    return "hook_event_name" in call.metadata


def _is_gateway(call: Span) -> bool:
    return any(key in call.metadata for key in _GATEWAY)


def _same_model(one: Span, other: Span) -> bool:
    first, second = (Response(call).model or Request(call).model for call in (one, other))
    return first is None or second is None or first == second
