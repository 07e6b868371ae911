# SPDX-License-Identifier: Apache-2.0
"""What a codec raises.

::

    RelayError
    └── CodecError             RuntimeError
        ├── InvalidPayload     "invalid argument: ..."  a member has a type its provider does not accept
        └── MalformedBody      "internal error: ..."    the document does not have the shape of its provider
"""

from __future__ import annotations

from nemo_relay.errors import RelayError


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


# `type(error).__name__` is recorded in events as `exception.type` and compared by programs; the published
# package raises plain RuntimeError there. Tracebacks and pickles use `__qualname__` and keep the real name.
for _class in (CodecError, InvalidPayload, MalformedBody):
    _class.__name__ = "RuntimeError"


def nested_too_deeply(label: str) -> MalformedBody:
    """The error for a payload that exceeds the interpreter's recursion limit."""
    return MalformedBody(f"{label} payload is nested too deeply")
