# SPDX-License-Identifier: Apache-2.0
"""Which provider a request is for, and what it is taken for."""

from __future__ import annotations

import re
from typing import NamedTuple

from nemo_relay_gateway._http.message import Request
from nemo_relay_gateway._http.upstream import Origin
from nemo_relay_gateway.config import ANTHROPIC, CHATGPT, GEMINI, OPENAI


class Surface(NamedTuple):
    """An API that is observed: the name of its calls, its codec, and what kind of work a call is."""

    name: str
    codec: str
    is_llm: bool = True


class Route(NamedTuple):
    """Where a request goes. ``path`` is the target as the provider's base URL continues it."""

    provider: str
    path: bytes
    surface: Surface | None


RESPONSES = Surface("openai.responses", "openai_responses")
CHAT = Surface("openai.chat_completions", "openai_chat")
EMBEDDINGS = Surface("openai.embeddings", "", is_llm=False)
MESSAGES = Surface("anthropic.messages", "anthropic_messages")
GENERATE = Surface("gemini.generate_content", "gemini_generate_content")

_PREFIXES = {b"/openai/": OPENAI, b"/anthropic/": ANTHROPIC, b"/gemini/": GEMINI}
_OPENAI = {b"/responses": RESPONSES, b"/chat/completions": CHAT, b"/embeddings": EMBEDDINGS}
_GENERATE = re.compile(
    rb"/v1(alpha|beta)?\d*/(models|tunedModels|publishers/.+/models)/[^/]+:(generate|streamGenerate)Content"
)
_BARE = (
    (re.compile(rb"(/v1)?/(responses|chat/completions|embeddings)(/.*)?"), OPENAI),
    (re.compile(rb"/v1/messages(/.*)?"), ANTHROPIC),
    (re.compile(rb"/v1(alpha|beta)\d*/.+"), GEMINI),
    (_GENERATE, GEMINI),
    (re.compile(rb"(/v1)?/models(/[^:]*)?"), OPENAI),
)


def find(request: Request) -> Route | None:
    """The route of a request; None for a path that no provider has."""
    path, mark, query = request.target.partition(b"?")
    for prefix, provider in _PREFIXES.items():
        if path.startswith(prefix):
            rest = path[len(prefix) - 1 :]
            return Route(provider, rest + mark + query, _surface(provider, request.method, rest))
    for pattern, provider in _BARE:
        if pattern.fullmatch(path):
            if provider == OPENAI and request.header(b"anthropic-version") is not None:
                provider = ANTHROPIC  # both have a list of models at the same path
            return Route(provider, request.target, _surface(provider, request.method, path))
    return None


def _surface(provider: str, method: bytes, path: bytes) -> Surface | None:
    if method != b"POST":
        return None
    if provider == OPENAI:
        return _OPENAI.get(path.removeprefix(b"/v1"))
    if provider == ANTHROPIC:
        return MESSAGES if path.removeprefix(b"/v1") == b"/messages" else None
    return GENERATE if _GENERATE.fullmatch(path) else None


def upgraded_surface(request: Request) -> Surface | None:
    """What a request that changes to WebSocket is taken for; None where its messages are not observed."""
    path = request.target.partition(b"?")[0].removeprefix(b"/openai").removeprefix(b"/v1")
    return RESPONSES if path == b"/responses" else None


def target(route: Route, origin: Origin) -> bytes:
    """The request target at the provider: its base URL's path, then the route's, with ``/v1`` once."""
    path, prefix = route.path, origin.prefix
    if route.provider == CHATGPT:
        path = path.removeprefix(b"/v1")
    elif route.provider != GEMINI:
        versioned = path.startswith(b"/v1/") or path == b"/v1"
        if prefix.endswith(b"/v1"):
            path = path.removeprefix(b"/v1") if versioned else path
        elif not versioned and route.provider == OPENAI:
            path = b"/v1" + path
    return prefix + path
