# SPDX-License-Identifier: Apache-2.0
"""The names of the GenAI semantic conventions, version by version.

The conventions have moved to a repository of their own and are renamed there from release to release; no package
carries the names. So they stand here, each version whole, and a destination chooses one (``genai_version``):

* ``0.10.4``: what the published package writes, and most dashboards read. The default.
* ``1.41``: the last ones inside OpenTelemetry's own conventions.
* ``0.1``: the first release of the GenAI repository.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

_SECONDS = tuple(0.01 * 2**power for power in range(14))
_TOKENS = tuple(float(4**power) for power in range(14))


@dataclass(frozen=True, slots=True)
class Conventions:
    """What differs between versions. A name that a version does not have is empty."""

    cache_read: str = "gen_ai.usage.cache_read.input_tokens"
    cache_write: str = "gen_ai.usage.cache_write.input_tokens"
    reasoning: str = "gen_ai.usage.reasoning.output_tokens"
    retrieval_top_k: str = "gen_ai.retrieval.top_k"
    reasoning_level: str = "gen_ai.request.reasoning.level"
    previous_response: str = "gen_ai.request.previous_response.id"
    embedding_dimensions: str = "gen_ai.embeddings.dimension.count"
    finish_reason_in_messages: bool = True
    duration: str = "gen_ai.client.operation.duration"
    inference_duration: str = "gen_ai.client.operation.duration"
    first_chunk: str = "gen_ai.client.operation.time_to_first_chunk"
    token_usage: str = "gen_ai.client.token.usage"
    token_counters: str = ""  # the prefix of one counter for each kind of token, where a version has those instead
    duration_bounds: tuple[float, ...] = _SECONDS
    token_bounds: tuple[float, ...] = _TOKENS


_PUBLISHED = Conventions()

VERSIONS = {
    "0.10.4": _PUBLISHED,
    "1.41": replace(
        _PUBLISHED,
        cache_write="gen_ai.usage.cache_creation.input_tokens",
        retrieval_top_k="gen_ai.request.top_k",
        reasoning_level="",
        previous_response="",
    ),
    "0.1": replace(
        _PUBLISHED,
        finish_reason_in_messages=False,
        inference_duration="gen_ai.client.inference.duration",
        first_chunk="gen_ai.client.inference.time_to_first_chunk",
        token_usage="",
        token_counters="gen_ai.client.inference.usage.",
    ),
}

# A provider by what the name of the call says, first match.
_PROVIDERS = (
    ("azure_ai_inference", "azure.ai.inference"),
    ("azure ai inference", "azure.ai.inference"),
    ("azure_openai", "azure.ai.openai"),
    ("azure openai", "azure.ai.openai"),
    ("anthropic", "anthropic"),
    ("claude", "anthropic"),
    ("bedrock", "aws.bedrock"),
    ("cohere", "cohere"),
    ("deepseek", "deepseek"),
    ("gemini", "gcp.gemini"),
    ("vertex", "gcp.vertex_ai"),
    ("groq", "groq"),
    ("mistral", "mistral_ai"),
    ("openai", "openai"),
    ("gpt", "openai"),
    ("perplexity", "perplexity"),
)
# ... and by the codec that read the call.
_CODECS = {
    "anthropic_messages": "anthropic",
    "openai_chat": "openai",
    "openai_responses": "openai",
    "oci_genai": "oci.genai",
    "gemini_generate_content": "gcp.gemini",
    "bedrock_converse": "aws.bedrock",
    "cohere_chat": "cohere",
    "mistral_chat": "mistral_ai",
}


def provider_of(name: str, api: str) -> str | None:
    """The conventions' word for a provider."""
    lower = name.lower()
    return next((word for part, word in _PROVIDERS if part in lower), None) or _CODECS.get(api)


def operation_of(name: str) -> str:
    """The operation of an LLM call, by its name."""
    lower = name.lower()
    if "generate_content" in lower or "generatecontent" in lower:
        return "generate_content"
    return "text_completion" if "completion" in lower and "chat" not in lower else "chat"
