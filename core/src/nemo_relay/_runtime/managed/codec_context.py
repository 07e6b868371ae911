# SPDX-License-Identifier: Apache-2.0
"""What middleware learns about the codecs of an LLM call."""

from __future__ import annotations

from typing import Any, Literal

from nemo_relay._runtime.managed.options import read_context
from nemo_relay_codecs.request import LLMRequest

CodecKind = Literal["none", "builtin", "runtime", "opaque"]


class LlmCodecIdentity:
    """Which codec a call uses; ``id`` is set for built-in codecs and those registered at run time."""

    __slots__ = ("id", "kind")

    def __init__(self, kind: CodecKind = "none", id: str | None = None) -> None:
        self.kind = kind
        self.id = id

    def __repr__(self) -> str:
        return f"LlmCodecIdentity(kind={self.kind!r}, id={self.id!r})"


class LlmSanitizeRequestCodec:
    """The request codec of a call, for middleware: ``decode`` and ``encode``."""

    __slots__ = ("_codec",)

    def __init__(self, codec: Any) -> None:
        self._codec = codec

    def decode(self, request: LLMRequest) -> Any:
        """The normalised view of ``request``."""
        return self._codec.decode(request)

    def encode(self, annotated: Any, original: LLMRequest) -> LLMRequest:
        """``original`` with the edits made to its normalised view.

        Args:
            annotated: the view, edited.
            original: the request that it was decoded from.

        Returns:
            A request in the provider's own format.
        """
        encoded: LLMRequest = self._codec.encode(annotated, original)
        return encoded


class LlmSanitizeResponseCodec:
    """The response codec of a call, for middleware: ``decode_response``."""

    __slots__ = ("_codec",)

    def __init__(self, codec: Any) -> None:
        self._codec = codec

    def decode_response(self, response: Any) -> Any:
        """The normalised view of ``response``."""
        return self._codec.decode_response(response)


class LlmRequestContext:
    """The request codec of a call: which one, and itself where there is one."""

    __slots__ = ("_codec",)

    def __init__(self, codec: Any = None) -> None:
        self._codec = codec

    @property
    def codec(self) -> LlmCodecIdentity:
        """Which codec it is; ``kind`` is ``"none"`` without one."""
        return identity(self._codec)

    def resolve_codec(self) -> LlmSanitizeRequestCodec | None:
        """The codec, or None."""
        return None if self._codec is None else LlmSanitizeRequestCodec(self._codec)


class LlmResponseContext:
    """The response codec of a call: which one, and itself where there is one."""

    __slots__ = ("_codec",)

    def __init__(self, codec: Any = None) -> None:
        self._codec = codec

    @property
    def codec(self) -> LlmCodecIdentity:
        """Which codec it is; ``kind`` is ``"none"`` without one."""
        return identity(self._codec)

    def resolve_codec(self) -> LlmSanitizeResponseCodec | None:
        """The codec, or None."""
        return None if self._codec is None else LlmSanitizeResponseCodec(self._codec)


LlmSanitizeRequestContext = LlmRequestContext
LlmSanitizeResponseContext = LlmResponseContext


class LlmExecutionContext:
    """The codecs of a call, for execution intercepts; a streamed call has no response codec here."""

    __slots__ = ("_application_context", "request_codec", "response_codec")

    def __init__(
        self,
        request_codec: LlmRequestContext,
        response_codec: LlmResponseContext | None,
        application_context: bytes | None = None,
    ) -> None:
        self.request_codec = request_codec
        self.response_codec = response_codec
        self._application_context = application_context

    @property
    def execution_context(self) -> Any:
        """What the caller gave as ``execution_context``, a copy, fresh at each access; None where it gave none."""
        return read_context(self._application_context)


def identity(codec: Any) -> LlmCodecIdentity:
    """What to call ``codec`` towards middleware."""
    if codec is None:
        return LlmCodecIdentity()
    known: str | None = getattr(codec, "codec_id", None)
    kind: CodecKind = getattr(codec, "codec_kind", "opaque")
    return LlmCodecIdentity(kind, known if kind in ("builtin", "runtime") else None)
