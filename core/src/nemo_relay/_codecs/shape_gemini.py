# SPDX-License-Identifier: Apache-2.0
"""The usual shape of Gemini requests."""

from __future__ import annotations

from typing import Any, Literal

from msgspec import UNSET, UnsetType

from nemo_relay._codecs.shapes import Count, NonEmpty, Shape


class Text(Shape, forbid_unknown_fields=True):
    """A text part. The other kinds exclude each other, which only their reading can tell."""

    text: str
    thought: Any = None
    thoughtSignature: Any = None


class Content(Shape):
    """A turn of text."""

    parts: list[Text]
    role: Literal["user", "model"] = "user"


class Instruction(Shape):
    """System text."""

    parts: list[Text]
    role: str = ""


class Config(Shape, rename="camel"):
    """Sampling parameters."""

    temperature: float = 0
    top_p: float = 0
    max_output_tokens: Count = 0
    stop_sequences: list[str] | UnsetType = UNSET


class Function(Shape):
    """A function definition."""

    name: NonEmpty
    description: str = ""


class Tools(Shape, rename="camel"):
    """A group of tools."""

    function_declarations: list[Function] | UnsetType = UNSET


class Frame(Shape, rename="camel"):
    """A request, whatever its contents."""

    system_instruction: Instruction | UnsetType = UNSET
    generation_config: Config | UnsetType = UNSET
    tools: list[Tools] | UnsetType = UNSET
    model: str = ""


class Request(Frame, kw_only=True):
    """A request whose contents are text."""

    contents: list[Content]
