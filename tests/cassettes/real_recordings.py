# SPDX-License-Identifier: Apache-2.0
"""Recordings of real providers, if they lie beside the checkout: read, and made into calls of LangChain's clients."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import yaml
from langchain_anthropic import ChatAnthropic
from langchain_core.messages import (
    AIMessage,
    BaseMessage,
    HumanMessage,
    SystemMessage,
    ToolMessage,
    convert_to_messages,
)
from langchain_core.runnables import Runnable
from langchain_openai import AzureChatOpenAI, ChatOpenAI

RECORDINGS = Path(__file__).resolve().parents[2] / "../shared/data/cassettes"
CHAT, MESSAGES, RESPONSES = "openai.chat_completions", "anthropic.messages", "openai.responses"
_KEY = "not-a-key"


@dataclass(frozen=True)
class Recording:
    """One request and its answer."""

    name: str
    api: str
    uri: str
    body: dict[str, Any]
    status: dict[str, Any]
    headers: dict[str, list[str]]
    answer: bytes

    @property
    def path(self) -> str:
        """The path of the request."""
        return urlsplit(self.uri).path

    @property
    def streamed(self) -> bool:
        """Whether a stream was asked for."""
        return bool(self.body.get("stream"))


def recordings() -> Iterator[Recording]:
    """All of them, also those that no LangChain client of OpenAI or Anthropic can ask for."""
    if not (RECORDINGS / "manifest.json").exists():
        return
    for entry in json.loads((RECORDINGS / "manifest.json").read_text(encoding="utf-8")):
        kept = yaml.load((RECORDINGS / entry["file"]).read_text(encoding="utf-8"), Loader=yaml.CSafeLoader)
        for number, (about, kept_one) in enumerate(zip(entry["interactions"], kept["interactions"], strict=True)):
            name = f"{Path(entry['file']).stem.partition('__')[2]}#{number}"
            yield _recording(name, about, kept_one["request"], kept_one["response"])


def _recording(name: str, about: dict[str, Any], request: dict[str, Any], response: dict[str, Any]) -> Recording:
    body = request.get("parsed_body") or json.loads(request["body"])
    headers = {key.lower(): values for key, values in response["headers"].items()}
    answer = response["body"]["string"] if "body" in response else json.dumps(response["parsed_body"])
    # Some recorders keep no headers; the clients read by this one.
    kind = "text/event-stream" if str(answer).startswith(("event:", "data:")) else "application/json"
    kept = {
        "content-type": [kind],
        **{key: headers[key] for key in ("content-type", "content-encoding") if key in headers},
    }
    raw = answer.encode() if isinstance(answer, str) else answer
    status = {"message": "", **response["status"]}
    return Recording(name, about["api"], request["uri"], body, status, kept, raw)


# --- the client, the messages and the parameters that make the recorded request


Call = tuple[Runnable[Any, Any], list[BaseMessage]]
_calls: dict[str, Call] = {}  # a client costs a reading of all certificates


def call_of(recording: Recording, url: str) -> Call:
    """The client with the parameters of the recorded request bound to it, and the messages to give it."""
    if recording.name not in _calls:
        _calls[recording.name] = _call(recording, url)
    return _calls[recording.name]


def _call(recording: Recording, url: str) -> Call:
    body = dict(recording.body)
    if recording.api == MESSAGES:
        messages = _anthropic_messages(body.pop("system", None), body.pop("messages"))
    elif recording.api == CHAT:
        messages = convert_to_messages([{"content": None, **message} for message in body.pop("messages")])
    else:
        messages = _responses_messages(body.pop("input"))
    body.pop("stream", None)
    model = _client(recording, url, body)
    # What only a compatible provider knows goes the way that the client has for it.
    extra = (
        {"extra_body": {"reasoning": body.pop("reasoning")}} if recording.api == CHAT and "reasoning" in body else {}
    )
    return model.bind(**body, **extra), messages


def _client(recording: Recording, url: str, body: dict[str, Any]) -> Any:
    base = url + recording.path
    if recording.api == MESSAGES:
        tokens = body.pop("max_tokens")
        # What is in beta needs its name in a header, which recorders leave out.
        betas = ["compact-2026-01-12"] if "context_management" in body else None
        return ChatAnthropic(
            base_url=url,
            api_key=_KEY,
            model=body.pop("model"),
            max_tokens=tokens,
            max_retries=0,
            betas=betas,
        )
    if "/openai/deployments/" in recording.path:
        deployment = recording.path.split("/deployments/")[1].split("/")[0]
        version = dict(parse_qsl(urlsplit(recording.uri).query))["api-version"]
        return AzureChatOpenAI(
            azure_endpoint=url,
            azure_deployment=deployment,
            api_version=version,
            api_key=_KEY,
            max_retries=0,
            model=body.pop("model", None),
        )
    options = body.pop("stream_options", None) or {}
    return ChatOpenAI(
        base_url=base.removesuffix("/chat/completions").removesuffix("/responses"),
        api_key=_KEY,
        model=body.pop("model"),
        max_retries=0,
        use_responses_api=recording.api == RESPONSES,
        stream_usage=bool(options.get("include_usage")),
    )


def _anthropic_messages(system: Any, given: list[dict[str, Any]]) -> list[BaseMessage]:
    made: list[BaseMessage] = [SystemMessage(system)] if system else []
    for message in given:
        made.append((AIMessage if message["role"] == "assistant" else HumanMessage)(message["content"]))
    return made


def _responses_messages(given: Any) -> list[BaseMessage]:
    if isinstance(given, str):
        return [HumanMessage(given)]
    made: list[BaseMessage] = []
    for item in given:
        if item.get("type") == "function_call_output":
            made.append(ToolMessage(item["output"], tool_call_id=item["call_id"]))
        elif "role" in item and item["role"] != "assistant":
            made += convert_to_messages([{"role": item["role"], "content": item["content"]}])
        else:
            made.append(AIMessage([item]) if "role" not in item else _said(item))
    return made


def _said(item: dict[str, Any]) -> AIMessage:
    if isinstance(item["content"], str):
        return AIMessage(item["content"])
    return AIMessage([{**block, "id": item.get("id"), "phase": item.get("phase")} for block in item["content"]])
