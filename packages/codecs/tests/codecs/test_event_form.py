# SPDX-License-Identifier: Apache-2.0
"""A mapping that is taken as it stands says byte for byte what the annotation made of it would say."""

from __future__ import annotations

import random
from typing import Any

import msgspec
import pytest

from nemo_relay_codecs.model.media import by_reference
from nemo_relay_codecs.model.response import AnnotatedLLMResponse
from nemo_relay_codecs.model.response_checks import is_event_form

CALL = {"id": "1", "name": "n", "arguments": {"city": "Lisbon", "days": [1, 2.5, None, True]}}
CYCLE: dict[str, Any] = {}
CYCLE["again"] = CYCLE
MEMBERS: dict[str, list[Any]] = {
    "id": ["a", 1, None],
    "model": ["m", None, b"x"],
    "message": ["hi", "", ["x"], None, {"a": 1}, [{"type": "text", "text": "x"}]],
    "tool_calls": [
        *([], [CALL], [CALL, CALL], [{**CALL, "x": 1}], [{**CALL, "id": 1}], [{**CALL, "arguments": "{}"}], "[]"),
        *([{**CALL, "arguments": odd}] for odd in ({"n": 2**70}, {"n": float("nan")}, {1: 2}, {"t": (1, 2)}, CYCLE)),
        [{**CALL, "arguments": {"media_type": "image/png", "data": "A" * 40}}],
    ],
    "finish_reason": ["complete", "tool_use", "stop", {"unknown": "x"}, None],
    "usage": [{}, {"prompt_tokens": 3}, {"prompt_tokens": -1}, {"prompt_tokens": True}, {"prompt_tokens": 1, "x": 2}],
    "extra": [1],
    "stream": [{"interrupted": True}],
}


@pytest.mark.parametrize("seed", range(8))
def test_a_mapping_is_taken_as_it_stands_only_where_nothing_would_change(seed: int) -> None:
    chance = random.Random(seed)
    taken = 0
    for _ in range(4_000):
        names = [name for name in MEMBERS if chance.random() < 0.5]
        if chance.random() < 0.2:
            chance.shuffle(names)
        event = {name: chance.choice(MEMBERS[name]) for name in names}
        if is_event_form(event):
            taken += 1
            expected = AnnotatedLLMResponse.from_event(event).to_event()
            assert msgspec.json.encode(by_reference(event)) == msgspec.json.encode(expected)
    assert taken > 50
