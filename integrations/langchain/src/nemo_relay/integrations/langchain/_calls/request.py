# SPDX-License-Identifier: Apache-2.0
"""The request and the answer of a managed model call: looked at as little as those who watch and shape it need.

Where nothing shapes the call nobody reads the whole conversation: its event has what no earlier one of the agent has
shown, and the rest is never converted.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from nemo_relay import LLMRequest
from nemo_relay.integrations.langchain._calls.invocations import parent_run
from nemo_relay.integrations.langchain._options import AdapterOptions
from nemo_relay.integrations.langchain._runs import table
from nemo_relay.integrations.langchain._views.capture import capped
from nemo_relay.integrations.langchain._views.conversations import Turn, turn
from nemo_relay.integrations.langchain._views.memory import Memory
from nemo_relay.integrations.langchain._views.payloads import shown
from nemo_relay.integrations.langchain._views.request_view import LangChainCodec
from nemo_relay.integrations.langchain._views.requests import content_of
from nemo_relay.integrations.langchain._views.response_view import ResponseCodec

Frame = Callable[[], dict[str, Any]]


class ManagedRequest(LLMRequest):
    """A request whose body is made when it is first read.

    Args:
        messages: the conversation, the system message first.
        frame: the other parts of the view, as ``request_view.frame`` makes them.
        options: which payloads are recorded.
    """

    __slots__ = ("_frame", "_memory", "_messages", "_realm", "_turn")

    def __init__(self, messages: Sequence[Any], frame: Frame, options: AdapterOptions) -> None:
        super().__init__({}, None)
        self._messages = messages
        self._frame = frame
        self._memory, self._realm = _remembered(options, messages)
        self._turn: Turn | None = None

    @property
    def content(self) -> dict[str, Any]:
        """The view for intercepts and guardrails, whole and with everything in it, whatever may be recorded."""
        if self._content is None:
            self._content = {**self._frame(), "messages": [shown(message)[0] for message in self._messages]}
        made: dict[str, Any] = self._content
        return made

    @property
    def is_read(self) -> bool:
        """Whether anybody has looked at the whole of it, and so may have changed it."""
        return self._content is not None

    def recorded(self, request: LLMRequest) -> dict[str, Any]:
        """The body for the start event, of this request or of what intercepts have made of it."""
        if request is self or (self.is_read and request.content is self._content):
            frame, messages = self._frame(), self._messages
        else:
            frame = {key: value for key, value in request.content.items() if key != "messages"}
            messages = request.content.get("messages") or []
        self._turn = turn(self._memory, self._realm, messages)
        return content_of(self._turn, {"model": frame.pop("model", None)}, frame)

    def commit(self, span: Any) -> None:
        """The start event of ``span`` has shown it."""
        if self._turn is not None and span is not None:
            self._turn.commit(span)

    @property
    def memory(self) -> Memory:
        """What the trace has shown."""
        return self._memory


class RequestCodec(LangChainCodec):
    """The codec of one managed call."""

    def __init__(self, request: ManagedRequest) -> None:
        self._request = request

    def recorded_request(self, request: LLMRequest) -> tuple[dict[str, Any], dict[str, Any]]:
        """The body, and its normalised form, as the start event carries them."""
        content = self._request.recorded(request)
        return content, self.normalised(content)


class RecordingResponseCodec(ResponseCodec):
    """The codec of answers of which not everything is recorded."""

    def __init__(self, options: AdapterOptions) -> None:
        self._capture, self._limit = options.captured, options.max_payload_bytes

    def recorded_response(self, response: Any) -> Any:
        """The answer as the end event carries it."""
        if isinstance(response, dict):
            response = self._capture.without({"role": "assistant", **response})
            if not self._capture.responses:
                response.pop("structured_response", None)
        elif not self._capture.responses:
            return None
        return capped(response, self._limit)


_PLAIN = ResponseCodec()


def response_codec(options: AdapterOptions) -> ResponseCodec:
    """The codec for answers that are recorded by ``options``."""
    everything = options.captured.responses and options.captured.tool_args and options.max_payload_bytes is None
    return _PLAIN if everything else RecordingResponseCodec(options)


def _remembered(options: AdapterOptions, messages: Sequence[Any]) -> tuple[Memory, int]:
    """What the trace of the call has shown, and which agent of it makes the call."""
    run = table.known(parent_run())
    if run is None or run.memory is None:
        return options.memory(), 0
    memory = run.memory.under(options.captured, economical=options.dedupe_state, limit=options.max_payload_bytes)
    return memory, run.realm
