# SPDX-License-Identifier: Apache-2.0
"""The usual shape of Responses input and tools."""

from __future__ import annotations

from typing import Any, Literal

from msgspec import UNSET, UnsetType

from nemo_relay_codecs.shape import Shape


class Text(Shape, tag_field="type", tag="input_text"):
    """A text part of the user."""

    text: str


class Output(Text, tag="output_text"):
    """A text part of the model."""


class Image(Shape, tag_field="type", tag="input_image"):
    """An image part."""


class File(Shape, tag_field="type", tag="input_file"):
    """A file part."""


class Refusal(Shape, tag_field="type", tag="refusal"):
    """A refusal part."""

    refusal: str


class Reasoning(Shape, tag_field="type", tag="reasoning_text"):
    """A thought."""


class Item(Shape):
    """A message, a tool call, its result, or whatever else the provider has."""

    role: str | UnsetType = UNSET
    content: str | list[Text | Output | Image | File | Refusal | Reasoning] | UnsetType = UNSET
    type: str | UnsetType = UNSET
    call_id: str | UnsetType = UNSET
    name: str | UnsetType = UNSET
    arguments: str | UnsetType = UNSET
    output: Any = UNSET
    id: str | None = None

    def __post_init__(self) -> None:
        if self.role is not UNSET:
            whole = self.content is not UNSET
        elif self.type == "function_call":
            whole = self.call_id is not UNSET and self.name is not UNSET and self.arguments is not UNSET
        else:
            whole = self.type != "function_call_output" or (self.call_id is not UNSET and self.output is not UNSET)
        if not whole:
            raise ValueError("a member is missing")


class Tool(Shape):
    """A function, not nested as in Chat."""

    type: Literal["function"]
    name: str
    description: str | None = None
    strict: bool | None = None
    function: None = None


class Choice(Shape):
    """A tool choice that is an object."""

    disable_parallel_tool_use: bool | None = None
