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


UUID = "01a22667-e02e-71a8-963d-862ec3acfe02"
ODD: tuple[dict[str, Any], ...] = (
    {"password": 12345678},
    {"token": UUID},
    {f"password:{UUID}": "hunter2hunter2"},
    {"api_key:17": "hunter2hunter2"},
    {"name": "X-Api-Key", "value": UUID},
    {"pair": ["authorization", UUID]},
    {"text": f"https://user:{UUID}@example.test"},
    {"text": f"GET /?api_key={UUID}"},
    {"text": f"Bearer {UUID}"},
    {"text": f"x:{UUID}-pwd=hunter2hunter2"},
    {"text": f"x:{UUID} sk-ant-api03-abcdefghijklmnop"},
    {"text": json.dumps({"id": 5, "secret": UUID})},
)


@pytest.mark.parametrize("secret", ODD, ids=str)
def test_what_differs_from_a_known_text_in_numbers_alone_may_still_be_secret(secret: dict[str, Any]) -> None:
    remembering = Redaction()
    for number in range(3):
        harmless = json.dumps({"step": number, "run": f"model:{UUID}", "id": UUID}, separators=(",", ":")).encode()
        clean = b'{"data":%b,"name":"n"}\n' % harmless
        assert remembering.made_of(clean, (b"null", harmless)) is clean
    dirty = json.dumps({"step": 1, **secret, "id": UUID}, separators=(",", ":")).encode()
    line = b'{"category_profile":null,"data":%b,"metadata":null,"name":"n","parent_uuid":null}\n' % dirty
    for _ in range(2):
        masked = remembering.made_of(line, (b'"name":"n"', dirty))
        assert b"REDACTED" in masked
        assert masked == Redaction().line(line)


@pytest.mark.parametrize("seed", range(4))
def test_a_line_is_masked_by_its_payloads_as_it_is_by_itself(seed: int) -> None:
    chance = random.Random(seed)
    remembering = Redaction()
    for number in range(60):
        messages = [said(number + offset) for offset in range(chance.randrange(1, 12))]
        if chance.random() < 0.3:
            messages = with_secret(messages, chance.randrange(len(messages)), *chance.choice(SECRETS))
        whole = line(messages, twice=chance.random() < 0.5)
        event = json.loads(whole)
        payloads = [json.dumps(event[name], separators=(",", ":")).encode() for name in ("category_profile", "data")]
        assert remembering.made_of(whole, payloads) == Redaction().line(whole)


def test_patterns_of_the_application_may_be_about_numbers() -> None:
    by_name = Redaction(keys=[r"^step_12$"])
    for number, masked in ((11, False), (12, True), (13, False)):
        payload = b'{"step:%d":"value"}' % number
        text = b'{"category_profile":null,"data":%b,"metadata":null,"name":"n","parent_uuid":null}\n' % payload
        assert (b"REDACTED" in by_name.made_of(text, (payload,))) is masked
    by_look = Redaction(values=[r":12\b"])
    for number, masked in ((11, False), (12, True), (13, False)):
        payload = b'{"a":"b:%d"}' % number
        text = b'{"category_profile":null,"data":%b,"metadata":null,"name":"n","parent_uuid":null}\n' % payload
        assert (b"REDACTED" in by_look.made_of(text, (payload,))) is masked
