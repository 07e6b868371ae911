# SPDX-License-Identifier: Apache-2.0
"""JSON Schema as fields of a form."""

from __future__ import annotations

import inspect
import json
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import Any

from nemo_relay_cli.errors import ConfigurationError


class Kind(Enum):
    """How a value is edited."""

    SWITCH = auto()
    CHOICE = auto()
    FIXED = auto()
    TEXT = auto()
    INTEGER = auto()
    NUMBER = auto()
    SECTION = auto()
    LIST = auto()
    RAW = auto()  # what has no form of its own is written as JSON or TOML


_PLAIN = {"boolean": Kind.SWITCH, "string": Kind.TEXT, "integer": Kind.INTEGER, "number": Kind.NUMBER}


@dataclass(frozen=True)
class Field:
    """One value of a form.

    Args:
        name: its key.
        kind: how it is edited.
        help: what it is for, in one paragraph.
        default: what holds where nothing is said; None for nothing.
        choices: of a choice; the one value of a fixed one.
        is_required: it must be said.
        is_secret: it is not shown.
        variants: the forms of a section, or of what a list holds, each with the words that tell it from the others.
    """

    name: str
    kind: Kind
    help: str = ""
    default: Any = None
    choices: tuple[Any, ...] = ()
    is_required: bool = False
    is_secret: bool = False
    variants: tuple[Form, ...] = ()


@dataclass(frozen=True)
class Form:
    """The fields of one table."""

    title: str
    help: str = ""
    fields: tuple[Field, ...] = ()
    marks: Mapping[str, Any] = field(default_factory=dict)  # the fixed values that tell this variant from others

    def fits(self, value: Any) -> bool:
        """Whether a table has this form, as far as its fixed values say."""
        return isinstance(value, Mapping) and all(value.get(name, mark) == mark for name, mark in self.marks.items())


class Schemas:
    """The forms in the schema of a whole plugin document.

    Args:
        document: what ``nemo_relay.plugin.schema()`` gives.
    """

    def __init__(self, document: Mapping[str, Any]) -> None:
        self._definitions = document.get("$defs", {})
        self._policy = document.get("properties", {}).get("policy", {})
        self._configs: dict[str, Any] = {}
        for rule in document["properties"]["components"]["items"].get("allOf", ()):
            kind = rule["if"]["properties"]["kind"]["const"]
            self._configs[kind] = rule["then"]["properties"]["config"]

    def component(self, kind: str) -> Form | None:
        """The form of a component's ``config``; None for one that does not describe itself."""
        schema = self._configs.get(kind)
        return None if schema is None else self._form(kind, self._resolved(schema))

    def _form(self, name: str, schema: Mapping[str, Any]) -> Form:
        required = schema.get("required", ())
        made = [self._field(key, value, key in required) for key, value in schema.get("properties", {}).items()]
        fields = tuple(sorted(made, key=lambda one: one.kind in (Kind.SECTION, Kind.LIST)))  # single values first
        marks = {one.name: one.choices[0] for one in fields if one.kind is Kind.FIXED}
        options = next((one.choices for one in fields if one.is_required and one.kind is Kind.CHOICE), ())
        title = ", ".join(map(str, marks.values() or options)) or str(schema.get("title") or name)
        return Form(title, _text(schema), fields, marks)

    def _field(self, name: str, schema: Mapping[str, Any], required: bool) -> Field:
        found = self._resolved(schema)
        kind, variants = self._kind(name, found)
        choices = tuple(found["enum"]) if "enum" in found else (found["const"],) if "const" in found else ()
        secret = bool(found.get("writeOnly")) or found.get("format") == "password"
        default = schema.get("default", found.get("default"))
        return Field(name, kind, _text(schema) or _text(found), default, choices, required, secret, variants)

    def _kind(self, name: str, schema: Mapping[str, Any]) -> tuple[Kind, tuple[Form, ...]]:
        if "const" in schema:
            return Kind.FIXED, ()
        if "enum" in schema:
            return Kind.CHOICE, ()
        options = [self._resolved(one) for one in schema.get("anyOf", schema.get("oneOf", ()))]
        if options:
            tables = all(_is_table(one) for one in options)
            return (Kind.SECTION, tuple(self._form(name, one) for one in options)) if tables else (Kind.RAW, ())
        if _is_table(schema):
            return Kind.SECTION, (self._form(name, schema),)
        if schema.get("type") == "array":
            forms = self._items(name, schema.get("items"))
            return (Kind.LIST, forms) if forms else (Kind.RAW, ())
        found = schema.get("type")
        return _PLAIN.get(found, Kind.RAW) if isinstance(found, str) else Kind.RAW, ()

    def _items(self, name: str, schema: Any) -> tuple[Form, ...]:
        if not isinstance(schema, Mapping):
            return ()
        found = self._resolved(schema)
        options = [self._resolved(one) for one in found.get("anyOf", found.get("oneOf", ()))] or [found]
        return tuple(self._form(name, one) for one in options) if all(map(_is_table, options)) else ()

    def _resolved(self, found: Any) -> Mapping[str, Any]:
        """A schema without references, and without the alternative of being null."""
        schema: Mapping[str, Any] = found if isinstance(found, Mapping) else {}
        reference = schema.get("$ref")
        if isinstance(reference, str):
            beside = {key: value for key, value in schema.items() if key != "$ref"}
            return self._resolved({**self._definitions.get(reference.removeprefix("#/$defs/"), {}), **beside})
        for words in ("anyOf", "oneOf", "allOf"):
            options = [one for one in schema.get(words, ()) if one != {"type": "null"}]
            if len(options) == 1:
                beside = {key: value for key, value in schema.items() if key != words}
                return self._resolved({**options[0], **beside})
            if words in schema:
                schema = {**schema, words: options}
        types = schema.get("type")
        if isinstance(types, list):
            rest = [one for one in types if one != "null"]
            return {**schema, "type": rest[0] if len(rest) == 1 else rest}
        return schema


def _is_table(schema: Mapping[str, Any]) -> bool:
    return schema.get("type") == "object" and bool(schema.get("properties"))


def _text(schema: Mapping[str, Any]) -> str:
    return " ".join(inspect.cleandoc(str(schema.get("description") or "")).replace("``", "").split())


def parse(described: Field, text: str) -> Any:
    """What somebody typed as a value.

    Args:
        described: the field that it is for.
        text: what was typed.

    Raises:
        ConfigurationError: it is no such value; the text says which one would be.
    """
    if described.kind is Kind.TEXT:
        return text
    if described.kind in (Kind.INTEGER, Kind.NUMBER):
        convert, what = (int, "a whole number") if described.kind is Kind.INTEGER else (float, "a number")
        try:
            return convert(text)
        except ValueError:
            raise ConfigurationError(f"{text!r} is not {what}") from None
    return _raw(text)


def _raw(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError as error:
        try:
            return tomllib.loads(f"value = {text}")["value"]
        except tomllib.TOMLDecodeError:
            message = f'{error}; write JSON or TOML, such as ["a", "b"], {{"key": "value"}}, true or "text"'
            raise ConfigurationError(message) from None


def shown(described: Field, value: Any) -> str:
    """A value as it is shown, and as it is typed."""
    if described.kind is Kind.TEXT and isinstance(value, str):
        return value
    return json.dumps(value, ensure_ascii=False, default=str)
