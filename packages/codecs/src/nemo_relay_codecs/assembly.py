# SPDX-License-Identifier: Apache-2.0
"""Stream assembly: what every provider's assembler shares.

An assembler takes a stream's chunks and gives the response that the unary call would have given. It keeps pieces of
text in lists and joins them once, so a long answer costs linear time.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

import msgspec

from nemo_relay_codecs.values import plain

if TYPE_CHECKING:
    from nemo_relay_codecs.base import Codec
    from nemo_relay_codecs.model.response import AnnotatedLLMResponse

JsonObject = dict[str, Any]
Pieces = list[str]


class Assembler:
    """Assembles one stream.

    `push` never raises, whatever the chunk: an observer must not fail the stream it watches. What cannot be used is
    counted in ``skipped``.

    Attributes:
        error: the error that the provider sent inside the stream, None if it sent none.
        chunks: chunks offered so far.
        skipped: chunks that were no JSON object of any use.
    """

    codec_id: ClassVar[str] = ""

    def __init__(self) -> None:
        self.error: Any = None
        self.chunks = 0
        self.skipped = 0
        self._done = False

    def push(self, chunk: Any) -> None:
        """Take the next chunk: a JSON object, an SDK's chunk object, or the text of an SSE data line."""
        self.chunks += 1
        if type(chunk) is not dict:
            chunk = self._as_object(chunk)
            if chunk is None:
                return
        self._offer(chunk)

    def _offer(self, chunk: JsonObject) -> None:
        if chunk.get("error") is not None:
            self.fail(chunk["error"])  # however a proxy or a server in trouble wraps it
        try:
            self._take(chunk)
        except (TypeError, ValueError, KeyError, AttributeError, RecursionError):
            # A malformed chunk loses itself, not the stream.
            self.skipped += 1

    def _as_object(self, chunk: Any) -> JsonObject | None:
        try:
            if isinstance(chunk, str | bytes):
                if chunk.strip() in ("[DONE]", b"[DONE]"):
                    self._done = True
                    return None
                chunk = msgspec.json.decode(chunk)
            value = plain(chunk)
        except (ValueError, RecursionError, TypeError, AttributeError):
            value = None
        if isinstance(value, dict):
            return value
        if isinstance(value, list):  # some servers send the whole stream as one array
            for item in value:
                if isinstance(item, dict):
                    self._offer(item)
            return None
        self.skipped += 1
        return None

    def fail(self, error: Any) -> None:
        """Note the error that ended the stream; the first one counts."""
        if self.error is None:
            self.error = error

    def _take(self, chunk: JsonObject) -> None:
        raise TypeError(f"{type(self).__name__} does not assemble a stream")

    def _build(self) -> JsonObject:
        raise TypeError(f"{type(self).__name__} does not assemble a stream")

    def _ended(self) -> bool:
        """Whether the provider said that the response is complete."""
        raise TypeError(f"{type(self).__name__} does not assemble a stream")

    @property
    def partial(self) -> JsonObject:
        """The response as far as it has come. Asking costs time linear in its length."""
        return self._build()

    @property
    def interrupted(self) -> bool:
        """Whether the stream has not (yet) reached its proper end."""
        return self.error is not None or not self._ended()

    def finish(self) -> JsonObject:
        """The assembled response; the partial one where the stream ended early."""
        return self._build()

    def status(self) -> JsonObject | None:
        """How an unfinished stream ended, for the annotation; None for a complete one."""
        out: JsonObject = {"interrupted": True} if self.interrupted else {}
        if self.error is not None:
            out["error"] = self.error
        return out or None

    def annotate(self, codec: Codec) -> AnnotatedLLMResponse:
        """The assembled response in normalised form, marked if the stream ended early.

        Raises:
            CodecError: ``codec`` cannot read what was assembled.
        """
        return codec.decode_response(self.finish()).replace(stream=self.status())


def counted(before: Any, now: Any) -> Any:
    """A usage object with a later one over it: what was counted is not erased by nulls and zeros."""
    if not isinstance(before, dict) or not isinstance(now, dict):
        return now or before
    out = dict(before)
    for key, value in now.items():
        old = out.get(key)
        if isinstance(old, dict) and isinstance(value, dict):
            out[key] = counted(old, value)
        elif key not in out or old is None or value not in (None, 0, [], {}):
            out[key] = value
    return out


def overlay(target: JsonObject, source: JsonObject, skip: tuple[str, ...] = ()) -> None:
    """Set members that are not null, later over earlier."""
    for key, value in source.items():
        if key not in skip and (value is not None or key not in target):
            target[key] = value


def fold(target: JsonObject, delta: JsonObject, skip: tuple[str, ...] = ()) -> None:
    """Fold members without a rule of their own: lists grow, objects fold, other values replace."""
    for key, value in delta.items():
        if key in skip:
            continue
        old = target.get(key)
        if isinstance(old, list) and isinstance(value, list):
            target[key] = [*old, *value]
        elif isinstance(old, dict) and isinstance(value, dict):
            merged = dict(old)
            fold(merged, value)
            target[key] = merged
        elif value is not None or key not in target:
            target[key] = value
