# SPDX-License-Identifier: Apache-2.0
"""The usual shape of Anthropic messages and tools."""

from __future__ import annotations

from typing import Any

from msgspec import UNSET, UnsetType

from nemo_relay_codecs.shape import Shape


class Text(Shape, tag_field="type", tag="text"):
    """A text block."""

    text: str


class Image(Shape, tag_field="type", tag="image"):
    """An image block."""


class Document(Shape, tag_field="type", tag="document"):
    """A document block."""


class Thinking(Shape, tag_field="type", tag="thinking"):
    """What the model thought."""


class Redacted(Thinking, tag="redacted_thinking"):
    """What it thought and does not show."""


class ServerUse(Thinking, tag="server_tool_use"):
    """A call of a tool that the provider runs."""


class SearchResult(Thinking, tag="web_search_tool_result"):
    """What the provider's search gave."""


class Use(Shape, tag_field="type", tag="tool_use"):
    """A tool call."""

    id: str
    name: str
    input: Any


class Result(Shape, tag_field="type", tag="tool_result"):
    """What a tool gave."""

    tool_use_id: str
    content: Any
    is_error: bool | None = None


Content = str | list[Text | Image | Document | Thinking | Redacted | ServerUse | SearchResult | Use | Result]


class Message(Shape):
    """A message."""

    role: str
    content: Content


class Tool(Shape):
    """A tool: the application's own, or one of the server's."""

    name: str | UnsetType = UNSET
    description: str | None = None
    strict: bool | None = None


class Choice(Shape):
    """A tool choice."""

    disable_parallel_tool_use: bool | None = None
