# SPDX-License-Identifier: Apache-2.0
"""The component ``pii_redaction``, for the plugin host."""

from __future__ import annotations

import asyncio
from typing import Any

from nemo_relay.errors import InvalidConfig
from nemo_relay.plugin import PluginContext
from nemo_relay_pii import checking, models
from nemo_relay_pii.config import ConfigDiagnostic
from nemo_relay_pii.models import Config, Profile
from nemo_relay_pii.profiles import walk_of
from nemo_relay_pii.surfaces import Surfaces
from nemo_relay_pii.trajectory import Trajectory

JsonObject = dict[str, Any]
Sanitizers = Surfaces | Trajectory
_ALL = frozenset(("input", "output", "tool_input", "tool_output", "mark"))


class Component:
    """Registers the sanitizers of each profile, in the order of their priorities."""

    def validate(self, config: JsonObject) -> list[ConfigDiagnostic]:
        """What there is to say about ``config``."""
        found: Any = checking.diagnose(config)
        return found  # type: ignore[no-any-return]

    async def register(self, config: JsonObject, context: PluginContext) -> None:
        """Take part in what observers get to see.

        Args:
            config: the component's table.
            context: what to register with.

        Raises:
            InvalidConfig: the configuration is wrong (a ValueError).
            MissingExtra: what it asks for is not installed (an ImportError).
        """
        for prefix, priority, made in await asyncio.to_thread(_made, config):  # models are read from the disk
            _register(context, prefix, priority, made)

    def schema(self) -> JsonObject:
        """The JSON Schema of a configuration."""
        return models.schema()


def _made(config: JsonObject) -> list[tuple[str, int, Sanitizers]]:
    wrong = next((one for one in checking.diagnose(config) if one["level"] == "error"), None)
    if wrong is not None:
        raise InvalidConfig(wrong["message"].removeprefix("invalid config: "))
    parsed = Config.model_validate(config)
    if parsed.profiles is None:
        on = frozenset(name for name in _ALL if getattr(parsed, name))
        return [("", parsed.priority, _sanitizers(parsed, parsed.codec, on))]
    # Profiles of equal priority run in their order: names decide between equals.
    return [
        (f"profile_{index:020}/", profile.priority, _sanitizers(profile, None, _ALL))
        for index, profile in enumerate(parsed.profiles)
        if profile.enabled
    ]


def _sanitizers(profile: Config | Profile, codec: str | None, on: frozenset[str]) -> Sanitizers:
    if profile.mode == "builtin" and profile.builtin is not None and profile.builtin.preset is not None:
        return Trajectory(profile.builtin, on)
    builtin = profile.builtin
    targeted = builtin is not None and bool(builtin.target_paths or builtin.target_path_globs)
    return Surfaces(walk_of(profile), targeted=targeted, codec=codec, surfaces=on)


def _register(context: PluginContext, prefix: str, priority: int, made: Sanitizers) -> None:
    flat, on = not prefix, made.on
    start, end = ("input", "output") if flat else ("scope_start", "scope_end")
    if "mark" in on:
        context.register_mark_sanitize_guardrail(f"{prefix}mark", priority, made.mark)
    if {"input", "tool_input"} & on:
        context.register_scope_sanitize_start_guardrail(f"{prefix}{start}", priority, made.scope_start)
    if {"output", "tool_output"} & on:
        context.register_scope_sanitize_end_guardrail(f"{prefix}{end}", priority, made.scope_end)
    if "tool_input" in on:
        context.register_tool_sanitize_request_guardrail(f"{prefix}tool_input", priority, made.tool)
    if "tool_output" in on:
        context.register_tool_sanitize_response_guardrail(f"{prefix}tool_output", priority, made.tool)
    if "input" in on:
        context.register_llm_sanitize_request_guardrail(f"{prefix}input", priority, made.request)
    if "output" in on:
        context.register_llm_sanitize_response_guardrail(f"{prefix}output", priority, made.response)


component = Component()
