# SPDX-License-Identifier: Apache-2.0
"""What calls take and use, measured as the GenAI conventions say."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from nemo_relay_otel.lineage import Ended, Event, Lineage
from nemo_relay_otel.projections.conventions import VERSIONS, operation_of, provider_of
from nemo_relay_otel.projections.messages import Call, Usage, api_of, call_of, usage_of
from nemo_relay_otel.records import Attribute
from nemo_relay_otel.signals.instruments import Measurement
from nemo_relay_otel.values import first_text, mapping

_OPERATIONS = {"agent": "invoke_agent", "tool": "execute_tool", "embedder": "embeddings", "retriever": "retrieval"}


class Calls:
    """Measures LLM calls, and the duration of agents, tools, embeddings and retrievals.

    Args:
        version: of the conventions.
    """

    def __init__(self, version: str) -> None:
        self._names = VERSIONS[version]
        self._lineage = Lineage()

    def take(self, event: Event) -> Iterator[Measurement]:
        """What the end of a call tells."""
        item = self._lineage.take(event)
        if not isinstance(item, Ended) or item.end is None:
            return
        category = str(item.span.start.get("category"))
        if category == "llm":
            yield from self._llm(item, item.end)
        elif category in _OPERATIONS:
            attributes = _failure(item, {"gen_ai.operation.name": _OPERATIONS[category]})
            named = {"tool": "gen_ai.tool.name", "agent": "gen_ai.agent.name"}.get(category)
            if named is not None and (name := first_text(item.span.start.get("name"))):
                attributes[named] = name
            yield self._duration(self._names.duration, item, attributes)

    def _llm(self, item: Ended, end: Event) -> Iterator[Measurement]:
        start = item.span.start
        call = call_of(start, end)
        attributes = _of_call(start, call)
        yield self._duration(self._names.inference_duration, item, _failure(item, attributes))
        waited = mapping(end.get("category_profile")).get("time_to_first_chunk")
        if isinstance(waited, (int, float)):
            yield Measurement(
                self._names.first_chunk,
                "histogram",
                False,
                float(waited),
                "s",
                "Time until the first chunk of a streamed answer.",
                attributes,
                self._names.duration_bounds,
            )
        yield from self._tokens(call, end, attributes)

    def _duration(self, name: str, item: Ended, attributes: Mapping[str, Attribute]) -> Measurement:
        seconds = (item.end_ns - item.span.time) / 1e9
        bounds = self._names.duration_bounds
        return Measurement(name, "histogram", False, seconds, "s", "Duration of an operation.", attributes, bounds)

    def _tokens(self, call: Call, end: Event, attributes: dict[str, Attribute]) -> Iterator[Measurement]:
        usage = usage_of(call, end)
        if usage is None:
            return
        if self._names.token_usage:
            for kind, number in (("input", usage.input), ("output", usage.output)):
                if number is not None:
                    typed = {**attributes, "gen_ai.token.type": kind}
                    description = "Tokens used."
                    bounds = self._names.token_bounds
                    name = self._names.token_usage
                    yield Measurement(name, "histogram", True, number, "{token}", description, typed, bounds)
        if self._names.token_counters:
            yield from self._counters(usage, attributes)

    def _counters(self, usage: Usage, attributes: dict[str, Attribute]) -> Iterator[Measurement]:
        counted = {
            "input_tokens": usage.input,
            "output_tokens": usage.output,
            "cache_read.input_tokens": usage.cache_read,
            "cache_write.input_tokens": usage.cache_write,
            "reasoning.output_tokens": usage.reasoning,
        }
        for name, number in counted.items():
            if number is not None:
                full = self._names.token_counters + name
                yield Measurement(full, "counter", True, number, "{token}", "Tokens used.", attributes)


def _of_call(start: Event, call: Call) -> dict[str, Attribute]:
    name = str(start.get("name", ""))
    profile = mapping(start.get("category_profile"))
    found = {
        "gen_ai.operation.name": operation_of(name),
        "gen_ai.provider.name": provider_of(name, api_of(call)),
        "gen_ai.request.model": first_text(call.request.get("model"), profile.get("model_name")),
        "gen_ai.response.model": first_text(call.response.get("model")),
    }
    return {key: value for key, value in found.items() if value is not None}


def _failure(item: Ended, attributes: dict[str, Attribute]) -> dict[str, Attribute]:
    code = mapping((item.end or {}).get("metadata")).get("otel.status_code")
    if str(code or "").upper() != "ERROR":
        return attributes
    return {**attributes, "error.type": item.span.error_type or "_OTHER"}
