# SPDX-License-Identifier: Apache-2.0
"""`nemo_relay.log` and its five shorter names."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Any

import pytest

import nemo_relay
from nemo_relay._runtime.log import faults, oplog
from nemo_relay._runtime.log.record import DEBUG, ERROR, INFO, TRACE, WARN, Output, Record


class Memory:
    """An output that keeps what it gets."""

    def __init__(self, level: int) -> None:
        self.level = level
        self.records: list[Record] = []

    def write(self, record: Record) -> None:
        self.records.append(record)

    def close(self, seconds: float) -> None:
        raise AssertionError("nobody shuts the log down here")


@pytest.fixture
def logged() -> Iterator[list[Record]]:
    memory, before, threshold = Memory(TRACE), oplog.outputs, oplog.threshold
    outputs: tuple[Output, ...] = (memory,)
    oplog.install(outputs)
    yield memory.records
    oplog.outputs, oplog.threshold = before, threshold


def test_each_level_has_its_function(logged: list[Record]) -> None:
    for name in ("error", "warn", "info", "debug", "trace"):
        getattr(nemo_relay, name)(f"a {name}")
    nemo_relay.log("warning", "a warning")
    nemo_relay.log(" INFO ", "an info")
    assert [record.level for record in logged] == [ERROR, WARN, INFO, DEBUG, TRACE, WARN, INFO]
    assert {record.target for record in logged} == {"nemo_relay.python"}


def test_target_and_fields(logged: list[Record]) -> None:
    fields = {"event": "custom", "message": "dropped", "n": None, "l": [1, {"a": 2}]}
    nemo_relay.info("hello", target="worker", fields=fields)
    nemo_relay.info("hello", fields={"event": 5})
    assert logged[0].target == "nemo_relay.python.worker"
    assert (logged[0].event, logged[0].fields) == ("custom", {"n": None, "l": [1, {"a": 2}]})
    assert logged[1].event == "5"
    assert "event" in fields, "the caller's dict is the caller's"


def test_fields_are_copied_and_never_fail(logged: list[Record]) -> None:
    loop: list[Any] = []
    loop.append(loop)
    nested = {"at": datetime(2026, 1, 2), "cycle": loop, "object": object(), 3: "three"}
    nemo_relay.info("m", fields={"nested": nested})
    nested["at"] = None  # type: ignore[assignment]
    kept = logged[0].fields["nested"]
    assert kept["at"] == "2026-01-02T00:00:00"
    assert kept["3"] == "three"


@pytest.mark.parametrize(
    ("call", "error", "text"),
    [
        (lambda: nemo_relay.log("loud", "m"), RuntimeError, "invalid argument: invalid log level"),
        (lambda: nemo_relay.log(3, "m"), TypeError, "'int' object is not an instance of 'str'"),  # type: ignore[arg-type]
        (lambda: nemo_relay.info(3), TypeError, "'int' object is not an instance of 'str'"),  # type: ignore[arg-type]
        (lambda: nemo_relay.info("m", target=3), TypeError, "'int' object is not"),  # type: ignore[arg-type]
        (lambda: nemo_relay.info("m", fields=[1]), TypeError, "log fields must be an object"),  # type: ignore[arg-type]
    ],
)
def test_wrong_arguments(call: Any, error: type[Exception], text: str) -> None:
    with pytest.raises(error, match=text):
        call()


def test_a_level_that_nobody_wants_costs_no_copy(logged: list[Record]) -> None:
    oplog.threshold = ERROR

    class Trap:
        def __repr__(self) -> str:
            raise AssertionError("looked at")

    nemo_relay.debug("m", fields={"trap": Trap()})
    assert logged == []


def test_a_failure_is_recorded_once_per_kind(logged: list[Record]) -> None:
    for _ in range(3):
        faults.report("test_logging_failed", ValueError("no"), part="a")
    faults.report("test_logging_failed", KeyError("no"), part="a")
    faults.report("test_logging_failed", ValueError("no"), part="b")
    assert [(record.level, record.event, record.message) for record in logged] == [
        (ERROR, "test_logging_failed", "ValueError: no"),
        (ERROR, "test_logging_failed", "KeyError: 'no'"),
        (ERROR, "test_logging_failed", "ValueError: no"),
    ]
    assert faults.counts["test_logging_failed"] == 5


def test_kinds_of_failures_do_not_pile_up(logged: list[Record], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(faults, "MAX_KINDS", len(faults.counts) + 3)
    for number in range(50):
        faults.report("test_many_failed", ValueError("no"), span=f"span-{number}")
    assert faults.counts["test_many_failed"] == 50
    assert 0 < len(logged) < 5


def test_failures_are_visible_without_any_setting(capsys: pytest.CaptureFixture[str]) -> None:
    faults.report("test_visible_failed", ValueError("no"), part="a b")
    line = capsys.readouterr().err
    assert " ERROR root=" in line
    assert line.endswith(' target=nemo_relay.runtime event=test_visible_failed part="a b" ValueError: no\n')
