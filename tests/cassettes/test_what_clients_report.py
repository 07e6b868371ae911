# SPDX-License-Identifier: Apache-2.0
"""What recordings of real providers taught about the words of LangChain's clients, held without those recordings."""

from __future__ import annotations

from typing import Any

import pytest
from langchain_core.messages import AIMessage

from nemo_relay.integrations.langchain import RelayCallbackHandler
from nemo_relay.integrations.langchain.testing import ScriptedChatModel
from nemo_relay.testing import capture_events

CALL = {"name": "weather", "args": {}, "id": "c1"}


def ended(message: AIMessage) -> tuple[dict[str, Any], dict[str, Any]]:
    """The answer as the LLM event tells it: the provider's words, and the normalised ones."""
    with capture_events() as captured:
        ScriptedChatModel(script=[message]).invoke("hi", {"callbacks": [RelayCallbackHandler()]})
    (end,) = captured.ends(category="llm")
    return end.data, end.category_profile["annotated_response"]


@pytest.mark.parametrize(
    ("details", "written"),
    [
        ({"cache_read": 7, "cache_creation": 5}, 5),
        ({"cache_read": 7, "cache_creation": 0, "ephemeral_5m_input_tokens": 3, "ephemeral_1h_input_tokens": 2}, 5),
        ({"cache_read": 7, "cache_creation": 0, "ephemeral_5m_input_tokens": 0, "ephemeral_1h_input_tokens": 0}, 0),
        ({"cache_read": 7}, None),
    ],
)
def test_s63_tokens_written_to_a_cache_are_counted_by_lifetime_too(details: Any, written: int | None) -> None:
    usage = {"input_tokens": 20, "output_tokens": 1, "total_tokens": 21, "input_token_details": details}
    said, _ = ended(AIMessage("hi", usage_metadata=usage))  # type: ignore[arg-type]
    assert (said["usage"]["cache_read_tokens"], said["usage"].get("cache_write_tokens")) == (7, written)


@pytest.mark.parametrize(
    ("about", "calls", "word", "normal"),
    [
        ({"status": "completed"}, [], "completed", "complete"),
        ({"status": "completed"}, [CALL], "completed", "tool_use"),
        (
            {"status": "incomplete", "incomplete_details": {"reason": "max_output_tokens"}},
            [],
            "max_output_tokens",
            "length",
        ),
        (
            {"status": "incomplete", "incomplete_details": {"reason": "content_filter"}},
            [],
            "content_filter",
            "content_filter",
        ),
    ],
)
def test_s63_an_answer_of_the_responses_api_says_why_it_ended(about: Any, calls: Any, word: str, normal: str) -> None:
    metadata = {"finish_reason": None, "object": "response", **about}
    said, annotated = ended(AIMessage("hi", tool_calls=calls, response_metadata=metadata))
    assert (said["finish_reason"], annotated["finish_reason"]) == (word, normal)


def test_s63_a_status_of_another_provider_is_no_finish_reason() -> None:
    assert (
        ended(AIMessage("hi", response_metadata={"finish_reason": None, "status": "ready"}))[0]["finish_reason"] is None
    )
