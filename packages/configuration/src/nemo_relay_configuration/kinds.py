# SPDX-License-Identifier: Apache-2.0
"""What validation and the schema ask about plugin kinds. The plugin host answers: it knows which there are."""

from __future__ import annotations

from typing import Any, Protocol

from nemo_relay_configuration.documents import JsonObject


class LoadFailed(Exception):
    """An installed plugin could not be loaded; the cause says why."""


class Kinds(Protocol):
    """The plugin kinds that there are."""

    def names(self) -> list[str]:
        """All of them, sorted."""

    def find(self, kind: str) -> Any:
        """The plugin of that kind; None when there is none.

        Raises:
            LoadFailed: it is installed and cannot be loaded.
        """

    def schema(self, kind: str) -> JsonObject | None:
        """The JSON Schema of its ``config``; None where it has none."""

    def advice(self, kind: str) -> str:
        """What there is to say about a kind that is not there: a sentence, or nothing."""

    def is_singleton(self, kind: str) -> bool:
        """Whether a document may name the kind only once."""
