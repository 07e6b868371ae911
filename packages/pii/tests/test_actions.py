# SPDX-License-Identifier: Apache-2.0
"""What becomes of what was found: the published vectors of actions, and the keyed ones that the published has not."""

from __future__ import annotations

import hashlib
import json
from typing import Any

import pytest

from nemo_relay_pii import BuiltinConfig, counters, redacted, reveal
from nemo_relay_pii.models import Builtin
from nemo_relay_pii.profiles import built

DATA = {"v": "abcd@ef", "n": 5, "l": ["ab", True, None, {"k@k": "é😀z"}]}


def run(value: Any, **options: Any) -> Any:
    return built(Builtin.model_validate(options))(value)


@pytest.mark.parametrize(
    ("options", "v", "first", "last"),
    [
        ({"action": "mask", "unmasked_prefix": 2}, "ab*****", "ab", "é😀*"),
        ({"action": "mask", "unmasked_suffix": 3, "mask_char": "#"}, "####@ef", "ab", "é😀z"),
        ({"action": "mask", "unmasked_prefix": 3, "unmasked_suffix": 3}, "abc*@ef", "ab", "é😀z"),
        ({"action": "regex_replace", "pattern": r"(\w+)@(\w+)", "replacement": "$2 at $1"}, "ef at abcd", "ab", "é😀z"),
        ({"action": "regex_replace", "pattern": "b+", "replacement": "${0}x"}, "abxcd@ef", "abx", "é😀z"),
    ],
)
def test_published_vectors(options: dict[str, Any], v: str, first: str, last: str) -> None:
    assert run(DATA, **options) == {"v": v, "n": 5, "l": [first, True, None, {"k@k": last}]}


def test_published_hashes() -> None:
    assert run("ab", action="hash") == "fb8e20fc2e4c3f248c60c39bd652f3c1347298bb977b8b4d5903b85055620603"
    with_pattern = run(DATA, action="hash", pattern="b")["v"]
    assert with_pattern == "a3e23e8160039594a33894f6564e1b1348bbd7a0088d42c4acb73eeaed59c009dcd@ef"


def test_targets() -> None:
    assert run(DATA, target_paths=["/l/0"]) == {**DATA, "l": [None, *DATA["l"][1:]]}  # type: ignore[index]
    assert run(DATA, target_path_globs=["/l/*"])["l"] == [None, None, None, None]
    assert run(DATA, target_paths=["/v"]) == {"n": 5, "l": DATA["l"]}
    assert run(DATA, target_paths=[""]) is None
    assert run({"a/b": {"~": "x"}}, action="mask", target_paths=["/a~1b/~0"]) == {"a/b": {"~": "*"}}
    assert run(DATA, action="mask", target_paths=["/nowhere"]) is DATA


def test_a_whole_segment_is_a_glob_and_a_part_of_one_is_none() -> None:
    data = {"a": {"x1": "secret", "*": "star"}}
    assert run(data, action="mask", target_path_globs=["/a/x*"]) is data
    assert run(data, action="mask", target_paths=["/a/*"]) == {"a": {"x1": "secret", "*": "****"}}


def test_a_hash_with_a_key_is_in_no_dictionary() -> None:
    plain = redacted("jane@example.com", ["email"], action="hash")
    assert plain == hashlib.sha256(b"jane@example.com").hexdigest()
    keyed = redacted("jane@example.com", ["email"], action="hash", key="k1")
    assert keyed != plain and keyed != redacted("jane@example.com", ["email"], action="hash", key="k2")


def test_a_pseudonym_is_the_same_in_every_text_and_differs_between_keys() -> None:
    first = redacted("jane@example.com wrote", ["email"], action="pseudonym", key="k")
    second = redacted({"to": ["jane@example.com"]}, ["all"], action="pseudonym", key="k")["to"][0]
    assert first == f"{second} wrote" and second.startswith("<email:")
    assert second != redacted("jane@example.com", ["email"], action="pseudonym", key="other")


def test_a_pseudonym_may_keep_the_shape() -> None:
    options: dict[str, Any] = {"action": "pseudonym", "key": "k", "pseudonym_style": "shape"}
    shown = redacted("+1 (415) 555-0132", ["phone"], **options)
    assert shown != "+1 (415) 555-0132" and [c for c in shown if not c.isdigit()] == list("+ () -")
    assert redacted("call 4155550132", ["phone"], **options)[5:].isdigit()


def test_encryption_is_taken_back_by_whoever_has_the_key() -> None:
    text = "to jane@example.com from ü@example.com"
    hidden = redacted(text, ["email"], action="encrypt", key="k")
    assert "jane" not in hidden and reveal(hidden, "k") == text and reveal(hidden, "wrong") == hidden
    assert hidden == redacted(text, ["email"], action="encrypt", key="k")


def test_several_detectors_in_one_profile() -> None:
    text = "jane@example.com, 4111 1111 1111 1111, 10.0.0.1"
    assert redacted(text, ["email", "credit_card"], replacement="<{name}>") == "<email>, <credit_card>, 10.0.0.1"


def test_json_inside_texts_is_looked_into() -> None:
    arguments = json.dumps(
        {"mail": b"jane\\u0040example.com".decode("unicode_escape"), "nested": json.dumps({"ip": "10.0.0.1"})}
    )
    escaped = arguments.replace("@", "\\u0040")
    shown = json.loads(redacted(escaped, ["email", "ip_address"]))
    assert shown["mail"] == "[REDACTED]" and json.loads(shown["nested"]) == {"ip": "[REDACTED]"}
    untouched = '{"a":  1.50, "b": "nothing"}'
    assert redacted(untouched, ["email"]) is untouched
    assert redacted("{jane@example.com}", ["email"]) == "{[REDACTED]}"


def test_paths_go_into_json_inside_texts() -> None:
    call = {"function": {"arguments": '{"to": "jane@example.com", "n": 1}'}}
    shown = run(call, action="mask", target_paths=["/function/arguments/to"])
    assert json.loads(shown["function"]["arguments"]) == {"to": "*" * 16, "n": 1}


def test_names_of_keys_on_request_without_losing_one() -> None:
    data = {"jane@example.com": 1, "bob@example.com": 2, "n": 3}
    assert redacted(data, ["email"]) is data
    assert redacted(data, ["email"], object_keys=True) == {"[REDACTED]": 1, "[REDACTED] (2)": 2, "n": 3}


def test_numbers_on_request() -> None:
    assert redacted({"card": 4111111111111111, "n": 12}, ["credit_card"], numbers=True) == {
        "card": "[REDACTED]",
        "n": 12,
    }


def test_what_is_found_is_counted_and_never_kept() -> None:
    before = counters().get("iban", 0)
    redacted(["DE89370400440532013000"] * 3, ["iban"])
    assert counters()["iban"] == before + 3
    assert all(name.isidentifier() for name in counters())


def test_deep_nesting_and_broken_text() -> None:
    deep: Any = "jane@example.com"
    for _ in range(500):
        deep = [deep]
    assert "jane" not in json.dumps(redacted(deep, ["email"]))
    assert "jane" not in redacted("\ud800 jane@example.com", ["email"])
    assert run("\ud800 abc", action="redact", pattern="b") != ""


def test_an_unknown_option_is_told() -> None:
    with pytest.raises(ValueError, match="'nope' is none"):
        redacted("x", ["nope"])
    with pytest.raises(ValueError, match="key is required"):
        redacted("x", ["email"], action="pseudonym")
    assert "k3y" not in repr(BuiltinConfig(key="k3y"))
