# SPDX-License-Identifier: Apache-2.0
"""The view of what a model answered: the assistant message, its usage, and the normalised annotation."""

from __future__ import annotations

from typing import Any

from langchain_core.messages import AIMessage
from langchain_core.outputs import ChatGeneration, LLMResult

from .payloads import shown as safe_view

_FINISH = {
    "stop": "complete",
    "end_turn": "complete",
    "tool_calls": "tool_use",
    "tool_use": "tool_use",
    "function_call": "tool_use",
    "max_tokens": "length",
    "length": "length",
    "content_filter": "content_filter",
}


class Answer:
    """One model response, read once."""

    def __init__(self, result: LLMResult | None, model: str | None = None) -> None:
        generations = result.generations[0] if result is not None and result.generations else []
        self._generation = generations[0] if generations else None
        message = self._generation.message if isinstance(self._generation, ChatGeneration) else None
        self._message = message if isinstance(message, AIMessage) else None
        self._about = dict(message.response_metadata) if message is not None else {}
        self._about.update((self._generation.generation_info or {}) if self._generation is not None else {})
        self._output = (result.llm_output or {}) if result is not None else {}
        found = self._about.get("model_name") or self._about.get("model") or self._output.get("model_name") or model
        self.model = str(found) if found else None
        reported = self._message.usage_metadata if self._message is not None else None
        # A cached answer comes back with a cost of zero, whatever it once cost.
        self.cached = (
            bool(reported) and "total_cost" in (reported or {}) and result is not None and not result.llm_output
        )
        self.usage = usage_view(reported) or _legacy_usage(self._output)

    @property
    def finish_reason(self) -> str | None:
        """The provider's own word for why it stopped."""
        found = self._about.get("finish_reason") or self._about.get("stop_reason")
        return str(found) if found else None

    def data(self) -> dict[str, Any] | None:
        """The canonical assistant message; None when there is no answer."""
        if self._generation is None:
            return None
        shown: dict[str, Any] = {"role": "assistant", "content": self._generation.text}
        if self._message is not None:
            shown = safe_view(self._message)[0]
        shown.setdefault("tool_calls", [])
        shown["usage"] = None if self.cached else self.usage
        shown["model"] = self.model
        shown["finish_reason"] = self.finish_reason
        return shown

    def annotation(self) -> dict[str, Any] | None:
        """The answer in the shape every provider's answer is normalised to; None without an answer."""
        if self._generation is None:
            return None
        calls = self._message.tool_calls if self._message is not None else []
        members = {
            "id": self._response_id(),
            "model": self.model,
            "message": self._generation.text or None,
            "tool_calls": [
                {"id": str(call.get("id") or ""), "name": call["name"], "arguments": call["args"]} for call in calls
            ],
            "finish_reason": normal_finish(self.finish_reason, bool(calls)),
            "usage": None if self.cached else self.usage,
        }
        return {name: member for name, member in members.items() if member}

    def _response_id(self) -> str | None:
        found = self._about.get("id") or (self._message.id if self._message is not None else None)
        # Without one of the provider's LangChain makes it up from the run id, which is in the metadata.
        return str(found) if found and not str(found).startswith(("lc_run-", "run-")) else None

    def metadata(self) -> dict[str, Any]:
        """End metadata: whether a cache answered."""
        return {"relay.cache_hit": True} if self.cached else {}


def normal_finish(reason: str | None, calls: bool) -> Any:
    """The finish reason in the names that all providers share."""
    if reason is None:
        return "tool_use" if calls else None
    return _FINISH.get(reason.lower()) or {"unknown": reason}


def usage_view(reported: Any) -> dict[str, int] | None:
    """LangChain's usage in the names that every exporter reads; None when the provider sent none."""
    if not reported:
        return None
    into, out = reported.get("input_token_details") or {}, reported.get("output_token_details") or {}
    audio = (into.get("audio") or 0) + (out.get("audio") or 0)
    found = {
        "prompt_tokens": reported.get("input_tokens"),
        "completion_tokens": reported.get("output_tokens"),
        "total_tokens": reported.get("total_tokens"),
        "cache_read_tokens": into.get("cache_read"),
        "cache_write_tokens": into.get("cache_creation"),
        "reasoning_tokens": out.get("reasoning"),
        "audio_tokens": audio or None,
    }
    return {name: int(count) for name, count in found.items() if isinstance(count, (int, float))}


def _legacy_usage(output: dict[str, Any]) -> dict[str, int] | None:
    counts = output.get("token_usage") or {}
    names = ("prompt_tokens", "completion_tokens", "total_tokens")
    return {name: counts[name] for name in names if isinstance(counts.get(name), int)} or None
