# SPDX-License-Identifier: Apache-2.0
"""What a codec raises.

::

    RelayError
    └── CodecError             RuntimeError
        ├── InvalidPayload     "invalid argument: ..."  a member has a type its provider does not accept
        └── MalformedBody      "internal error: ..."    the document does not have the shape of its provider
"""

from __future__ import annotations

from typing import Any


class RelayError(Exception):
    """The root of every error of NeMo Relay; ``nemo_relay.errors`` draws the whole tree."""

    def __reduce__(self) -> Any:
        # The text is made once: unpickling must not put the prefix in front of it again.
        return _restored, (type(self), self.args), self.__dict__ or None


class CodecError(RelayError, RuntimeError):
    """A codec cannot read or write a payload. Texts name the member and the surface, never the prompt."""


class InvalidPayload(CodecError):
    """A member of a request, or an edit of one, that the provider's wire format cannot carry."""

    def __init__(self, detail: str) -> None:
        super().__init__(f"invalid argument: {detail}")


class MalformedBody(CodecError):
    """A document that is not a request or response of the codec's provider."""

    def __init__(self, detail: str) -> None:
        super().__init__(f"internal error: {detail}")


def nested_too_deeply(label: str) -> MalformedBody:
    """The error for a payload that exceeds the interpreter's recursion limit."""
    return MalformedBody(f"{label} payload is nested too deeply")


def _restored(kind: type[RelayError], args: tuple[Any, ...]) -> RelayError:
    error = kind.__new__(kind, *args)
    error.args = args
    return error


class PricingConfigError(ValueError):
    """A pricing document was refused; the text is the reason."""
