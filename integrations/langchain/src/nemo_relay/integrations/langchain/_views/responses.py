# SPDX-License-Identifier: Apache-2.0
"""The view of what a model answered: the assistant message, its usage, and the normalised annotation."""

from __future__ import annotations

from typing import Any

from langchain_core.messages import AIMessage
from langchain_core.outputs import ChatGeneration, LLMResult

from nemo_relay.integrations.langchain._views.capture import ALL
from nemo_relay.integrations.langchain._views.memory import Memory
from nemo_relay.integrations.langchain._views.payloads import shown as safe_view
from nemo_relay.integrations.langchain._views.usage import is_free, usage_of

_FINISH = {
    "stop": "complete",
    "end_turn": "complete",
    "tool_calls": "tool_use",
    "tool_use": "tool_use",
    "function_call": "tool_use",
    "max_tokens": "length",
    "length": "length",
    "max_output_tokens": "length",
    "completed": "complete",
    "content_filter": "content_filter",
}


class Answer:
    """One model response, read once.

    Args:
        result: what the model integration returned.
        model: the model that was asked, should the response not name it.
        memory: what its trace has shown, and which payloads it is to show.
        streamed: whether it came in pieces.
    """

    def __init__(
        self,
        result: LLMResult | None,
        model: str | None = None,
        memory: Memory | None = None,
        *,
        streamed: bool = False,
    ) -> None:
        self._memory = memory
        generations = result.generations[0] if result is not None and result.generations else []
        self._generation = generations[0] if generations else None
        message = self._generation.message if isinstance(self._generation, ChatGeneration) else None
        self._message = message if isinstance(message, AIMessage) else None
        self._about = dict(message.response_metadata) if message is not None else {}
        self._about.update((self._generation.generation_info or {}) if self._generation is not None else {})
        self._output = (result.llm_output or {}) if result is not None else {}
        found = self._about.get("model_name") or self._about.get("model") or self._output.get("model_name") or model
        self.model = str(found) if found else None
        self._others = generations[1:]
        # A cached answer comes back with a cost of zero, whatever it once cost; nothing of it is streamed.
        reported = self._message.usage_metadata if self._message is not None else None
        self.cached = is_free(reported) and result is not None and not result.llm_output and not streamed
        self.usage = usage_of(result)

    @property
    def finish_reason(self) -> str | None:
        """The provider's own word for why it stopped."""
        found = self._about.get("finish_reason") or self._about.get("stop_reason") or _response_status(self._about)
        return str(found) if found else None

    def data(self) -> dict[str, Any] | None:
        """The canonical assistant message; None when there is no answer."""
        if self._generation is None:
            return None
        shown = dict(self._choice(self._generation))
        shown.setdefault("tool_calls", [])
        shown["usage"] = None if self.cached else self.usage
        shown["model"] = self.model
        shown["finish_reason"] = self.finish_reason
        if self._others:
            shown["choices"] = [self._choice(other) for other in self._others]
        return shown

    def _choice(self, generation: Any) -> dict[str, Any]:
        message = getattr(generation, "message", None)
        if not isinstance(message, AIMessage):
            return self._captured({"role": "assistant", "content": generation.text})
        if self._memory is not None:
            return self._memory.view(message)
        view: dict[str, Any] = safe_view(message)[0]
        return view

    def annotation(self) -> dict[str, Any] | None:
        """The answer in the shape every provider's answer is normalised to; None without an answer."""
        if self._generation is None:
            return None
        calls = self._message.tool_calls if self._message is not None else []
        capture = self._memory.capture if self._memory is not None else ALL
        members = {
            "id": self._response_id(),
            "model": self.model,
            "message": (self._generation.text or None) if capture.responses else None,
            "tool_calls": [
                {
                    "id": str(call.get("id") or ""),
                    "name": call["name"],
                    "arguments": call["args"] if capture.tool_args else {},
                }
                for call in calls
            ],
            "finish_reason": normal_finish(self.finish_reason, bool(calls)),
            "usage": None if self.cached else self.usage,
        }
        return {name: member for name, member in members.items() if member}

    def _captured(self, view: dict[str, Any]) -> dict[str, Any]:
        return view if self._memory is None else self._memory.capture.without(view)

    def _response_id(self) -> str | None:
        found = self._about.get("id") or (self._message.id if self._message is not None else None)
        # Without one of the provider's LangChain makes it up from the run id, which is in the metadata.
        return str(found) if found and not str(found).startswith(("lc_run-", "run-")) else None

    def metadata(self) -> dict[str, Any]:
        """End metadata: whether a cache answered."""
        return {"relay.cache_hit": True} if self.cached else {}


def _response_status(about: dict[str, Any]) -> Any:
    """Why an answer of OpenAI's Responses API ended, which says so by its status."""
    if about.get("object") != "response":
        return None
    return (about.get("incomplete_details") or {}).get("reason") or about.get("status")


def normal_finish(reason: str | None, calls: bool) -> Any:
    """The finish reason in the names that all providers share."""
    if calls and reason in (None, "completed"):
        return "tool_use"
    if reason is None:
        return None
    return _FINISH.get(reason.lower()) or {"unknown": reason}
