# SPDX-License-Identifier: Apache-2.0
"""The component ``guard``, for the plugin host."""

from __future__ import annotations

import asyncio
import json
from typing import Any

from pydantic import ValidationError

from nemo_relay import logs
from nemo_relay.errors import InvalidConfig
from nemo_relay_guard.budgets import Budget
from nemo_relay_guard.guard import Guard
from nemo_relay_guard.models import Config
from nemo_relay_guard.stores import Store, store_of

JsonObject = dict[str, Any]
KIND = "guard"


class Component:
    """Puts the rules and budgets of a configuration on the paths that calls take."""

    def validate(self, config: JsonObject) -> Any:
        """What there is to say about ``config``."""
        try:
            Config.model_validate(config)
        except ValidationError as error:
            return [_diagnostic(one) for one in error.errors(include_url=False, include_input=False)]
        return []

    async def register(self, config: JsonObject, context: Any) -> None:
        """Take part in calls.

        Args:
            config: the component's table.
            context: what to register with.

        Raises:
            InvalidConfig: the configuration is wrong, or a rule cannot look at a call (a ValueError).
            MissingExtra: redis is not installed (an ImportError).
        """
        try:
            parsed = Config.model_validate(config)
        except ValidationError as error:
            found = _diagnostic(error.errors(include_url=False, include_input=False)[0])
            raise InvalidConfig(f"{found['field']}: {found['message']}") from None
        stores = await asyncio.to_thread(_stores, parsed, context)
        guard = Guard(parsed, [Budget(one, stores[_key(one.backend)]) for one in parsed.budgets])
        _try_out(guard, parsed)
        _register(guard, parsed, context)

    def schema(self) -> JsonObject:
        """The JSON Schema of a configuration."""
        return Config.model_json_schema(by_alias=True)


def _register(guard: Guard, config: Config, context: Any) -> None:
    rules, priority = guard.rules, config.priority
    denies = config.default == "deny"
    counts_tools = any(one.limit.tool_calls is not None or one.tools or _is_general(one) for one in config.budgets)
    counts_llms = any(one.tools is None for one in config.budgets)
    if rules.on("tool") or denies or counts_tools:
        context.register_tool_conditional_execution_guardrail("tool", priority, guard.tool)
    if rules.on("llm") or denies or counts_llms:
        context.register_llm_conditional_execution_guardrail("llm", priority, guard.llm)
    if any(rule.edit is not None for rule in rules.on("tool")):
        context.register_tool_request_intercept("tool", priority, False, guard.rewrite_tool)
    if any(rule.edit is not None for rule in rules.on("llm")):
        context.register_llm_request_intercept("llm", priority, False, guard.rewrite_llm)
    if rules.on("tool_result") or counts_tools:
        context.register_tool_execution_intercept("tool", priority, guard.around_tool)
    if rules.on("llm_response") or counts_llms or any(rule.given.verdict == "rewrite" for rule in rules.on("llm")):
        context.register_llm_execution_intercept("llm", priority, guard.around_llm)
        context.register_llm_stream_execution_intercept("llm", priority, guard.around_stream)


def _is_general(budget: Any) -> bool:
    limit = budget.limit
    return limit.seconds is not None or limit.depth is not None or limit.repeats is not None


def _key(backend: Any) -> str:
    return json.dumps(backend.model_dump(), sort_keys=True)


def _stores(config: Config, context: Any) -> dict[str, Store]:
    made: dict[str, Store] = {}
    for budget in config.budgets:
        key = _key(budget.backend)
        if key not in made:
            # What has been spent stays spent when the configuration changes.
            made[key] = context.adopt(
                f"budgets:{key}", lambda one=budget.backend: store_of(one), lambda one: one.close()
            )
    return made


def _try_out(guard: Guard, config: Config) -> None:
    """Let every rule look at a call that nobody makes: one that fails would fail at the first real one."""
    if config.canary == "off":
        return
    canary: JsonObject = {
        "command": "canary",
        "path": "/canary",
        "url": "https://canary.invalid/",
        "nested": [{"n": 1}],
    }
    for rule in guard.rules.rules:
        try:
            values: list[Any] = [canary, "canary", [], None]
            for value in values:
                rule.holds(value, lambda: "canary")
                if rule.edit is not None:
                    rule.edit(value)
        except Exception as error:
            if config.canary == "error":
                raise InvalidConfig(f"the rule {rule.given.name!r} cannot look at a call: {error}") from error
            logs.report("guard_canary_failed", error, rule=rule.given.name)


def _diagnostic(error: Any) -> JsonObject:
    field = ".".join(str(part) for part in error["loc"])
    unknown = error["type"] == "extra_forbidden"
    code = f"{KIND}.{'unknown_field' if unknown else 'invalid_config'}"
    text = f"unknown field '{field}'" if unknown else str(error["msg"]).removeprefix("Value error, ")
    return {"level": "error", "code": code, "component": KIND, "field": field, "message": text}


component = Component()
