# SPDX-License-Identifier: Apache-2.0
"""The watchdog of the root conftest barks: code of ours that blocks a loop fails an async test."""

from __future__ import annotations

import time
from types import FunctionType

import pytest
from blockbuster import BlockingError

from workspace import ROOT

BLOCKING = "import time\ndef block():\n    time.sleep(0.001)\n"


def blocking_function(filename: str) -> FunctionType:
    namespace: dict[str, FunctionType] = {}
    exec(compile(BLOCKING, filename, "exec"), namespace)
    return namespace["block"]


async def test_our_code_must_not_block_the_loop() -> None:
    block = blocking_function(str(ROOT / "core" / "src" / "nemo_relay" / "made_up.py"))
    with pytest.raises(BlockingError):
        block()


async def test_code_of_others_may_block_it() -> None:
    blocking_function("/somewhere/else.py")()


@pytest.mark.allow_blocking
async def test_a_test_can_ask_to_be_left_alone() -> None:
    blocking_function(str(ROOT / "core" / "src" / "nemo_relay" / "made_up.py"))()


def test_synchronous_tests_are_not_watched() -> None:
    blocking_function(str(ROOT / "core" / "src" / "nemo_relay" / "made_up.py"))()
    assert time.sleep.__module__ == "time"
