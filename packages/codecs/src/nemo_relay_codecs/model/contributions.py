# SPDX-License-Identifier: Apache-2.0
"""Optimisation contributions of one LLM call: what is accepted, and the summary at its end."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import msgspec

from nemo_relay_codecs.model import request_checks
from nemo_relay_codecs.values import owned

if TYPE_CHECKING:
    from nemo_relay_codecs.model.response import AnnotatedLLMResponse

JsonObject = dict[str, Any]
MARK_NAME = "nemo_relay.llm.optimization"
DATA_SCHEMA = {"name": "nemo.relay.llm_optimization_contribution", "version": "1"}
_MOST = 64
_LARGEST = 16 * 1024
_LARGEST_SUM = 256 * 1024
_TOKENS = ("prompt_tokens", "completion_tokens", "cache_read_tokens", "cache_write_tokens", "total_tokens")


class Contributions:
    """The contributions of one call, in order. One object per call, used by one thread at a time.

    Args:
        new_id: makes the id of a contribution; a time-ordered UUID in the runtime.
    """

    def __init__(self, new_id: Callable[[], str]) -> None:
        self._new_id = new_id
        self.accepted: list[JsonObject] = []
        self.limitations: set[str] = set()
        self._attempts = 0
        self._bytes = 0
        self._sealed = False

    def offer(self, contribution: Mapping[str, Any]) -> JsonObject | None:
        """Accept a contribution: the data of its mark, or None where a limit refuses it.

        Raises:
            ValueError: ``invalid optimization_contributions: ...``
        """
        checked = check(contribution)
        if self._sealed:
            return None
        self._attempts += 1
        if "payload" in checked and "payload_schema" not in checked:
            self.limitations.add("invalid_contribution_payload_schema")
            return None
        data = {**checked, "id": self._new_id(), "sequence": len(self.accepted)}
        size = len(msgspec.json.encode(data))
        if self._attempts > _MOST or size > _LARGEST or self._bytes + size > _LARGEST_SUM:
            self._sealed = True
            self.limitations.add("contribution_limit_exceeded")
            return None
        self._bytes += size
        self.accepted.append(data)
        return data

    def __bool__(self) -> bool:
        return bool(self.accepted or self.limitations)

    def attach(
        self,
        annotated: AnnotatedLLMResponse | None,
        *,
        requested_model: str | None = None,
        interrupted: bool = False,
    ) -> AnnotatedLLMResponse | None:
        """The annotation of the end event with the summary; ``annotated`` itself where there is nothing to sum up.

        Args:
            annotated: the normalised response, None if there was no codec or no response.
            requested_model: the model asked for, used where the response names none.
            interrupted: the stream was closed early, or the call cancelled.
        """
        if not self:
            return annotated
        from nemo_relay_codecs.model.response import AnnotatedLLMResponse
        from nemo_relay_codecs.model.savings import summarise

        response = AnnotatedLLMResponse() if annotated is None else annotated
        if interrupted and not _finished(response):
            self.limitations.add("stream_interrupted")
        summary, usage = summarise(
            self.accepted,
            set(self.limitations),
            response.fields.get("usage"),
            response.fields.get("model"),
            requested_model,
        )
        changes: JsonObject = {"optimization_summary": summary}
        if usage is not None:
            changes["usage"] = usage
        return response.replace(**changes)


def _finished(response: AnnotatedLLMResponse) -> bool:
    usage = response.fields.get("usage") or {}
    usable = "prompt_tokens" in usage and "completion_tokens" in usage
    return "finish_reason" in response.fields and usable


def check(contribution: Any) -> JsonObject:
    """A contribution, copied and checked.

    Raises:
        ValueError: ``invalid optimization_contributions: ...``
    """
    try:
        return _checked(owned(contribution))
    except ValueError as error:
        raise ValueError(f"invalid optimization_contributions: {error}") from None


def _checked(value: Any) -> JsonObject:
    shape: dict[str, request_checks.Check] = {"producer": request_checks.text, "kind": request_checks.text}
    optional: dict[str, request_checks.Check] = {
        "applied": request_checks.flag,
        "model_transition": _transition,
        "token_impact": _impact,
        "payload_schema": _schema,
        "id": request_checks.text,
        "sequence": request_checks.tokens,
    }
    value = request_checks._object(value, "contribution")
    return {"applied": False, **request_checks._shaped(value, shape, optional, keep_unknown=True)}


def _transition(value: Any, what: str) -> JsonObject:
    sides: dict[str, request_checks.Check] = {"baseline": _model, "effective": _model}
    return request_checks._shaped(request_checks._object(value, what), {}, sides)


def _model(value: Any, what: str) -> JsonObject:
    return request_checks._shaped(
        request_checks._object(value, what), {"model": request_checks.text}, {"provider": request_checks.text}
    )


def _impact(value: Any, what: str) -> JsonObject:
    optional: dict[str, request_checks.Check] = {
        **dict.fromkeys(("baseline", "effective", "saved"), _tokens),
        "quality": _quality,
        "estimation_method": request_checks.text,
    }
    return request_checks._shaped(request_checks._object(value, what), {}, optional)


def _quality(value: Any, what: str) -> str:
    if value in ("observed", "estimated"):
        return str(value)
    raise ValueError(f"unknown quality {value!r}, expected observed or estimated")


def _tokens(value: Any, what: str) -> JsonObject:
    return request_checks._shaped(
        request_checks._object(value, what), {}, dict.fromkeys(_TOKENS, request_checks.tokens)
    )


def _schema(value: Any, what: str) -> JsonObject:
    return request_checks._shaped(
        request_checks._object(value, what), {"name": request_checks.text, "version": request_checks.text}, {}
    )
