# SPDX-License-Identifier: Apache-2.0
"""Gemini's generateContent as bytes: unary, server-sent events, errors, and token counts."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from .replies import Failure, Reply, ToolCall, Usage, estimated_usage

_FINISH = {"stop": "STOP", "tool_calls": "STOP", "length": "MAX_TOKENS", "content_filter": "SAFETY"}
_STATUS = {400: "INVALID_ARGUMENT", 401: "UNAUTHENTICATED", 403: "PERMISSION_DENIED", 404: "NOT_FOUND"}
_STATUS |= {429: "RESOURCE_EXHAUSTED", 500: "INTERNAL", 503: "UNAVAILABLE"}
_ROLES = ("user", "model", "function")


@dataclass(frozen=True)
class GeminiWire:
    """The format for one model, whose name stands in the path and not in the body."""

    model: str
    REQUEST_ID_HEADER: str = "x-request-id"

    def check(self, body: Mapping[str, Any]) -> Failure | None:
        """What the real endpoint would refuse in this request, or None."""
        contents = body.get("contents")
        if not isinstance(contents, list) or not contents:
            return Failure(400, "* GenerateContentRequest.contents: contents is not specified")
        for content in contents:
            role = content.get("role", "user") if isinstance(content, dict) else None
            if role not in _ROLES:
                return Failure(400, f"Please use a valid role: user, model; got {role!r}.")
        return None

    def unary(self, reply: Reply, body: Mapping[str, Any], serial: int) -> dict[str, Any]:
        """The body of a whole answer."""
        texts = [{"text": reply.full_text}] if reply.full_text else []
        parts = [*texts, *(_call(call) for call in reply.tool_calls)]
        return self._chunk(parts, serial, _FINISH.get(reply.finish_reason, reply.finish_reason), _usage(reply, body))

    def frames(self, reply: Reply, body: Mapping[str, Any], serial: int) -> Iterator[bytes]:
        """The server-sent events of a streamed answer; a call is never cut."""
        for piece in reply.pieces:
            yield _frame(self._chunk([{"text": piece}], serial, None, None))
        calls = [_call(call) for call in reply.tool_calls]
        finish = _FINISH.get(reply.finish_reason, reply.finish_reason)
        yield _frame(self._chunk(calls or [{"text": ""}], serial, finish, _usage(reply, body)))

    def error(self, failure: Failure, serial: int) -> dict[str, Any]:
        """The body of an error answer."""
        status = failure.type or _STATUS.get(failure.status, "UNKNOWN")
        return {"error": {"code": failure.status, "message": failure.message, "status": status}}

    def _chunk(
        self, parts: list[dict[str, Any]], serial: int, finish: str | None, usage: dict[str, Any] | None
    ) -> dict[str, Any]:
        candidate: dict[str, Any] = {"content": {"parts": parts, "role": "model"}, "index": 0}
        if finish is not None:
            candidate["finishReason"] = finish
        made = {"candidates": [candidate], "modelVersion": self.model, "responseId": f"resp_{serial:06d}"}
        return made if usage is None else {**made, "usageMetadata": usage}


def count_tokens(body: Mapping[str, Any]) -> dict[str, Any]:
    """The answer to ``countTokens``."""
    return {"totalTokens": max(1, len(json.dumps(body)) // 4)}


def _call(call: ToolCall) -> dict[str, Any]:
    try:
        arguments = json.loads(call.arguments_text())
    except ValueError:
        arguments = {}
    identity = {"id": call.id} if call.id else {}
    return {"functionCall": {**identity, "name": call.name, "args": arguments}}


def _usage(reply: Reply, body: Mapping[str, Any]) -> dict[str, Any]:
    usage: Usage = estimated_usage(reply, {**body, "messages": body.get("contents")})
    return {
        "promptTokenCount": usage.input,
        "candidatesTokenCount": usage.output - usage.reasoning,
        "totalTokenCount": usage.input + usage.output,
        **({"cachedContentTokenCount": usage.cached} if usage.cached else {}),
        **({"thoughtsTokenCount": usage.reasoning} if usage.reasoning else {}),
    }


def _frame(payload: dict[str, Any]) -> bytes:
    return f"data: {json.dumps(payload, separators=(',', ':'))}\n\n".encode()
