# SPDX-License-Identifier: Apache-2.0
"""The preset ``trajectory_context``: who called what, how often and at what price, and nothing of what was said.

What is not known to carry structure is left out: a new member of a provider's format is content until it is known.
"""

from __future__ import annotations

from typing import Any

from nemo_relay import LLMRequest, codecs
from nemo_relay.types import EventSanitizeFields, LlmRequestContext, LlmResponseContext
from nemo_relay_pii import counting
from nemo_relay_pii.actions import REDACTED
from nemo_relay_pii.models import Builtin

JsonObject = dict[str, Any]

# Words of the protocol, which stay as they are.
_KEPT = frozenset(
    "role type model finish_reason finishReason stop_reason stopReason status object tool_choice toolChoice"
    " modelVersion service_tier mode format media_type mimeType detail apiFormat modelId reasoning_effort effort"
    " truncation api".split()
)
# Objects and lists that carry structure; their members are judged one by one.
_STRUCTURE = frozenset(
    "messages choices message content contents parts input output system systemInstruction system_instruction tools"
    " function tool_calls candidates generationConfig inferenceConfig response_format responseFormat image_url source"
    " chatRequest chatResponse toolConfig functionDeclarations function_declarations reasoning thinking usage"
    " usageMetadata completion_tokens_details prompt_tokens_details input_tokens_details output_tokens_details"
    " cache_creation promptTokensDetails candidatesTokensDetails servingMode functionCall function_call"
    " functionResponse toolUse toolResult toolSpec tool_choice toolChoice text".split()
)
# What a tool is given, gives back, or asks for; what applications attach.
_EMPTIED = frozenset(
    "arguments parameters input_schema inputSchema metadata args response parametersJsonSchema json".split()
)
# Texts, whose presence is all that is told.
_TOLD = frozenset(
    "text content id call_id tool_call_id tool_use_id toolUseId responseId description user stop stop_sequences"
    " stopSequences url data output_text instructions previous_response_id prompt system input signature refusal"
    " thinking output result arguments_delta fileUri".split()
)
_TOOL_INPUT = ("tool_use", "server_tool_use", "function_call", "custom_tool_call")
_METADATA = ("otel.status_code", "error.type")
_SEVERITY = "nemo_relay.log.severity"
_OWN_MARKS = ("llm.chunk", "nemo_relay.llm.optimization", "skill.load")
_METRICS = "nemo.relay.metric_measurements"
_PROVIDERS = (
    *(("azure_ai_inference", "azure.ai.inference"), ("azure_openai", "azure.ai.openai"), ("anthropic", "anthropic")),
    *(("claude", "anthropic"), ("bedrock", "aws.bedrock"), ("cohere", "cohere"), ("deepseek", "deepseek")),
    *(("gemini", "gcp.gemini"), ("vertex", "gcp.vertex_ai"), ("groq", "groq"), ("mistral", "mistral_ai")),
    *(("openai", "openai"), ("gpt", "openai"), ("perplexity", "perplexity")),
)
_OF_CODEC = {
    **dict.fromkeys(("openai_chat", "openai_responses"), "openai"),
    "anthropic_messages": "anthropic",
    "gemini_generate_content": "gcp.gemini",
    "bedrock_converse": "aws.bedrock",
    "cohere_chat": "cohere",
    "mistral_chat": "mistral_ai",
    "oci_genai": "oci",
}


class Trajectory:
    """The sanitizers of the preset.

    Args:
        builtin: its options.
        surfaces: the names of those that are on.
    """

    def __init__(self, builtin: Builtin, surfaces: frozenset[str]) -> None:
        self._text = REDACTED if builtin.replacement is None else builtin.replacement
        self._custom = builtin.custom_mark_payload_policy
        self._allowed = builtin.metric_string_attribute_allowlist or {}
        self.on = surfaces

    def mark(self, event: Any, fields: EventSanitizeFields) -> EventSanitizeFields:
        """A mark: its severity stays, a metric's numbers, and of a custom one what the policy says."""
        metadata = fields["metadata"]
        clean: EventSanitizeFields = {
            "data": self._payload(event, fields["data"]),
            "category_profile": self._profile(fields["category_profile"]),
            "metadata": None if metadata is None else _severity(metadata),
        }
        return clean

    def scope_start(self, event: Any, fields: EventSanitizeFields) -> EventSanitizeFields:
        """The start of any scope."""
        return self._scope(event, fields, "input")

    def scope_end(self, event: Any, fields: EventSanitizeFields) -> EventSanitizeFields:
        """The end of any scope."""
        return self._scope(event, fields, "output")

    def tool(self, name: str, payload: Any) -> Any:
        """Nothing of what a tool is given or gives back."""
        counting.found["trajectory_context"] += 1
        return None if payload is None else {}

    def request(self, request: LLMRequest, context: LlmRequestContext) -> LLMRequest:
        """The shape of a request."""
        counting.found["trajectory_context"] += 1
        known = context.codec.kind != "none" or codecs.detect_request(request.content) is not None
        return LLMRequest({}, self._shape(request.content) if known else {})

    def response(self, response: Any, context: LlmResponseContext) -> Any:
        """The shape of a response."""
        known = context.codec.kind != "none" or codecs.detect_response(response) is not None
        return self._shape(response) if known else {}

    def _shape(self, value: Any, kind: str = "") -> Any:
        """The members of ``value`` that carry structure. ``kind`` is what the object says it is."""
        if isinstance(value, list):
            return [self._shape(item, kind) for item in value]
        if not isinstance(value, dict):
            return self._text if isinstance(value, str) else value
        own = value.get("type") if isinstance(value.get("type"), str) else kind
        made = {}
        for key, item in value.items():
            found = self._member(key, item, str(own or ""), value)
            if found is not _LEFT_OUT:
                made[key] = found
        return made

    def _member(self, key: str, item: Any, kind: str, whole: JsonObject) -> Any:
        if key in _EMPTIED or (key == "input" and kind in _TOOL_INPUT) or (key == "content" and kind == "tool_result"):
            return "{}" if isinstance(item, str) else {}
        if key == "name":  # of tools and functions; of a participant it would be somebody's
            return item if not whole.get("role") else self._text
        if isinstance(item, str):
            return item if key in _KEPT else self._text if key in _TOLD else _LEFT_OUT
        if isinstance(item, (bool, int, float)) or item is None:
            return item
        if isinstance(item, list) and all(isinstance(one, str) for one in item):
            return [self._text] * len(item) if key in _TOLD or key in _STRUCTURE else _LEFT_OUT
        return self._shape(item, kind) if key in _STRUCTURE else _LEFT_OUT

    def _scope(self, event: Any, fields: EventSanitizeFields, side: str) -> EventSanitizeFields:
        category = event.category
        surface = f"tool_{side}" if category == "tool" else side
        if surface not in self.on:
            return fields
        own = category in ("tool", "llm")
        profile = self._profile(fields["category_profile"])
        if category == "llm":
            profile = {**(profile or {}), **_provider(event.name, fields["category_profile"])}
        return {
            "data": fields["data"] if own or fields["data"] is None else {},
            "category_profile": profile,
            "metadata": None if fields["metadata"] is None else _status(fields["metadata"]),
        }

    def _profile(self, profile: Any) -> Any:
        if not isinstance(profile, dict):
            return profile
        made = {name: profile[name] for name in ("model_name", "subtype", "time_to_first_chunk") if name in profile}
        if profile.get("tool_call_id") is not None:
            made["tool_call_id"] = self._text
        if profile.get("tool_result_annotation") is not None:
            made["tool_result_annotation"] = {}
        for name in ("annotated_request", "annotated_response"):
            if profile.get(name) is not None:
                made[name] = _without_provenance(profile[name])
        return made

    def _payload(self, event: Any, data: Any) -> Any:
        if isinstance(data, dict) and (getattr(event, "data_schema", None) or {}).get("name") == _METRICS:
            return self._metrics(data)
        if event.category == "custom" and event.name not in _OWN_MARKS and self._custom is not None:
            return data if self._custom == "preserve" else self._leaves(data)
        return None if data is None else {}

    def _leaves(self, value: Any) -> Any:
        if isinstance(value, dict):
            return {key: self._leaves(item) for key, item in value.items()}
        if isinstance(value, list):
            return [self._leaves(item) for item in value]
        return None if value is None else self._text

    def _metrics(self, data: JsonObject) -> Any:
        points = data.get("measurements")
        if not isinstance(points, list) or not all(isinstance(one, dict) for one in points):
            return None
        return {"measurements": [self._metric(one) for one in points]}

    def _metric(self, point: JsonObject) -> JsonObject:
        attributes = point.get("attributes")
        kept = {
            name: value
            for name, value in (attributes if isinstance(attributes, dict) else {}).items()
            if isinstance(value, str) and value in self._allowed.get(name, ())
        }
        made = {**point, "attributes": kept}
        if isinstance(point.get("description"), str):
            made["description"] = self._text
        return made


_LEFT_OUT = object()


def _status(metadata: Any) -> JsonObject:
    known = metadata if isinstance(metadata, dict) else {}
    return {name: known[name] for name in _METADATA if isinstance(known.get(name), str)}


def _severity(metadata: Any) -> JsonObject:
    level = metadata.get(_SEVERITY) if isinstance(metadata, dict) else None
    known = isinstance(level, str) and level.lower() in ("trace", "debug", "info", "warn", "error", "fatal")
    return {_SEVERITY: str(level).lower()} if known else {}


def _without_provenance(annotated: Any) -> Any:
    """An annotation that was made anew of what is shown; prices say what they are, not whose list they stand on."""
    if not isinstance(annotated, dict):
        return {}
    made = {key: item for key, item in annotated.items() if key != "optimization_summary"}
    usage = made.get("usage")
    cost = usage.get("cost") if isinstance(usage, dict) else None
    if isinstance(usage, dict) and isinstance(cost, dict):
        bare = {key: item for key, item in cost.items() if not key.startswith("pricing_")}
        made["usage"] = {**usage, "cost": bare}
    return made


def _provider(name: str, profile: Any) -> JsonObject:
    known = profile if isinstance(profile, dict) else {}
    given = known.get("gen_ai.provider.name")
    if isinstance(given, str):
        return {"gen_ai.provider.name": given}
    lowered = name.lower()
    found = next((provider for part, provider in _PROVIDERS if part in lowered), None)
    if found is None:
        for side in ("annotated_request", "annotated_response"):
            view = known.get(side)
            specific = view.get("api_specific") if isinstance(view, dict) else None
            found = found or _OF_CODEC.get(specific.get("api", "") if isinstance(specific, dict) else "")
    return {} if found is None else {"gen_ai.provider.name": found}
