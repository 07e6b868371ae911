# SPDX-License-Identifier: Apache-2.0
"""Telling the user's Ctrl-C from an exception that code which is not ours has raised."""

from __future__ import annotations

from opcode import opmap

_RAISE = opmap["RAISE_VARARGS"]


def is_interrupt(error: BaseException) -> bool:
    """Whether ``error`` is the user's Ctrl-C, and not a KeyboardInterrupt that some code raised by a statement."""
    if not isinstance(error, KeyboardInterrupt):
        return False
    innermost = error.__traceback__
    while innermost is not None and innermost.tb_next is not None:
        innermost = innermost.tb_next
    return innermost is None or innermost.tb_frame.f_code.co_code[innermost.tb_lasti] != _RAISE
