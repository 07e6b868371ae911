# SPDX-License-Identifier: Apache-2.0
"""Each test of a condition, and the ways around it that somebody may try."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from nemo_relay_guard.conditions import condition, host_of
from nemo_relay_guard.models import Condition, Config
from nemo_relay_guard.rules import Rules

VALUE = {"a": {"b": [{"c": "x"}, {"c": "yes"}]}, "n": 3, "t": True, "s": "hello world", "json": '{"deep": {"c": "in"}}'}
HOLDS: list[tuple[dict[str, Any], bool]] = [
    ({"path": "/n", "equals": 3}, True),
    ({"path": "/t", "equals": 1}, False),
    ({"path": "/n", "in": [1, 2, 3]}, True),
    ({"path": "/a/b/*/c", "equals": "yes"}, True),
    ({"path": "/a/b/0/c", "equals": "yes"}, False),
    ({"path": "/**/c", "equals": "yes"}, True),
    ({"path": "/**/c", "equals": "in"}, True),
    ({"path": "/json/deep/c", "equals": "in"}, True),
    ({"path": "/**", "contains": "world"}, True),
    ({"path": "/s", "glob": "hello*"}, True),
    ({"path": "/s", "glob": "Hello*"}, False),
    ({"path": "/s", "regex": "^world"}, False),
    ({"path": "/s", "regex": "w.rld$"}, True),
    ({"path": "/s", "longer_than": 10}, True),
    ({"path": "/s", "longer_than": 11}, False),
    ({"path": "/x", "exists": True}, False),
    ({"path": "/x", "exists": False}, True),
    ({"path": "/x", "exists": True, "not": True}, True),
    ({"path": "/x", "equals": 1, "not": True}, True),
    ({"path": "/n", "equals": 3, "not": True}, False),
]


@pytest.mark.parametrize(("given", "holds"), HOLDS)
def test_conditions(given: dict[str, Any], holds: bool) -> None:
    assert condition(Condition.model_validate(given))(VALUE) is holds


@pytest.mark.parametrize(
    ("url", "host"),
    [
        ("https://Example.COM./x", "example.com"),
        ("http://good.example@evil.example/", "evil.example"),
        ("https://evil.example\\@good.example/", "evil.example"),
        ("https://ev\til.example/", "evil.example"),
        ("//evil.example/x", "evil.example"),
        ("evil.example/x", "evil.example"),
        ("http://[::1]:80/", "::1"),
        ("http://[bad", None),
        ("", None),
    ],
)
def test_hosts(url: str, host: str | None) -> None:
    assert host_of(url) == host


def test_hosts_below_a_domain() -> None:
    test = condition(Condition.model_validate({"path": "/url", "host_in": ["example.com", "*.corp.example"]}))
    assert test({"url": "https://example.com/a"}) and test({"url": "https://a.b.corp.example"})
    assert not test({"url": "https://notexample.com"}) and not test({"url": "https://evilcorp.example"})


def test_paths_are_resolved_before_they_are_judged(tmp_path: Path) -> None:
    inside, outside = tmp_path / "in", tmp_path / "out"
    inside.mkdir(), outside.mkdir()
    (inside / "link").symlink_to(outside)
    within = condition(Condition.model_validate({"path": "/p", "path_within": [str(inside)]}))
    beyond = condition(Condition.model_validate({"path": "/p", "path_outside": [str(inside)]}))
    cases = {
        str(inside / "a.txt"): True,
        str(inside): True,
        f"{inside}/../out/a": False,
        f"{inside}-not/a": False,
        str(inside / "link" / "a"): False,
        "/etc/passwd": False,
        "\0": False,
        os.path.relpath(inside / "x"): True,
    }
    for path, is_in in cases.items():
        assert within({"p": path}) is is_in and beyond({"p": path}) is not is_in, path


@pytest.mark.parametrize(
    "given",
    [{"path": "/a"}, {"equals": 1, "glob": "x"}, {"path": "a", "equals": 1}, {"regex": "(?=x)"}, {"globb": "x"}],
)
def test_what_is_no_condition_is_told(given: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        Condition.model_validate(given)


def test_patterns_of_many_rules_are_matched_together_and_each_for_itself() -> None:
    rules = [
        {"name": f"r{n}", "on": "tool", "where": [{"path": "/c", "regex": pattern}], "verdict": "deny"}
        for n, pattern in enumerate(["^a", "b$", "é+", "(?i)X", "a.*b", "^a", "\\d{1,900}z"])
    ]
    many = [{**rules[0], "name": f"m{n}", "where": [{"path": "/c", "regex": f"x{n}{{1,900}}q"}]} for n in range(30)]
    for given in (rules, [*rules, *many]):  # the latter are too large to be matched together
        made = Rules(Config.model_validate({"rules": given}))
        for text, hits in (("ab", {0, 1, 4, 5}), ("éx", {2, 3}), ("none", set()), ("12z", {6})):
            value = {"c": text}
            found = {n for n, rule in enumerate(made.rules) if rule.holds(value, lambda: None)}
            assert found == hits, text
