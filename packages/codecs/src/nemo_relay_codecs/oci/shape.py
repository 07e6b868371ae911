# SPDX-License-Identifier: Apache-2.0
"""The usual shape of OCI chat requests in their GENERIC format."""

from __future__ import annotations

from typing import Any, Literal

from msgspec import UNSET, UnsetType

from nemo_relay_codecs.shape import Count, Shape


class Called(Shape):
    """The function of a call."""

    arguments: str = ""


class Call(Called):
    """A tool call, its function nested or not."""

    function: Called | None = None


class Message(Shape, rename="camel"):
    """A message."""

    content: str | list[Shape] | None = None
    tool_calls: list[Call] | None = None


class Chat(Shape, rename="camel"):
    """A chat request without its envelope."""

    messages: list[Message] | None = None
    api_format: Literal["GENERIC"] = "GENERIC"
    temperature: float | None = None
    top_p: float | None = None
    max_tokens: Count | None = None
    stop: list[str] | None = None
    tools: list[Any] | None = None


class Request(Chat, rename="camel"):
    """A chat request, in its envelope or not."""

    chat_request: Chat | UnsetType = UNSET
