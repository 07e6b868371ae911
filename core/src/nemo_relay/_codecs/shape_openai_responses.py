# SPDX-License-Identifier: Apache-2.0
"""The usual shape of Responses input and tools."""

from __future__ import annotations

from typing import Literal

from nemo_relay._codecs.shapes import Shape


class Text(Shape, tag_field="type", tag="input_text"):
    """A text part of the user."""

    text: str


class Output(Text, tag="output_text"):
    """A text part of the model."""


class Image(Shape, tag_field="type", tag="input_image"):
    """An image part."""


class File(Shape, tag_field="type", tag="input_file"):
    """A file part."""


class Message(Shape):
    """A message; other items are not told apart by one member, so they are looked at one by one."""

    role: str
    content: str | list[Text | Output | Image | File]


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
