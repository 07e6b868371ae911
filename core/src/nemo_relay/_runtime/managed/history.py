# SPDX-License-Identifier: Apache-2.0
"""The history in a request's event: how much of it is repeated, and what two forms share is encoded once."""

from __future__ import annotations

from collections.abc import Mapping
from operator import is_
from typing import Any

from nemo_relay._runtime.log import faults
from nemo_relay._runtime.managed.annotations import plain
from nemo_relay_codecs.request import LLMRequest
from nemo_relay_records.encoding import encode, raw


def recent(annotated: Any, content: Any, codec: Any, request: LLMRequest) -> tuple[Any, Any]:
    """The normalised request and its body with only the system messages and the latest turn."""
    from nemo_relay_codecs.model.request import AnnotatedLLMRequest  # with a codec only: it needs msgspec

    known = type(annotated) is AnnotatedLLMRequest
    view = annotated.fields if known else plain(annotated)
    messages = view.get("messages") if isinstance(view, Mapping) else None
    if not isinstance(messages, list):
        return annotated, content
    kept = latest(messages)
    if len(kept) == len(messages):
        return annotated, content
    shown = annotated.replace(messages=kept) if known else {**view, "messages": kept}
    if _is_said_alike(messages, content):
        return shown, {**content, "messages": kept}
    if codec is None:
        return shown, content
    try:
        shorter = shown if known else _shortened(codec.decode(request), kept)
        return shown, codec.encode(shorter, request).content
    except Exception as error:
        faults.report("projection_failed", error, codec=type(codec).__name__)
        return annotated, content


def _shortened(annotated: Any, messages: list[Any]) -> Any:
    annotated.messages = messages
    return annotated


def latest(messages: list[Any]) -> list[Any]:
    """System messages and everything from the last user message on; without a user message the last message."""
    start = len(messages) - 1
    for index in range(start, -1, -1):
        if _role(messages[index]) == "user":
            start = index
            break
    return [message for message in messages[:start] if _role(message) == "system"] + messages[start:]


def _role(message: Any) -> Any:
    if type(message) is dict or isinstance(message, Mapping):
        return message.get("role")
    return None


def encoded_once(view: Any, content: Any) -> tuple[Any, Any, bytes]:
    """Both forms of a request, for an encoder: a message that is the same object in both is JSON already.

    Where all of them are, their JSON comes as well.
    """
    if type(view) is not dict or type(content) is not dict:
        return view, content, b""
    normalized, sent = view.get("messages"), content.get("messages")
    if type(normalized) is not list or type(sent) is not list or len(normalized) != len(sent):
        return view, content, b""
    if _is_said_alike(normalized, content):
        text = encode(sent)
        both = raw(text)
        return {**view, "messages": both}, {**content, "messages": both}, text
    normalized, sent = normalized.copy(), sent.copy()
    for index, message in enumerate(sent):
        if normalized[index] is message:
            normalized[index] = sent[index] = raw(encode(message))
    return {**view, "messages": normalized}, {**content, "messages": sent}, b""


def _is_said_alike(messages: list[Any], content: Any) -> bool:
    """Whether the normalised messages are the very objects of the body's list, one for one."""
    sent = content.get("messages") if type(content) is dict else None
    return type(sent) is list and len(sent) == len(messages) and all(map(is_, sent, messages))
