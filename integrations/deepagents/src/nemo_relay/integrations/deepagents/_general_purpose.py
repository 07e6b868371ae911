# SPDX-License-Identifier: Apache-2.0
"""The subagent that Deep Agents adds by itself, as a spec of its own, so that middleware reaches it.

The automatic one takes no middleware of the application but what replaces a default by name. The spec made here
is the same agent, its place in the list included, plus ours.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from deepagents import graph
from deepagents.middleware.subagents import GENERAL_PURPOSE_SUBAGENT
from nemo_relay import logs

NAME: str = GENERAL_PURPOSE_SUBAGENT["name"]
SKILLS = "SkillsMiddleware"
# What a middleware of the main agent may replace in the automatic subagent too.
_DEFAULTS = {
    "FilesystemMiddleware",
    "SummarizationMiddleware",
    "PatchToolCallsMiddleware",
    SKILLS,
    "AnthropicPromptCachingMiddleware",
    "BedrockPromptCachingMiddleware",
    "FireworksPromptCachingMiddleware",
}
# Deep Agents up to 0.7.22 inherits a skills middleware only where ``skills`` are given as well.
_TAKES_SKILLS_BY_NAME = hasattr(graph, "_passed_skills_sources")


def spec(kwargs: Mapping[str, Any]) -> dict[str, Any] | None:
    """The spec that Deep Agents would add for these arguments; None when it adds none, or another one.

    "Another one" is a harness profile that gives the subagent a prompt and has a base prompt as well: a spec
    cannot say that. The subagent stays automatic then, watched by the handler.
    """
    if any(item.get("name") == NAME for item in kwargs.get("subagents") or ()):
        return None
    try:
        return _spec(kwargs)
    except Exception as error:
        logs.error(
            f"NeMo Relay leaves the general-purpose subagent to Deep Agents: {error!r}",
            target="integrations.deepagents",
            fields={"event": "general_purpose_left", "error": repr(error)},
        )
        return None


def _spec(kwargs: Mapping[str, Any]) -> dict[str, Any] | None:
    profile = _profile(kwargs.get("model"))
    if profile is None:
        return None
    wish = profile.general_purpose_subagent
    if wish is not None and wish.enabled is False:
        return None
    made: dict[str, Any] = {**GENERAL_PURPOSE_SUBAGENT, "middleware": _inherited(kwargs, profile)}
    if isinstance(kwargs.get("model"), str):
        made["model"] = kwargs["model"]  # so that the same profile is found for it
    if kwargs.get("skills") is not None:
        made["skills"] = kwargs["skills"]
    if wish is not None and wish.description is not None:
        made["description"] = wish.description
    if wish is not None and wish.system_prompt is not None:
        if profile.base_system_prompt is not None:
            return None
        made["system_prompt"] = wish.system_prompt
    return made


def _profile(model: Any) -> Any:
    """The harness profile of the model; None for the default model, which the library itself deprecates."""
    if model is None:
        return None
    from deepagents.profiles.harness import harness_profiles

    if isinstance(model, str):
        return harness_profiles._get_harness_profile(model) or harness_profiles.HarnessProfile()
    return harness_profiles._harness_profile_for_model(model, None)


def _inherited(kwargs: Mapping[str, Any], profile: Any) -> list[Any]:
    defaults = _DEFAULTS if _TAKES_SKILLS_BY_NAME or kwargs.get("skills") is not None else _DEFAULTS - {SKILLS}
    given = list(kwargs.get("middleware") or ())
    unknown = [middleware for middleware in given if middleware.name not in defaults]
    extra = {item.name for item in profile.materialize_extra_middleware()} if unknown else set()
    return [middleware for middleware in given if middleware.name in defaults or middleware.name in extra]
