# SPDX-License-Identifier: Apache-2.0
"""A server on loopback that answers one sentence on every provider's wire, and keeps what it was sent, byte by byte."""

from __future__ import annotations

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from langchain_anthropic import ChatAnthropic
from langchain_openai import ChatOpenAI

PROVIDERS = ("openai", "responses", "anthropic", "google")

_ANSWERS: dict[str, Any] = {
    "/chat/completions": {
        "id": "x",
        "object": "chat.completion",
        "created": 1,
        "model": "m-1",
        "choices": [{"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": "fine"}}],
        "usage": {"prompt_tokens": 4, "completion_tokens": 2, "total_tokens": 6},
    },
    "/responses": {
        "id": "x",
        "object": "response",
        "created_at": 1,
        "model": "m-1",
        "status": "completed",
        "parallel_tool_calls": True,
        "tool_choice": "auto",
        "tools": [],
        "output": [
            {
                "type": "message",
                "id": "msg_1",
                "role": "assistant",
                "status": "completed",
                "content": [{"type": "output_text", "text": "fine", "annotations": []}],
            }
        ],
        "usage": {
            "input_tokens": 4,
            "output_tokens": 2,
            "total_tokens": 6,
            "input_tokens_details": {"cached_tokens": 0},
            "output_tokens_details": {"reasoning_tokens": 0},
        },
    },
    "/v1/messages": {
        "id": "x",
        "type": "message",
        "role": "assistant",
        "model": "m-1",
        "content": [{"type": "text", "text": "fine"}],
        "stop_reason": "end_turn",
        "usage": {"input_tokens": 4, "output_tokens": 2},
    },
    ":generateContent": {
        "candidates": [{"content": {"role": "model", "parts": [{"text": "fine"}]}, "finishReason": "STOP", "index": 0}],
        "usageMetadata": {"promptTokenCount": 4, "candidatesTokenCount": 2, "totalTokenCount": 6},
        "modelVersion": "m-1",
    },
}


class _Wire(BaseHTTPRequestHandler):
    sent: list[bytes]

    def do_POST(self) -> None:
        self.sent.append(self.rfile.read(int(self.headers.get("content-length") or 0)))
        path = self.path.partition("?")[0]
        body = json.dumps(next(answer for route, answer in _ANSWERS.items() if path.endswith(route))).encode()
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


class Wire:
    """The server, its address, and what it was sent."""

    def __init__(self) -> None:
        self.sent: list[bytes] = []
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), type("Wire", (_Wire,), {"sent": self.sent}))
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True)
        self._thread.start()
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def taken(self) -> bytes:
        """The one body that was sent since the last time."""
        (body,) = self.sent
        self.sent.clear()
        return body

    def close(self) -> None:
        """Stop the server."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


def client(provider: str, url: str) -> Any:
    """The real client of that provider, pointed at the server."""
    if provider == "anthropic":
        return ChatAnthropic(model_name="m-1", base_url=url, api_key="k", max_retries=0, max_tokens_to_sample=99)
    if provider == "google":
        from langchain_google_genai import ChatGoogleGenerativeAI

        return ChatGoogleGenerativeAI(model="m-1", google_api_key="k", base_url=url, max_retries=1)
    return ChatOpenAI(
        model="m-1", base_url=url, api_key="k", max_retries=0, use_responses_api=provider == "responses", timeout=20
    )
