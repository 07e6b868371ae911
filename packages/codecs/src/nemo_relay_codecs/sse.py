# SPDX-License-Identifier: Apache-2.0
"""Server-sent events: bytes in, frames out, in linear time whatever the network's cuts."""

from __future__ import annotations

import codecs
import json
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec

from nemo_relay_codecs.errors import MalformedBody

if TYPE_CHECKING:
    from nemo_relay_codecs.assembly import Assembler

DONE = "[DONE]"
_SHOWN = 200  # characters of a bad payload in an error text


class Frame(NamedTuple):
    """One event: its name, if it has one, and its data lines joined by newlines."""

    event: str | None
    data: str


class SSEDecoder:
    """Cuts a byte stream into frames. A character or a line end split between two reads stays whole.

    >>> decoder = SSEDecoder()
    >>> decoder.feed(b'data: {"a"')
    []
    >>> decoder.feed(b": 1}\\r\\n\\r\\n")
    [Frame(event=None, data='{"a": 1}')]
    """

    __slots__ = ("_data", "_event", "_first", "_line", "_text", "_was_cr")

    def __init__(self) -> None:
        self._text = codecs.getincrementaldecoder("utf-8")("replace")
        self._line: list[str] = []  # pieces of the unfinished line; joined once, so cuts cost nothing
        self._was_cr = False
        self._first = True
        self._event: str | None = None
        self._data: list[str] = []

    def feed(self, data: bytes | str) -> list[Frame]:
        """The frames completed by ``data``."""
        text = data if isinstance(data, str) else self._text.decode(data)
        return self._take(text)

    def finish(self) -> list[Frame]:
        """The frame that the end of input completes, if there is one."""
        frames = self._take(self._text.decode(b"", final=True))
        if self._line:
            frames += self._end_line("".join(self._line))
            self._line = []
        return [*frames, *self._end_frame()]

    def _take(self, text: str) -> list[Frame]:
        if not text:
            return []
        if self._first:
            self._first = False
            text = text.removeprefix("\ufeff")
        if self._was_cr and text.startswith("\n"):
            text = text[1:]  # the second half of a line end that is counted already
        self._was_cr = text.endswith("\r")
        if "\r" in text:
            text = text.replace("\r\n", "\n").replace("\r", "\n")
        *lines, rest = text.split("\n")
        frames: list[Frame] = []
        for line in lines:
            if self._line:
                self._line.append(line)
                line = "".join(self._line)
                self._line = []
            if line:
                frames += self._end_line(line)
            else:
                frames += self._end_frame()
        if rest:
            self._line.append(rest)
        return frames

    def _end_line(self, line: str) -> list[Frame]:
        name, _, value = line.partition(":")
        # Servers that work by the line leave out the empty one: a frame that is whole ends where another begins.
        ended = self._end_frame() if name in ("data", "event") and self._is_whole() else []
        if name == "data":
            self._data.append(value.removeprefix(" "))
        elif name == "event":
            self._event = value.strip()
        return ended

    def _is_whole(self) -> bool:
        data = self._data
        return len(data) == 1 and _is_object(data[0])

    def _end_frame(self) -> list[Frame]:
        data, event = self._data, self._event
        self._data, self._event = [], None
        return [Frame(event, "\n".join(data))] if data else []


def _is_object(data: str) -> bool:
    if not data.startswith("{") or not data.rstrip().endswith("}"):
        return False
    try:
        msgspec.json.decode(data)
    except (msgspec.MsgspecError, RecursionError):
        return False
    return True


def payload(frame: Frame) -> Any:
    """The JSON value of a frame; `DONE` for the end marker.

    Raises:
        MalformedBody: the data is not JSON.
    """
    if frame.data.strip() == DONE:
        return DONE
    try:
        return msgspec.json.decode(frame.data)
    except (msgspec.MsgspecError, RecursionError) as error:
        return _lenient(frame.data, error)


def _lenient(text: str, error: Exception) -> Any:
    """What strict JSON refuses but a provider may still send: a lone surrogate, a number beyond a double."""
    try:
        if text.startswith("{") and not text.rstrip().endswith("}"):
            raise ValueError("cut short")  # the last frame of a broken stream: not worth a second reading
        return json.loads(text)
    except (ValueError, RecursionError):
        shown = text if len(text) <= _SHOWN else f"{text[:_SHOWN]}..."
        raise MalformedBody(f"streaming codec failed to parse SSE data payload: {error}: {shown}") from None


class SSEAssembler:
    """Assembles a response from the bytes of an event stream, wherever they are cut and wherever they end.

    >>> from nemo_relay_codecs.openai_chat.stream import ChatAssembler
    >>> stream = SSEAssembler(ChatAssembler())
    >>> stream.feed(b'data: {"choices": [{"index": 0, "delta": {"content": "Hi"}}]}\\n\\ndata: {"cho')
    [{'choices': [{'index': 0, 'delta': {'content': 'Hi'}}]}]
    >>> stream.finish()["choices"][0]["message"]["content"], stream.assembler.interrupted
    ('Hi', True)

    Attributes:
        assembler: the provider's assembler, with `partial`, `interrupted` and `error`.
        torn: the text of frames that were no JSON, such as the last one of a stream cut in its middle.
    """

    __slots__ = ("_decoder", "assembler", "torn")

    def __init__(self, assembler: Assembler) -> None:
        self.assembler = assembler
        self.torn: list[str] = []
        self._decoder = SSEDecoder()

    def feed(self, data: bytes | str) -> list[Any]:
        """Take bytes; the JSON payloads they completed, for whoever passes the stream on."""
        return self._push(self._decoder.feed(data))

    def finish(self) -> dict[str, Any]:
        """End of input: the assembled response, the partial one where the stream was cut."""
        self._push(self._decoder.finish())
        return self.assembler.finish()

    def _push(self, frames: list[Frame]) -> list[Any]:
        out = []
        for frame in frames:
            try:
                value = payload(frame)
            except MalformedBody:
                self.torn.append(frame.data)
                self._note(frame, frame.data)
                continue
            self.assembler.push(value)
            self._note(frame, value)
            if value is not DONE:
                out.append(value)
        return out

    def _note(self, frame: Frame, error: Any) -> None:
        """A frame named ``error`` is one, whatever is in it."""
        if frame.event == "error" and self.assembler.error is None:
            self.assembler.error = error


def events(chunks: Iterable[bytes]) -> Iterator[Any]:
    """The JSON payloads of an SSE byte stream, the end marker left out."""
    decoder = SSEDecoder()
    for chunk in chunks:
        yield from _payloads(decoder.feed(chunk))
    yield from _payloads(decoder.finish())


def _payloads(frames: list[Frame]) -> Iterator[Any]:
    for frame in frames:
        value = payload(frame)
        if value is not DONE:
            yield value
