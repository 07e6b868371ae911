# SPDX-License-Identifier: Apache-2.0
"""From the arguments of ``create_deep_agent`` to an agent that is recorded and controlled on every path."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from inspect import signature
from typing import Any, Literal, ParamSpec, TypeVar, get_args

import deepagents
from nemo_relay.integrations.langchain import AdapterOptions
from nemo_relay.integrations.langchain.adapter import GUARDRAIL_PASSAGES, close_gate, open_gate

from . import _configuration, _general_purpose
from ._handler import NemoRelayDeepAgentsCallbackHandler
from ._middleware import NemoRelayDeepAgentsMiddleware

Position = Literal["inner", "outer"]
P = ParamSpec("P")
R = TypeVar("R")

# One for all: the framework itself then sees that an agent inside an agent brings nothing new.
_HANDLER = NemoRelayDeepAgentsCallbackHandler()
close_gate(_HANDLER)  # until there is an agent that has it


class _Added(dict[str, Any]):
    """The spec of the subagent that Deep Agents would have added by itself."""


def add_nemo_relay_integration(
    kwargs: Mapping[str, Any] | None = None,
    *,
    instrument_subagents: bool = True,
    position: Position = "inner",
    options: AdapterOptions | None = None,
    **overrides: Any,
) -> dict[str, Any]:
    """Arguments for ``deepagents.create_deep_agent`` that bring the adapter to the agent and its subagents.

    Args:
        kwargs: the arguments as they would be without the adapter. Nothing in them is changed.
        instrument_subagents: reach the subagents too: the declared and forked ones and the general-purpose one
            get the middleware, compiled ones the callback handler. Remote ones stay as they are.
        position: where the middleware stands among the application's: ``inner``, behind them and next to the model,
            sees what they made of a call; ``outer``, in front of them, sees the call as the agent makes it.
        options: what becomes of calls that a guardrail refuses; see ``AdapterOptions``.
        **overrides: arguments that win over those in ``kwargs``.

    Returns:
        A new dictionary. Arguments that carry the adapter already come back as they are. The application's subagents
        keep their order; the spec of the general-purpose one, which Deep Agents would list first, stands behind them.

    Raises:
        ValueError: ``position`` is neither ``inner`` nor ``outer``.

    >>> from nemo_relay.integrations.langchain.testing import ScriptedChatModel
    >>> arguments = add_nemo_relay_integration(model=ScriptedChatModel(script=["hello"]), name="helper")
    >>> [middleware.name for middleware in arguments["middleware"]]
    ['NemoRelayDeepAgentsMiddleware']
    >>> [subagent["name"] for subagent in arguments["subagents"]]
    ['general-purpose']
    """
    if position not in get_args(Position):
        raise ValueError(f"add_nemo_relay_integration: position is 'inner' or 'outer', not {position!r}")
    given = {**(kwargs or {}), **overrides}
    for key in ("middleware", "subagents", "tools"):  # read more than once below
        if isinstance(given.get(key), Iterator):
            given[key] = list(given[key])
    if _has_ours(given.get("middleware")):
        return given
    made = dict(given)
    if instrument_subagents:
        own = _general_purpose.spec(given)
        reached = [_reached(spec, given, options, position) for spec in given.get("subagents") or ()]
        if own is not None:
            reached.append(_Added(_reached(own, given, options, position)))
        if reached:
            made["subagents"] = reached
    ours = NemoRelayDeepAgentsMiddleware(options, **_configuration.described(given))
    made["middleware"] = _placed(ours, given.get("middleware"), position)
    return made


def _placed(ours: NemoRelayDeepAgentsMiddleware, others: Any, position: Position) -> list[Any]:
    return [ours, *(others or ())] if position == "outer" else [*(others or ()), ours]


def _typed_like(original: Callable[P, R]) -> Callable[[Callable[..., Any]], Callable[P, R]]:
    def same(function: Callable[..., Any]) -> Callable[P, R]:
        function.__signature__ = signature(original)  # type: ignore[attr-defined]
        return function

    return same


@_typed_like(deepagents.create_deep_agent)
def create_deep_agent(*args: Any, **kwargs: Any) -> Any:
    """``deepagents.create_deep_agent``, with the adapter on board: each run of the agent is recorded.

    Args:
        *args, **kwargs: those of ``deepagents.create_deep_agent``.

    Returns:
        The agent, of the same type.

    >>> from nemo_relay.integrations.deepagents import create_deep_agent
    >>> from nemo_relay.integrations.langchain.testing import ScriptedChatModel
    >>> agent = create_deep_agent(ScriptedChatModel(script=["hello"]), name="helper")
    >>> agent.invoke({"messages": [("user", "hi")]})["messages"][-1].text
    'hello'
    """
    given = signature(deepagents.create_deep_agent).bind(*args, **kwargs).arguments
    made = add_nemo_relay_integration(given)
    subagents = made.get("subagents")
    if subagents and isinstance(subagents[-1], _Added):  # as Deep Agents lists them to the model: its own first
        made["subagents"] = [subagents[-1], *subagents[:-1]]
    agent = deepagents.create_deep_agent(**made)
    open_gate(_HANDLER, *GUARDRAIL_PASSAGES)
    return agent.with_config(callbacks=[_HANDLER])


def _has_ours(middleware: Any) -> bool:
    return any(isinstance(item, NemoRelayDeepAgentsMiddleware) for item in middleware or ())


def _reached(
    spec: Mapping[str, Any], main: Mapping[str, Any], options: AdapterOptions | None, position: Position
) -> Any:
    """The spec of a subagent with the adapter in it."""
    if "graph_id" in spec or _has_ours(spec.get("middleware")):
        return spec
    if "runnable" in spec:
        handler = _HANDLER if options is None else NemoRelayDeepAgentsCallbackHandler(options)
        return {**spec, "runnable": spec["runnable"].with_config(callbacks=[handler])}
    facts = _configuration.described({"backend": main.get("backend"), **spec})
    ours = NemoRelayDeepAgentsMiddleware(options, **facts)
    return {**spec, "middleware": _placed(ours, spec.get("middleware"), position)}
