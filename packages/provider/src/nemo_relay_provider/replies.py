# SPDX-License-Identifier: Apache-2.0
"""What a script answers with. One reply can be sent in every wire format the server speaks."""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

# A word with the blanks before it, which is how most tokenizers cut; blanks at the very end stand alone.
_PIECE = re.compile(r"\s*\S+|\s+$")
_ARGUMENT_PIECE = 6


@dataclass(frozen=True, slots=True)
class Usage:
    """Token counts of one call: `input` includes the `cached` ones, `output` the `reasoning` ones."""

    input: int
    output: int
    cached: int = 0
    reasoning: int = 0


@dataclass(frozen=True, slots=True)
class ToolCall:
    """One tool call the model asks for.

    Args:
        name: the tool's name.
        arguments: a mapping, or a string that is sent as it is (so that a test can send broken JSON).
        id: the call id; numbered by the server when left out.
        namespace: the namespace that the tool is in, for OpenAI Responses.
    """

    name: str
    arguments: Mapping[str, Any] | str = field(default_factory=dict)
    id: str | None = None
    namespace: str | None = None

    def arguments_text(self) -> str:
        """The arguments as the JSON text that goes over the wire."""
        return self.arguments if isinstance(self.arguments, str) else json.dumps(dict(self.arguments))

    def argument_pieces(self) -> list[str]:
        """The arguments text cut as a stream delivers it."""
        text = self.arguments_text()
        return [text[i : i + _ARGUMENT_PIECE] for i in range(0, len(text), _ARGUMENT_PIECE)]


@dataclass(frozen=True, slots=True)
class Reply:
    """A successful answer of the model.

    Args:
        text: what the model says; a sequence of strings sets the pieces of a stream, a string is cut at
            words.
        tool_calls: the tools it asks for, in parallel.
        usage: token counts; estimated from the length of the texts when left out.
        finish: the finish reason in OpenAI's words (`stop`, `length`, `content_filter`, `tool_calls`); the
            one that fits the content when left out.
        delay: seconds before the first byte.
        chunk_delay: seconds before each further chunk of a stream.
        break_after: break the connection after that many chunks of a stream. A unary answer breaks off in the
            middle of its body, or before it when this is 0.
        headers: response headers in addition to the provider's usual ones.

    Example:
        >>> Reply("Let me look.", tool_calls=[ToolCall("get_weather", {"city": "Paris"})]).finish_reason
        'tool_calls'
    """

    text: str | Sequence[str] = ""
    tool_calls: Sequence[ToolCall] = ()
    usage: Usage | None = None
    finish: str | None = None
    delay: float = 0.0
    chunk_delay: float = 0.0
    break_after: int | None = None
    headers: Mapping[str, str] = field(default_factory=dict)

    @property
    def full_text(self) -> str:
        """The whole text, however it is cut for a stream."""
        return self.text if isinstance(self.text, str) else "".join(self.text)

    @property
    def pieces(self) -> list[str]:
        """The text cut as a stream delivers it."""
        return _PIECE.findall(self.text) if isinstance(self.text, str) else list(self.text)

    @property
    def finish_reason(self) -> str:
        """The finish reason, in OpenAI's words."""
        return self.finish or ("tool_calls" if self.tool_calls else "stop")


@dataclass(frozen=True, slots=True)
class Failure:
    """An error answer, in the shape the provider gives its errors.

    Args:
        status: the HTTP status, e.g. 429.
        message: the provider's message.
        type: the provider's error type; the one that goes with the status when left out.
        code: OpenAI's `error.code`.
        param: OpenAI's `error.param`.
        delay: seconds before the answer.
        headers: response headers, e.g. `{"retry-after": "0"}`.
    """

    status: int
    message: str = "The scripted provider was told to fail."
    type: str | None = None
    code: str | None = None
    param: str | None = None
    delay: float = 0.0
    headers: Mapping[str, str] = field(default_factory=dict)


Answer = Reply | Failure | str
"""What a script may answer with; a string is a reply with that text."""


def estimated_usage(reply: Reply, body: Mapping[str, Any]) -> Usage:
    """The reply's usage, or about one token for four characters sent and received."""
    if reply.usage is not None:
        return reply.usage
    sent = len(json.dumps([body.get("system"), body.get("messages"), body.get("tools")]))
    received = len(reply.full_text) + sum(len(c.name) + len(c.arguments_text()) for c in reply.tool_calls)
    return Usage(input=max(1, sent // 4), output=max(1, received // 4))
