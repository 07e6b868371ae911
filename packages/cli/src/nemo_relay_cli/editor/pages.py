# SPDX-License-Identifier: Apache-2.0
"""What stands on a page of the editor, and what choosing a row does. Nothing here draws."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol

from nemo_relay import plugin
from nemo_relay_cli.documents import Document
from nemo_relay_cli.editor.schema import Field, Form, Kind, Schemas, shown

_NAMES = {"atof": "ATOF", "atif": "ATIF", "opentelemetry": "OpenTelemetry", "openinference": "OpenInference"}


class Asks(Protocol):
    """What a row needs of the screen that it stands on."""

    def ask(self, described: Field, text: str, done: Callable[[Any], None]) -> None:
        """Have a value typed."""

    def choose(self, title: str, choices: list[str], current: int, done: Callable[[int], None]) -> None:
        """Have one of several chosen."""

    def open(self, page: Page) -> None:
        """Go to another page."""

    def preview(self) -> None:
        """Show the file as it would be."""

    def save(self) -> None:
        """Write the file and leave."""

    def leave(self) -> None:
        """Go back, or leave."""


@dataclass(frozen=True)
class Row:
    """One line of a page.

    Args:
        label: what it is.
        act: what choosing it does.
        value: how it stands.
        help: what it is for.
        path: what resetting it takes out of the file; None for a line that stands for no value.
        is_set: the file says something about it.
        depth: how far it is indented.
    """

    label: str
    act: Callable[[Asks], None]
    value: str = ""
    help: str = ""
    path: tuple[str, ...] | None = None
    is_set: bool = False
    depth: int = 0


class Page(Protocol):
    """One screenful."""

    title: str
    help: str

    def rows(self) -> Iterator[Row]:
        """Its lines, made anew after each change."""


class Values:
    """The document as the pages read and change it."""

    def __init__(self, document: Document) -> None:
        self._document = document

    def get(self, path: tuple[str, ...]) -> Any:
        """A value, of a kind alone its whole configuration; None where the file says nothing."""
        try:
            found = self._document.get(path)
        except KeyError:
            return None
        return found.get("config") if len(path) == 1 else found

    def set(self, path: tuple[str, ...], value: Any) -> None:
        """Change the document."""
        self._document.set(path, value)

    def kinds(self) -> list[str]:
        """Every component that could be configured, those of the file included; what is recorded goes first."""
        return [*dict.fromkeys(("observability", *plugin.list_kinds(), *self._document.kinds()))]

    def has(self, kind: str) -> bool:
        """Whether the file names a component."""
        return kind in self._document.kinds()


class Menu:
    """The first page: every component, its sections, and the file itself."""

    help = "A component that is on takes part in every run that finds this file."

    def __init__(self, document: Document) -> None:
        self.title = f"Editing {_place(document.path)}"
        self._name = document.path.name
        self._values = Values(document)
        self._schemas = Schemas(plugin.schema())

    def rows(self) -> Iterator[Row]:
        """See `Page`."""
        for kind in self._values.kinds():
            yield from self._component(kind)
        yield Row("Preview TOML", lambda asks: asks.preview(), "[p]", "The file as it would be written.")
        yield Row(f"Save to {self._name}", lambda asks: asks.save(), "[s]", "Write the file and leave.")
        yield Row("Cancel", lambda asks: asks.leave(), "[q]", "Leave the file as it is.")

    def _component(self, kind: str) -> Iterator[Row]:
        is_on = self._values.has(kind) and self._values.get((kind, "enabled")) is not False
        form = self._schemas.component(kind)
        about = form.help if form else "This component does not say what can be configured."
        switch = _Switch(self._values, (kind, "enabled"), not is_on)
        value = "[on]" if is_on else "[off]"
        yield Row(_title(kind), switch, value, about, (kind,), self._values.has(kind))
        if form is None:
            config = Field("configuration", Kind.RAW, "Everything that the component is given, as JSON or TOML.")
            yield replace(_row(self._values, config, (kind,), depth=1), path=None)
            return
        sections = [one for one in form.fields if one.kind in (Kind.SECTION, Kind.LIST)]
        others = Form(kind, form.help, tuple(one for one in form.fields if one not in sections))
        for one in sections:
            yield _row(self._values, one, (kind, one.name), depth=1)
        if others.fields:
            page = Section(self._values, (kind,), others, "Other settings")
            is_set = any(self._values.get((kind, one.name)) is not None for one in others.fields)
            summary = ", ".join(one.name for one in others.fields)
            yield Row("Other settings", lambda asks: asks.open(page), "", summary, None, is_set, 1)


class Section:
    """A page for one table."""

    def __init__(self, values: Values, path: tuple[str, ...], form: Form, title: str | None = None) -> None:
        self.title = " > ".join([*map(_title, path), *([title] if title else [])])
        self.help = form.help
        self._values, self._path, self._form = values, path, form

    def rows(self) -> Iterator[Row]:
        """See `Page`."""
        for described in self._form.fields:
            yield _row(self._values, described, (*self._path, described.name))
        known = {described.name for described in self._form.fields}
        found = self._values.get(self._path) if len(self._path) > 1 else None  # the menu shows the rest of a component
        for name in found if isinstance(found, Mapping) else ():
            if name not in known:
                unknown = Field(name, Kind.RAW, "The component's schema does not know this key; it is kept.")
                yield _row(self._values, unknown, (*self._path, name))
        yield Row("Back", lambda asks: asks.leave(), "[q]")


class Items:
    """A page for a list of tables."""

    def __init__(self, values: Values, path: tuple[str, ...], described: Field) -> None:
        self.title = " > ".join(map(_title, path))
        self.help = described.help
        self._values, self._path, self._described = values, path, described

    def rows(self) -> Iterator[Row]:
        """See `Page`."""
        found = self._values.get(self._path) or []
        for number, item in enumerate(found):
            path = (*self._path, str(number))
            one = Field(str(number), Kind.SECTION, variants=self._described.variants)
            yield _row(self._values, one, path, label=f"{number + 1}. {_summary(item)}")
        yield Row("Add", self._add, "", f"A new entry of {self._described.name}.")
        yield Row("Back", lambda asks: asks.leave(), "[q]")

    def _add(self, asks: Asks) -> None:
        forms = self._described.variants
        if len(forms) == 1:
            self._made(asks, forms[0])
            return
        asks.choose("Which kind?", [form.title for form in forms], 0, lambda index: self._made(asks, forms[index]))

    def _made(self, asks: Asks, form: Form) -> None:
        number = str(len(self._values.get(self._path) or []))
        path = (*self._path, number)
        # What must be said is there from the start, so that the file shows what is missing.
        needed = [one for one in form.fields if one.is_required and one.name not in form.marks]
        first = {**form.marks, **{one.name: one.choices[0] if one.choices else "" for one in needed}}
        if not first:
            first = {form.fields[0].name: form.fields[0].default or ""}
        for name, value in first.items():
            self._values.set((*path, name), value)
        asks.open(Section(self._values, path, form))


@dataclass(frozen=True)
class _Switch:
    values: Values
    path: tuple[str, ...]
    then: bool

    def __call__(self, asks: Asks) -> None:
        self.values.set(self.path, self.then)


def _row(values: Values, described: Field, path: tuple[str, ...], *, depth: int = 0, label: str | None = None) -> Row:
    value = values.get(path)
    is_section = described.kind in (Kind.SECTION, Kind.LIST)
    text = _section_value(described, value) if is_section else _value(described, value)
    name = label or (_title(described.name) if is_section else described.name)
    act = _action(values, described, path, value)
    return Row(name, act, text, described.help, path, value is not None, depth)


def _action(values: Values, described: Field, path: tuple[str, ...], value: Any) -> Callable[[Asks], None]:
    kind = described.kind
    if kind is Kind.SECTION:
        form = next((form for form in described.variants if form.fits(value)), described.variants[0])
        return lambda asks: asks.open(Section(values, path, form))
    if kind is Kind.LIST:
        return lambda asks: asks.open(Items(values, path, described))
    if kind is Kind.SWITCH:
        now = described.default if value is None else value
        return _Switch(values, path, not now)
    if kind is Kind.CHOICE:
        return _Choice(values, path, described, value)
    if kind is Kind.FIXED:
        return lambda asks: None
    text = "" if value is None else shown(described, value)
    return lambda asks: asks.ask(described, text, lambda typed: values.set(path, typed))


@dataclass(frozen=True)
class _Choice:
    values: Values
    path: tuple[str, ...]
    described: Field
    value: Any

    def __call__(self, asks: Asks) -> None:
        choices = self.described.choices
        now = self.described.default if self.value is None else self.value
        current = choices.index(now) if now in choices else 0
        texts = [str(choice) for choice in choices]
        asks.choose(self.described.name, texts, current, lambda index: self.values.set(self.path, choices[index]))


def _value(described: Field, value: Any) -> str:
    if described.kind is Kind.SWITCH:
        is_on = described.default if value is None else value
        return f"[{'on' if is_on else 'off'}]"
    if value is None:
        default = described.default
        missing = "must be said" if described.is_required else "not set"
        return f"{shown(described, default)} (default)" if default not in (None, "", [], {}) else missing
    return "••••••••" if described.is_secret else shown(described, value)


def _section_value(described: Field, value: Any) -> str:
    if described.kind is Kind.LIST:
        return f"{len(value)}" if value else "none"
    if not isinstance(value, Mapping):
        return "not set"
    switch = next((one for form in described.variants for one in form.fields if one.name == "enabled"), None)
    if switch is not None and not value.get("enabled", switch.default):
        return "[off]" if "enabled" in value else ", ".join(value)
    return f"[on] {', '.join(name for name in value if name != 'enabled')}".rstrip() if switch else ", ".join(value)


def _summary(item: Any) -> str:
    values = item.values() if isinstance(item, Mapping) else [item]
    return ", ".join(value for value in values if isinstance(value, str) and value)[:60] or "empty"


def _place(path: Path) -> Path:
    """A path as short as it can be said."""
    for base, short in ((Path.cwd(), Path()), (Path.home(), Path("~"))):
        if path.is_relative_to(base):
            return short / path.relative_to(base)
    return path


def _title(name: str) -> str:
    if name.isdecimal():
        return str(int(name) + 1)
    return _NAMES.get(name) or name.replace("_", " ").capitalize()
