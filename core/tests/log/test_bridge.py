# SPDX-License-Identifier: Apache-2.0
"""The operational log through Python's standard logging."""

from __future__ import annotations

import logging
from collections.abc import Iterator

import pytest

from nemo_relay import logs
from nemo_relay._runtime.log import faults, oplog
from nemo_relay.errors import InvalidArgument


@pytest.fixture(autouse=True)
def _as_before() -> Iterator[None]:
    before = oplog.outputs, oplog.threshold
    yield
    oplog.outputs, oplog.threshold = before


def test_records_go_to_the_loggers_of_their_targets(
    caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    caplog.set_level(logging.DEBUG)
    logs.use_logging("info")
    logs.info("ready", target="worker", fields={"event": "started", "n": 1})
    logs.debug("not passed on")
    faults.report("bridge_test_failed", ValueError("https://h/?key=CANARY"), where="here")
    found = [(record.name, record.levelname, record.getMessage()) for record in caplog.records]
    assert found == [
        ("nemo_relay.python.worker", "INFO", "started ready n=1"),
        ("nemo_relay.runtime", "ERROR", "bridge_test_failed ValueError: https://h/?key=[REDACTED] where='here'"),
    ]
    assert capsys.readouterr().err == ""


def test_a_handler_that_fails_or_logs_to_us_is_survived(capsys: pytest.CaptureFixture[str]) -> None:
    class Odd(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            logs.error("in turn")
            raise ValueError("broken handler")

    logger = logging.getLogger("nemo_relay.python.odd")
    handler = Odd()
    logger.addHandler(handler)
    logger.propagate = False
    try:
        logs.use_logging("error")
        logs.error("once", target="odd")
    finally:
        logger.removeHandler(handler)
        logger.propagate = True
    assert "broken handler" in capsys.readouterr().err


def test_an_unknown_level_is_refused() -> None:
    with pytest.raises(InvalidArgument):
        logs.use_logging("loud")
