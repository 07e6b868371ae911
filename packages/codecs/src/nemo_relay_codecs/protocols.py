# SPDX-License-Identifier: Apache-2.0
"""What an object must have to be a codec."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

if TYPE_CHECKING:
    from nemo_relay_codecs.model.request import AnnotatedLLMRequest
    from nemo_relay_codecs.model.response import AnnotatedLLMResponse
    from nemo_relay_codecs.request import LLMRequest


@runtime_checkable
class LlmCodec(Protocol):
    """A request codec. Methods are synchronous and must be safe to call from any thread."""

    def decode(self, request: LLMRequest) -> AnnotatedLLMRequest:
        """The request in the normalised shape."""
        ...

    def encode(self, annotated: AnnotatedLLMRequest, original: LLMRequest) -> LLMRequest:
        """``original`` with the edits of ``annotated`` merged in.

        Args:
            annotated: the view, edited.
            original: the request that it was decoded from.

        Returns:
            A request in the provider's own format.
        """
        ...


@runtime_checkable
class LlmResponseCodec(Protocol):
    """A response codec. The method is synchronous and must be safe to call from any thread."""

    def decode_response(self, response: Any) -> AnnotatedLLMResponse:
        """The response in the normalised shape."""
        ...
