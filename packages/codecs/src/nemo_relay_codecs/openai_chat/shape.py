# SPDX-License-Identifier: Apache-2.0
"""The usual shape of Chat messages and tools."""

from __future__ import annotations

from typing import Any, Literal

from nemo_relay_codecs.shape import Shape


class Text(Shape, tag_field="type", tag="text"):
    """A text part."""

    text: str


class Refusal(Shape, tag_field="type", tag="refusal"):
    """A refusal part."""

    refusal: str


class ImageURL(Shape):
    """Where an image is."""

    url: str
    detail: str | None = None


class Image(Shape, tag_field="type", tag="image_url"):
    """An image part."""

    image_url: ImageURL


class Audio(Shape, tag_field="type", tag="input_audio"):
    """An audio part."""

    input_audio: Any


class File(Shape, tag_field="type", tag="file"):
    """A file part."""

    file: Any


Content = str | list[Text | Refusal | Image | Audio | File]


class Called(Shape):
    """The function of a tool call."""

    name: str
    arguments: str


class Call(Shape):
    """A tool call."""

    id: str
    type: Literal["function"]
    function: Called


class User(Shape, tag_field="role", tag="user"):
    """What a user says."""

    content: Content
    name: str | None = None


class System(User, tag="system"):
    """What the application says."""


class Developer(User, tag="developer"):
    """The same, under its newer name."""


class Assistant(Shape, tag_field="role", tag="assistant"):
    """What the model said."""

    content: Content | None = None
    tool_calls: list[Call] | None = None
    name: str | None = None


class Result(Shape, tag_field="role", tag="tool"):
    """What a tool gave."""

    content: Content
    tool_call_id: str


class Function(Shape):
    """A function definition."""

    name: str
    description: str | None = None
    strict: bool | None = None


class Tool(Shape):
    """A tool."""

    type: Literal["function"]
    function: Function


Messages = list[User | System | Developer | Assistant | Result]
