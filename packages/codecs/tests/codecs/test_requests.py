# SPDX-License-Identifier: Apache-2.0
"""The request view: identity, isolation, foreign objects, edits."""

from __future__ import annotations

import copy
import enum
import json
import pickle
from collections import UserDict
from dataclasses import dataclass
from typing import Any

import pytest

import nemo_relay_codecs as codecs
from nemo_relay_codecs import AnnotatedLLMRequest, CodecError, LLMRequest

CHAT: dict[str, Any] = {
    "z_vendor": {"keep": None},
    "model": "m-1",
    "temperature": 0,
    "messages": [
        {"role": "system", "content": "Be brief."},
        {
            "role": "user",
            "content": [{"type": "text", "text": "Look"}, {"type": "image_url", "image_url": {"url": "u"}}],
        },
        {"role": "assistant", "content": None, "refusal": None},
    ],
    "tools": [{"type": "function", "function": {"name": "f", "parameters": None}}],
}
BUILTIN = ["openai_chat", "openai_responses", "anthropic_messages", "gemini_generate_content", "oci_genai"]


def view_of(content: Any, codec: str = "openai_chat") -> tuple[Any, AnnotatedLLMRequest, LLMRequest]:
    found = codecs.resolve(codec)
    request = LLMRequest({"h": "1"}, content)
    return found, found.decode(request), request


def test_decoding_shares_and_never_changes_the_application_s_objects() -> None:
    before = copy.deepcopy(CHAT)
    codec, view, request = view_of(CHAT)
    view.messages[0]["content"] = "changed in a copy"
    view.extra["z_vendor"]["keep"] = 1
    assert before == CHAT
    assert view.messages[0]["content"] == "Be brief."
    assert codec.encode(view, request) is request


def test_an_edit_builds_new_objects_and_keeps_order_and_headers() -> None:
    before = copy.deepcopy(CHAT)
    codec, view, request = view_of(CHAT)
    view.model = "m-2"
    view.messages = [*view.messages[:1], {"role": "user", "content": "Hi"}, *view.messages[1:]]
    encoded = codec.encode(view, request)
    assert list(encoded.content) == list(CHAT)
    assert encoded.content["z_vendor"] is CHAT["z_vendor"]
    assert encoded.content["messages"][3] is CHAT["messages"][2]
    assert encoded.headers is request.headers
    assert before == CHAT


def test_assigning_and_reassigning_the_old_value_is_no_edit() -> None:
    codec, view, request = view_of(CHAT)
    view.model = "m-2"
    view.model = "m-1"
    assert codec.encode(view, request) is request


def test_a_refused_assignment_changes_nothing() -> None:
    codec, view, request = view_of(CHAT)
    with pytest.raises(ValueError, match="invalid messages"):
        view.messages = [{"role": "wizard"}]
    with pytest.raises(TypeError):
        view.model = 5
    with pytest.raises(OverflowError):
        view.top_logprobs = -1
    with pytest.raises(AttributeError):
        view.no_such_attribute = 1  # type: ignore[attr-defined]
    assert codec.encode(view, request) is request


def test_a_cleared_attribute_leaves_the_payload() -> None:
    codec, view, request = view_of(CHAT)
    view.tools = None
    view.params = None
    encoded = codec.encode(view, request).content
    assert "tools" not in encoded and "temperature" not in encoded


def test_a_lone_stop_string_is_one_sequence() -> None:
    codec, view, request = view_of(CHAT)
    view.params = {"stop": "END"}
    assert codec.encode(view, request).content["stop"] == ["END"]


def test_an_annotation_from_scratch_replaces_what_it_does_not_contain() -> None:
    codec, _, request = view_of(CHAT)
    encoded = codec.encode(AnnotatedLLMRequest([], model="m-9"), request).content
    assert encoded == {"messages": [], "model": "m-9"}


def test_an_annotation_of_another_request_is_merged_into_this_one() -> None:
    codec, view, _ = view_of(CHAT)
    other = LLMRequest({}, {**CHAT, "model": "m-2"})
    assert codec.encode(view, other).content == CHAT


class Message(UserDict[str, Any]):
    """A mapping that is no dict."""


@dataclass
class Part:
    type: str
    text: str


class Role(enum.StrEnum):
    USER = "user"


class Model:
    """What an SDK's model looks like from outside."""

    def model_dump(self) -> dict[str, Any]:
        return {"role": "assistant", "content": "from a model"}


def test_objects_of_sdks_are_read_as_their_json() -> None:
    content = {"messages": (Message(role="user", content=[Part("text", "Hi")]), Model()), "model": "m-1"}
    codec, view, request = view_of(content)
    assert view.messages == [
        {"role": "user", "content": [{"type": "text", "text": "Hi"}]},
        {"role": "assistant", "content": "from a model"},
    ]
    assert codec.encode(view, request) is request
    view.model = "m-2"
    assert codec.encode(view, request).content["messages"] == view.messages


def test_string_enumerations_are_strings() -> None:
    _, view, _ = view_of({"messages": [{"role": Role.USER, "content": "Hi"}]})
    assert view.last_user_message() == "Hi"


def test_what_json_cannot_express_is_refused_by_name() -> None:
    with pytest.raises(ValueError, match="unsupported type 'object'"):
        view_of({"messages": [object()]})
    loop: list[Any] = []
    loop.append(loop)
    _, view, _ = view_of(CHAT)
    with pytest.raises(ValueError, match="circular"):
        view.metadata = loop
    with pytest.raises(ValueError, match="out of range"):
        view.metadata = 2**64


def test_json_that_is_nested_too_deeply_is_a_typed_error() -> None:
    deep: Any = []
    for _ in range(3000):
        deep = [deep]
    codec = codecs.resolve("openai_chat")
    view = codec.decode(LLMRequest({}, {"messages": [], "x": deep}))
    with pytest.raises(CodecError, match="nested too deeply"):
        codec.encode(view, LLMRequest({}, {"messages": [], "x": copy_of(deep)}))


def copy_of(deep: Any) -> Any:
    out: Any = []
    while deep:
        deep = deep[0]
        out = [out]
    return out


def test_errors_are_typed_and_have_their_own_name() -> None:
    with pytest.raises(RuntimeError) as caught:
        view_of({})
    assert isinstance(caught.value, CodecError)
    assert type(caught.value).__name__ == type(caught.value).__qualname__ == "InvalidPayload"
    assert str(caught.value) == "invalid argument: OpenAI Chat request is missing messages"


def test_errors_do_not_carry_the_prompt() -> None:
    codec, view, request = view_of(CHAT)
    view.messages = [{"role": "user", "content": [{"type": "image", "image": {"secret": "prompt"}}]}]
    with pytest.raises(CodecError) as caught:
        codec.encode(view, request)
    assert "secret" not in str(caught.value) and "prompt" not in str(caught.value)


@pytest.mark.parametrize("name", BUILTIN)
def test_a_codec_takes_only_its_own_types(name: str) -> None:
    codec = codecs.resolve(name)
    with pytest.raises(TypeError, match="'dict' object is not an instance of 'LLMRequest'"):
        codec.decode({})
    assert repr(codec) == f"<{type(codec).__name__}>"
    assert isinstance(codec, codecs.LlmCodec) and isinstance(codec, codecs.LlmResponseCodec)
    assert not isinstance(object(), codecs.LlmCodec)


def test_the_event_form_lets_attributes_win_over_members_of_extra() -> None:
    view = AnnotatedLLMRequest([], model="m-1", extra={"model": "spoofed", "other": 1})
    assert view.to_event() == {"messages": [], "model": "m-1", "other": 1}
    assert view.extra["model"] == "spoofed"


def test_the_event_form_comes_back() -> None:
    _, view, _ = view_of(CHAT)
    back = AnnotatedLLMRequest.from_event(json.loads(json.dumps(view.to_event())))
    assert back.messages == view.messages
    assert back.extra == view.extra
    assert repr(back) == '<AnnotatedLLMRequest messages=3 model=Some("m-1")>'


def test_annotations_can_be_copied_and_pickled() -> None:
    view = AnnotatedLLMRequest([{"role": "user", "content": "Hi"}], model="m-1")
    for other in (copy.deepcopy(view), pickle.loads(pickle.dumps(view))):
        assert other.messages == view.messages


def test_requests_with_bytes_are_read_and_shown_by_reference() -> None:
    """boto3 takes media as bytes."""
    image = {"image": {"format": "png", "source": {"bytes": b"\x89PNG" * 10}}}
    content = {"modelId": "m-1", "messages": [{"role": "user", "content": [image, {"text": "What?"}]}]}
    codec, view, request = view_of(content, "bedrock_converse")
    assert codec.encode(view, request) is request
    shown = view.to_event()["messages"][0]["content"][0]["image"]["source"]
    assert shown["size"] == 40 and shown["bytes"].startswith("sha256:")
