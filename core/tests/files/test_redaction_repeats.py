# SPDX-License-Identifier: Apache-2.0
"""What was harmless before is skipped, and no secret hides behind it: with a memory and without say the same."""

from __future__ import annotations

import json
import random
from typing import Any

import pytest

from nemo_relay.redaction import Redaction

SECRETS: tuple[tuple[str, Any], ...] = (
    ("text", "sk-ant-api03-abcdefghijklmnop"),
    ("text", "see https://user:hunter2@example.test/ for it"),
    ("text", "GET /?a=b&api_key=abcdefgh"),
    ("text", "Authorization: Bearer abcdef123456"),
    ("object", {"password": "hunter2hunter2"}),
    ("object", {"name": "X-Api-Key", "value": "abcdefgh"}),
    ("object", {"headers": [["authorization", "abcdefgh"], ["accept", "*/*"]]}),
    ("text", json.dumps({"rows": [{"token": "abcdefghijkl"}, {"a": "b"}]})),
)


def said(number: int) -> dict[str, Any]:
    """One message of a conversation; some are calls of tools, some carry JSON in their text."""
    if number % 3 == 0:
        return {"role": "user", "content": f"Question {number}: " + "does it rain in Lisbon? " * (number % 11)}
    if number % 3 == 1:
        arguments = json.dumps({"city": "Lisbon", "number": number})
        return {"role": "assistant", "tool_calls": [{"id": f"c{number}", "function": {"arguments": arguments}}]}
    return {
        "role": "tool",
        "content": json.dumps({"rows": [{"id": i, "text": "umbrella"} for i in range(number % 23)]}),
    }


def line(messages: list[Any], *, twice: bool) -> bytes:
    """The line of a call with these messages, normalised as well if ``twice``."""
    event = {
        "atof_version": "0.1",
        "category_profile": {"model_name": "m", **({"annotated_request": {"messages": messages}} if twice else {})},
        "data": {"content": {"model": "m", "messages": messages, "temperature": 0}, "headers": {"x-team": "red"}},
        "metadata": None,
        "name": "provider",
        "parent_uuid": None,
        "uuid": "u",
    }
    return json.dumps(event, separators=(",", ":")).encode() + b"\n"


def with_secret(messages: list[Any], at: int, kind: str, secret: Any) -> list[Any]:
    made = json.loads(json.dumps(messages))
    made[at]["content" if kind == "text" else "extra"] = secret
    return list(made)


@pytest.mark.parametrize("twice", [False, True])
@pytest.mark.parametrize("seed", range(4))
def test_a_secret_anywhere_in_a_conversation_that_grows_is_masked(seed: int, twice: bool) -> None:
    chance = random.Random(seed)
    remembering = Redaction()
    messages = [said(number) for number in range(20)]
    for turn in range(20, 50):
        messages.append(said(turn))
        clean = line(messages, twice=twice)
        assert remembering.line(clean) is clean
        kind, secret = chance.choice(SECRETS)
        for at in {len(messages) - 1, chance.randrange(len(messages)), 0}:
            dirty = line(with_secret(messages, at, kind, secret), twice=twice)
            masked = remembering.line(dirty)
            assert masked == Redaction().line(dirty)
            assert b"REDACTED" in masked
            assert remembering.line(dirty) == masked  # what held a secret is not learnt


def test_a_secret_at_any_distance_from_the_end_of_what_is_known() -> None:
    remembering = Redaction()
    known = [{"role": "user", "content": "word " * 100} for _ in range(20)]
    remembering.line(line(known, twice=False))
    for filling in range(0, 2_300, 7):
        dirty = line(
            [*known, {"role": "user", "content": "x" * filling + " sk-ant-api03-abcdefghijklmnop"}], twice=False
        )
        assert b"abcdefghijklmnop" not in remembering.line(dirty)


def test_a_secret_in_the_body_alone_is_masked_where_the_normalised_form_is_known() -> None:
    remembering = Redaction()
    messages = [said(number) for number in range(40)]
    clean = line(messages, twice=True)
    for _ in range(2):
        assert remembering.line(clean) is clean
    event = json.loads(clean)
    event["data"]["content"]["messages"][-1]["content"] = "sk-ant-api03-abcdefghijklmnop"
    dirty = json.dumps(event, separators=(",", ":")).encode() + b"\n"
    assert b"abcdefghijklmnop" not in remembering.line(dirty)


def test_a_pattern_of_the_application_may_reach_across_what_is_known() -> None:
    redaction = Redaction(values=[r"BEGIN[\s\S]*END"])
    messages = [{"role": "user", "content": "word " * 300} for _ in range(10)]
    clean = line(messages, twice=False)
    assert redaction.line(clean) is clean
    dirty = line([*messages, {"role": "user", "content": "BEGIN all of it END"}], twice=False)
    assert b"all of it" not in redaction.line(dirty)
