# SPDX-License-Identifier: Apache-2.0
"""From a script to its next answer. Runs on the server's own thread only, so a script needs no locks."""

import inspect
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from .replies import Answer, Failure, Reply

Script = Sequence[Answer] | Callable[[Any], Answer | Awaitable[Answer]]
"""A list, answered one after the other, or a function (sync or async) from the parsed request body."""

# Neither client retries a 400, so that a mistake in a script shows at once and as what it is.
_MISTAKE = 400


class ScriptExhausted(LookupError):
    """More requests came than the script has answers."""


class ScriptReader:
    """Hands out the answers of one script.

    Args:
        script: see `Script`.

    Raises:
        TypeError: the script is neither a sequence of answers nor callable.
    """

    def __init__(self, script: Script) -> None:
        if isinstance(script, str) or not (callable(script) or isinstance(script, Sequence)):
            raise TypeError(
                f"a script is a list of replies or a callable, got {script!r}; put a single reply in a list"
            )
        self._script = script
        self._given = 0

    async def answer(self, body: Any) -> Reply | Failure:
        """The next answer; a mistake in the script is itself answered, as a failure that names it."""
        try:
            return _checked(await self._next(body))
        except Exception as error:
            text = str(error) if isinstance(error, ScriptExhausted) else f"the script raised {error!r}"
            return Failure(_MISTAKE, f"scripted provider: {text}", code="script_error")

    async def _next(self, body: Any) -> Answer:
        if callable(self._script):
            answer = self._script(body)
            return await answer if inspect.isawaitable(answer) else answer
        self._given += 1
        if self._given > len(self._script):
            raise ScriptExhausted(
                f"request {self._given} came, but the script has {len(self._script)} replies; add one"
            )
        return self._script[self._given - 1]


def _checked(answer: object) -> Reply | Failure:
    if isinstance(answer, str):
        return Reply(answer)
    if isinstance(answer, Reply | Failure):
        return answer
    raise TypeError(f"a script answers with Reply, Failure or str, got {answer!r}")
