# SPDX-License-Identifier: Apache-2.0
"""Recorded provider traffic and the published package's answers, from the folder beside the checkout."""

from __future__ import annotations

import gzip
import json
import zlib
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import yaml  # type: ignore[import-untyped]

SHARED = Path(__file__).resolve().parents[4] / "../shared/data"
CASSETTES = SHARED / "cassettes"
_CODECS = {
    "openai.chat_completions": "openai_chat",
    "openai.responses": "openai_responses",
    "anthropic.messages": "anthropic_messages",
    "gemini.generate_content": "gemini_generate_content",
}


class Interaction(NamedTuple):
    """One recorded call."""

    name: str
    codec: str
    request: Any
    request_text: str
    status: int
    streaming: bool
    body: bytes


def lines(name: str) -> list[dict[str, Any]]:
    """The records of a JSON-lines file; none where the folder is missing."""
    path = SHARED / name
    if not path.exists():
        return []
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


@cache
def interactions() -> list[Interaction]:
    """Every recorded call that a codec is for."""
    manifest = CASSETTES / "manifest.json"
    if not manifest.exists():
        return []
    out = []
    for entry in json.loads(manifest.read_text(encoding="utf-8")):
        path = CASSETTES / entry["source_repo"].replace("/", "__") / Path(entry["file"]).name
        recorded = yaml.load(path.read_text(encoding="utf-8"), Loader=_Loader)["interactions"]
        out += [_interaction(path.stem, known, recorded[known["i"]]) for known in entry["interactions"]]
    return [one for one in out if one.codec]


_Loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def _interaction(stem: str, known: dict[str, Any], recorded: dict[str, Any]) -> Interaction:
    request, response = recorded["request"], recorded["response"]
    text = _request_text(request)
    return Interaction(
        name=f"{stem}[{known['i']}]",
        codec=_CODECS.get(known["api"], ""),
        request=json.loads(text),
        request_text=text,
        status=known["status"],
        streaming=known["streaming"],
        body=_response_body(response),
    )


def _request_text(request: dict[str, Any]) -> str:
    if "parsed_body" in request:
        return json.dumps(request["parsed_body"])
    body = request.get("body")
    if isinstance(body, dict):
        body = body.get("string", "")
    return body.decode() if isinstance(body, bytes) else str(body)


def _response_body(response: dict[str, Any]) -> bytes:
    if "parsed_body" in response:
        return json.dumps(response["parsed_body"]).encode()
    body = response.get("body")
    if isinstance(body, dict):
        body = body.get("string", b"")
    data = body if isinstance(body, bytes) else str(body or response.get("content", "")).encode()
    if data[:2] == b"\x1f\x8b":
        # Some recorders cut the stream before the trailer of its gzip form.
        return zlib.decompressobj(31).decompress(data) if not _whole(data) else gzip.decompress(data)
    return data


def _whole(data: bytes) -> bool:
    try:
        gzip.decompress(data)
    except (EOFError, OSError, zlib.error):
        return False
    return True


def is_sse(one: Interaction) -> bool:
    """Whether the body is an event stream."""
    return one.streaming and one.status == 200 and b"data:" in one.body[:2000]
