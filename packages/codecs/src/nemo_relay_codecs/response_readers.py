# SPDX-License-Identifier: Apache-2.0
"""Typed readers of response members. Null and absent are the same; a wrong type fails the whole document."""

from __future__ import annotations

from typing import Any

from nemo_relay_codecs.errors import MalformedBody
from nemo_relay_codecs.values import is_u64

JsonObject = dict[str, Any]


class Document:
    """Readers that know the name of the surface for their error texts."""

    __slots__ = ("label",)

    def __init__(self, label: str) -> None:
        self.label = label

    def wrong(self, key: str, expected: str, value: Any) -> MalformedBody:
        """The error for a member of the wrong type."""
        return MalformedBody(f"{self.label} response decode: {key}: expected {expected}, not {type(value).__name__}")

    def root(self, response: Any) -> JsonObject:
        """The document itself, an object."""
        if isinstance(response, dict):
            return response
        raise self.wrong("document", "an object", response)

    def text(self, value: JsonObject, key: str) -> str | None:
        """A string."""
        found = value.get(key)
        if found is None or isinstance(found, str):
            return found
        raise self.wrong(key, "a string", found)

    def flag(self, value: JsonObject, key: str) -> bool | None:
        """A bool."""
        found = value.get(key)
        if found is None or isinstance(found, bool):
            return found
        raise self.wrong(key, "a bool", found)

    def count(self, value: JsonObject, key: str) -> int | None:
        """An integer from 0 to 2**64 - 1."""
        found = value.get(key)
        if found is None or is_u64(found):
            return found
        raise self.wrong(key, "a non-negative integer", found)

    def number(self, value: JsonObject, key: str) -> float | None:
        """A number, as a float."""
        found = value.get(key)
        if found is None:
            return None
        if type(found) in (int, float):
            return float(found)
        raise self.wrong(key, "a number", found)

    def mapping(self, value: JsonObject, key: str) -> JsonObject | None:
        """An object."""
        found = value.get(key)
        if found is None or isinstance(found, dict):
            return found
        raise self.wrong(key, "an object", found)

    def array(self, value: JsonObject, key: str) -> list[Any] | None:
        """An array."""
        found = value.get(key)
        if found is None or isinstance(found, list):
            return found
        raise self.wrong(key, "an array", found)

    def objects(self, value: JsonObject, key: str) -> list[JsonObject]:
        """An array of objects, empty if absent."""
        found = self.array(value, key) or []
        for item in found:
            if not isinstance(item, dict):
                raise self.wrong(f"{key}[]", "an object", item)
        return found


def present(**fields: Any) -> JsonObject:
    """The fields that are not None."""
    return {k: v for k, v in fields.items() if v is not None}


def uncached(prompt: int | None, cached: int | None) -> int | None:
    """Input tokens billed at the full rate, where the provider counts cached ones among the prompt's."""
    if prompt is None or cached is None or prompt < cached:
        return None
    return prompt - cached
