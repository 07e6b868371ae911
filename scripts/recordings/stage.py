# SPDX-License-Identifier: Apache-2.0
"""Playing a scene: which client, over which wire, in which mode, and where its files lie."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from langchain_anthropic import ChatAnthropic
from langchain_core.language_models import BaseChatModel
from langchain_openai import ChatOpenAI

from nemo_relay.testing import CapturedEvents, capture_events, deterministic
from nemo_relay_provider import ScriptedProvider
from workspace import ROOT

from . import dead, tape
from .scenes import SCENES, Agent, Scene
from .turns import script

FOLDER = ROOT / "cassettes"
PROVIDERS = ("openai", "anthropic")
MODES = {"unary": ("invoke", "ainvoke"), "sse": ("stream", "astream")}
_LARGE = (("openai", "sse"), ("anthropic", "unary"))


@dataclass(frozen=True)
class Act:
    """A scene with one provider's client over one kind of wire: what one cassette holds.

    The synchronous and the asynchronous client send the same bytes, so they share a cassette, and the golden files.
    """

    scene: Scene
    provider: str
    wire: str

    @property
    def name(self) -> str:
        """The name of its folder."""
        return f"{self.scene.name}-{self.provider}-{self.wire}"


@dataclass(frozen=True)
class Played:
    """What came of it: a result or an exception for the application, events, and attempts to reach the network."""

    result: Any
    error: BaseException | None
    captured: CapturedEvents
    attempts: list[str]
    unused: bool


def acts() -> dict[str, Act]:
    """All of them, by name. A large scene is recorded once over each wire and once with each provider, to save room."""
    pairs = [(provider, wire) for provider in PROVIDERS for wire in MODES]
    found = (Act(scene, *pair) for scene in SCENES.values() for pair in pairs if not scene.large or pair in _LARGE)
    return {act.name: act for act in found}


@cache
def client(provider: str, url: str) -> BaseChatModel:
    """The provider's real LangChain client, talking to ``url``. One for all acts: each reads all certificates."""
    options: dict[str, Any] = {"api_key": "not-a-key", "model": "scripted-1", "max_retries": 0, "max_tokens": 512}
    if provider == "openai":
        return ChatOpenAI(base_url=f"{url}/v1", stream_usage=True, **options)
    return ChatAnthropic(base_url=url, **options)


async def perform(agent: Any, given: Any, mode: str) -> Any:
    """One run of the agent; the final state."""
    match mode:
        case "invoke":
            return agent.invoke(given)
        case "ainvoke":
            return await agent.ainvoke(given)
        case "stream":
            return _last(list(agent.stream(given, stream_mode=["messages", "values"])))
        case _:
            return _last([chunk async for chunk in agent.astream(given, stream_mode=["messages", "values"])])


def _last(chunks: list[Any]) -> Any:
    return [state for mode, state in chunks if mode == "values"][-1]


def record(act: Act, cassette: Path) -> None:
    """Plays the act, without the adapter, against the scripted provider, and keeps what went over the wire."""
    mode = MODES[act.wire][0]
    with ScriptedProvider(script(act.scene.part), numbering="content") as provider, tape.use(cassette, "all"):
        asyncio.run(_outcome(perform(act.scene.bare(client(act.provider, provider.url)), act.scene.given, mode)))


@cache
def offline_agent(scene: str, provider: str, observed: bool) -> Agent:
    """The scene's agent on a client that talks to a dead port, with the adapter or without. Built once.

    Outside of event loops, if you can: frameworks read files when the first agent of theirs is built.
    """
    model = client(provider, dead.endpoint())
    return SCENES[scene].observed(model) if observed else SCENES[scene].bare(model)


async def replay(act: Act, mode: str, cassette: Path, *, observed: bool) -> Played:
    """Plays the act from its cassette, with the network dead."""
    agent = offline_agent(act.scene.name, act.provider, observed)
    with deterministic(), capture_events() as captured:
        with tape.use(cassette, "none") as playing, dead.network() as attempts:
            result, error = await _outcome(perform(agent, act.scene.given, mode))
    return Played(result, error, captured, attempts, not playing.all_played)


async def _outcome(running: Awaitable[Any]) -> tuple[Any, BaseException | None]:
    try:
        return await running, None
    except Exception as error:
        return None, error
