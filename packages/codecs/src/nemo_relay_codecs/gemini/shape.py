# SPDX-License-Identifier: Apache-2.0
"""The usual shape of Gemini requests."""

from __future__ import annotations

from typing import Any, Literal

from msgspec import UNSET, UnsetType

from nemo_relay_codecs.shape import Count, NonEmpty, Shape


class Text(Shape, forbid_unknown_fields=True):
    """A text part."""

    text: str


class Call(Shape):
    """A function call."""

    name: NonEmpty
    args: Shape | UnsetType = UNSET
    id: NonEmpty | UnsetType = UNSET


class Result(Shape):
    """A function response."""

    name: NonEmpty
    response: Shape
    id: NonEmpty | UnsetType = UNSET
    parts: list[Text] | UnsetType = UNSET


class Part(Shape, rename="camel", forbid_unknown_fields=True):
    """A part. Media is left out, since the kinds of a part exclude each other."""

    text: str | UnsetType = UNSET
    function_call: Call | UnsetType = UNSET
    function_response: Result | UnsetType = UNSET
    thought: Any = None
    thought_signature: Any = None


class Content(Shape):
    """A turn."""

    parts: list[Part]
    role: Literal["user", "model"] = "user"

    def __post_init__(self) -> None:
        if len(self.parts) != 1:
            self._check()
            return
        part = self.parts[0]
        if part.function_call is not UNSET:
            usual = self.role == "model" and part.text is UNSET and part.function_response is UNSET
        else:
            usual = part.function_response is UNSET or (self.role == "user" and part.text is UNSET)
        if not usual:
            raise ValueError("a part that needs a closer look")

    def _check(self) -> None:
        """Calls are the model's and results the user's; nothing stands beside results, and ids are unique."""
        calls = [p.function_call for p in self.parts if p.function_call]
        results = [p.function_response for p in self.parts if p.function_response]
        if not calls and not results:
            return
        texts = [p for p in self.parts if p.text is not UNSET]
        alone = len(results) == len(self.parts) if results else len(calls) + len(texts) <= len(self.parts)
        ids = {*[call.id or call.name for call in calls], *[result.id or result.name for result in results]}
        if (texts and results) or not alone or len(ids) < len(calls) + len(results):
            raise ValueError("parts that need a closer look")
        if self.role != ("user" if results else "model"):
            raise ValueError("not this role's")


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


class Request(Shape, rename="camel"):
    """A request."""

    contents: list[Content]
    system_instruction: Instruction | UnsetType = UNSET
    generation_config: Config | UnsetType = UNSET
    tools: list[Tools] | UnsetType = UNSET
    model: str = ""
