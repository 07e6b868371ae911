# SPDX-License-Identifier: Apache-2.0
"""Codecs for typed calls: a value to JSON, and JSON to a value. Any object with these two methods will do."""

from __future__ import annotations

from dataclasses import fields, is_dataclass
from typing import Any, Generic, TypeVar

T = TypeVar("T")


class Codec(Generic[T]):
    """Takes a value to JSON and back. Derive from it and write both methods."""

    def to_json(self, value: T) -> Any:
        """``value`` as JSON."""
        raise NotImplementedError(f"{type(self).__name__} must define to_json(value)")

    def from_json(self, data: Any) -> T:
        """The value that ``data`` stands for."""
        raise NotImplementedError(f"{type(self).__name__} must define from_json(data)")


class JsonPassthrough(Codec[Any]):
    """For values that are JSON already: both ways by identity."""

    def to_json(self, value: Any) -> Any:
        """``value`` itself."""
        return value

    def from_json(self, data: Any) -> Any:
        """``data`` itself."""
        return data


class PydanticCodec(Codec[T]):
    """For a pydantic model class.

    Args:
        model_cls: the class; anything with ``model_validate``, and ``model_dump`` on its instances.
    """

    def __init__(self, model_cls: type[T]) -> None:
        self._model_cls: Any = model_cls

    def to_json(self, value: T) -> Any:
        """What ``model_dump`` makes of it in JSON mode."""
        return value.model_dump(mode="json")  # type: ignore[attr-defined]

    def from_json(self, data: Any) -> T:
        """The validated model. Raises pydantic's ``ValidationError``."""
        model: T = self._model_cls.model_validate(data)
        return model


class DataclassCodec(Codec[T]):
    """For a dataclass. Fields that are None are left out; nested dataclasses come back as dicts.

    Args:
        dc_cls: the class.

    >>> from dataclasses import dataclass
    >>> from nemo_relay.typed import DataclassCodec
    >>> @dataclass
    ... class Query:
    ...     text: str
    ...     limit: int | None = None
    >>> DataclassCodec(Query).to_json(Query("tides"))
    {'text': 'tides'}
    """

    def __init__(self, dc_cls: type[T]) -> None:
        self._dc_cls = dc_cls

    def to_json(self, value: T) -> Any:
        """Its fields that are not None."""
        return set_fields(value)

    def from_json(self, data: Any) -> T:
        """The instance with ``data`` as its arguments."""
        return self._dc_cls(**data)


def set_fields(value: Any) -> dict[str, Any]:
    """The fields of a dataclass instance that are not None, serialised."""
    pairs = ((field.name, getattr(value, field.name)) for field in fields(value))
    return {name: serialize_value(item) for name, item in pairs if item is not None}


def serialize_value(value: Any) -> Any:
    """``value`` with dataclass instances and models in it as dicts; whatever is neither stays as it is."""
    if is_dataclass(value) and not isinstance(value, type):
        return set_fields(value)
    if isinstance(value, list):
        return [serialize_value(item) for item in value]
    if isinstance(value, dict):
        return {key: serialize_value(item) for key, item in value.items()}
    if hasattr(value, "model_dump"):
        try:
            return value.model_dump(mode="json")
        except Exception:
            return value  # a class, or a model that cannot dump itself
    return value
