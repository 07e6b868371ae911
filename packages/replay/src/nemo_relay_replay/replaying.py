# SPDX-License-Identifier: Apache-2.0
"""A context in which managed calls are answered from a recording instead of being made."""

from __future__ import annotations

import asyncio
import os
import threading
import time
from collections.abc import AsyncIterator
from difflib import SequenceMatcher, unified_diff
from itertools import count
from typing import Any, Literal, Self

from nemo_relay import LLMRequest, ToolExecutionInterceptOutcome, intercepts

from .errors import ReplayMiss
from .keys import canonical
from .recording import Call, calls_of

_INNERMOST = 1_000_000  # other intercepts run as they do in a live run
_DIFFERENCE = 40  # lines
_COMPARED = 20_000  # characters
_numbers = count(1)


class Replay:
    """The recorded calls, and what became of them. ``replay`` makes it; a context manager, sync and async."""

    def __init__(self, path: str | os.PathLike[str], match: str, missing: str, speed: float, wrapped: bool) -> None:
        self._path, self._match, self._missing, self._speed = path, match, missing, speed
        self._tool: Any = self._wrapped_tool if wrapped else self._plain_tool
        self._lock = threading.Lock()
        self._name = ""
        self._calls: list[Call] = []
        self.answered = 0
        self.live = 0
        self.misses: list[ReplayMiss] = []

    @property
    def left(self) -> list[str]:
        """The uuids of recorded calls that nobody has made."""
        return [call.uuid for call in self._calls if not call.used]

    def __enter__(self) -> Self:
        """Read the recording, and answer from now on."""
        self._calls = calls_of(self._path)
        self._name = f"nemo_relay.replay#{next(_numbers)}"
        intercepts.register_tool_execution(self._name, _INNERMOST, self._tool)
        intercepts.register_llm_execution(self._name, _INNERMOST, self._llm)
        intercepts.register_llm_stream_execution(self._name, _INNERMOST, self._stream)
        return self

    def __exit__(self, *error: object) -> None:
        """Calls are made again."""
        intercepts.deregister_tool_execution(self._name)
        intercepts.deregister_llm_execution(self._name)
        intercepts.deregister_llm_stream_execution(self._name)

    async def __aenter__(self) -> Self:
        """As ``__enter__``; the file is read in a thread."""
        return await asyncio.to_thread(self.__enter__)

    async def __aexit__(self, *error: object) -> None:
        """As ``__exit__``."""
        self.__exit__()

    async def _plain_tool(self, name: str, args: Any, call_next: Any) -> Any:
        call = self._found("tool", name, args)
        return await call_next(args) if call is None else await self._answer(call)

    async def _wrapped_tool(self, context: Any, call_next: Any) -> Any:
        call = self._found("tool", context.tool_name, context.args)
        if call is None:
            made = await call_next(context.args)
            return ToolExecutionInterceptOutcome(made.result, annotation=made.annotation)
        return ToolExecutionInterceptOutcome(await self._answer(call))

    async def _llm(self, name: str, request: LLMRequest, context: Any, call_next: Any) -> Any:
        call = self._found("llm", name, request.content)
        return await call_next(request) if call is None else await self._answer(call)

    async def _stream(self, name: str, request: LLMRequest, context: Any, call_next: Any) -> AsyncIterator[Any]:
        call = self._found("llm", name, request.content)
        if call is None:
            made: AsyncIterator[Any] = await call_next(request)
            return made
        return _once(await self._answer(call))

    async def _answer(self, call: Call) -> Any:
        if self._speed > 0:
            await _pause(call.seconds * self._speed)
        if call.error is not None:
            raise call.error
        return call.answer

    def _found(self, kind: str, name: str, given: Any) -> Call | None:
        """The recorded call; None when it is to be made.

        Raises:
            ReplayMiss: there is none, and calls that are missing are errors.
        """
        key = canonical(kind, given)
        with self._lock:
            open_ = [call for call in self._calls if not call.used and (call.kind, call.name) == (kind, name)]
            chosen = next((call for call in open_ if call.key == key), None)
            if chosen is None and self._match == "structure" and open_:
                chosen = open_[0]
            if chosen is not None:
                chosen.used = True
                self.answered += 1
                return chosen
            if self._missing == "live":
                self.live += 1
                return None
            miss = _miss(kind, name, key, open_)
            self.misses.append(miss)
        raise miss


def replay(
    path: str | os.PathLike[str],
    *,
    match: Literal["exact", "structure"] = "exact",
    missing: Literal["error", "live"] = "error",
    speed: float = 0.0,
    tool_results: Literal["plain", "wrapped"] = "plain",
) -> Replay:
    """Answer LLM and tool calls from a recorded run, in a ``with`` or ``async with`` block.

    It holds for managed calls of this process and for the adapters where the framework passes one of their gates. A
    call is the same when kind, name and arguments or request are, ids, headers and the order of keys left aside; equal
    calls are answered in the recorded order. What was recorded as an error is raised as a ``RecordedError`` with the
    recorded type's name. A stream gives the recorded answer as one chunk.

    Args:
        path: the ATOF file of the run.
        match: ``structure`` takes for a call that is not in the recording the next one of its name, whatever the texts.
        missing: what is not there is a ``ReplayMiss``, or is called ``live``.
        speed: waits the recorded duration times this; 0 does not wait, 1 is the recorded pace.
        tool_results: ``wrapped`` for a program whose tool callbacks return a ``ToolExecutionResult``, and which reads
            one; events do not tell it from a plain value.

    Returns:
        The context; ``answered``, ``live``, ``misses`` and ``left`` tell what became of the calls.

    Raises:
        ValueError: an option has no such value.

    Example:
        >>> import tempfile
        >>> from nemo_relay import tools
        >>> from nemo_relay.recording import record
        >>> with record(tempfile.mkdtemp()) as run:
        ...     _ = tools.execute_sync("add", {"a": 1, "b": 2}, lambda args: args["a"] + args["b"])
        >>> with replay(run.events_path):
        ...     tools.execute_sync("add", {"b": 2, "a": 1}, lambda args: 1 / 0)
        3
    """
    if match not in ("exact", "structure"):
        raise ValueError(f"match must be 'exact' or 'structure', not {match!r}")
    if missing not in ("error", "live"):
        raise ValueError(f"missing must be 'error' or 'live', not {missing!r}")
    if not speed >= 0:
        raise ValueError(f"speed must be 0 or more, not {speed!r}")
    if tool_results not in ("plain", "wrapped"):
        raise ValueError(f"tool_results must be 'plain' or 'wrapped', not {tool_results!r}")
    return Replay(path, match, missing, speed, tool_results == "wrapped")


def _miss(kind: str, name: str, key: str, open_: list[Call]) -> ReplayMiss:
    if not open_:
        return ReplayMiss(kind, name, None, "")

    def likeness(call: Call) -> float:
        return SequenceMatcher(None, call.key[:_COMPARED], key[:_COMPARED]).quick_ratio()

    nearest = max(open_[:50], key=likeness)
    lines = unified_diff(nearest.key.splitlines(), key.splitlines(), "recorded", "asked", lineterm="", n=1)
    return ReplayMiss(kind, name, nearest.uuid, "\n".join(list(lines)[:_DIFFERENCE]))


async def _once(answer: Any) -> AsyncIterator[Any]:
    yield answer


async def _pause(seconds: float) -> None:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        time.sleep(seconds)  # noqa: ASYNC251 - a synchronous call has no loop to leave free
    else:
        await asyncio.sleep(seconds)
