# SPDX-License-Identifier: Apache-2.0
"""Argument checks, with the texts that programs may match on."""

from __future__ import annotations


def expect(value: object, kind: type, shown: str = "", where: str = "") -> None:
    """Raise TypeError unless ``value`` is an instance of ``kind``; ``where`` names the parameter in a note.

    Its type is asked, not the value: a mock made from a specification claims to be what it is not.
    """
    if not issubclass(type(value), kind):
        got = "'None' is" if value is None else f"'{type(value).__name__}' object is"
        error = TypeError(f"{got} not an instance of '{shown or kind.__name__}'")
        if where:
            error.add_note(f"while processing '{where}'")
        raise error


def expect_text(value: object, where: str = "") -> None:
    """Raise TypeError unless ``value`` is a string."""
    if not issubclass(type(value), str):
        expect(value, str, where=where)
