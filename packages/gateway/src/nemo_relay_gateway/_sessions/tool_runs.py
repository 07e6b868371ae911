# SPDX-License-Identifier: Apache-2.0
"""A tool that a host runs between two hooks, as one call of the runtime.

Where middleware could take part, the call is a managed one whose callback waits for the host: guardrails are asked and
arguments rewritten before the host runs it, and what intercepts make of the result is what the host may show its model.
"""

from __future__ import annotations

import asyncio
from typing import Any

from nemo_relay import ScopeHandle, scope, tools
from nemo_relay.errors import GuardrailRejected
from nemo_relay.guardrails import Reason, approving
from nemo_relay.runtime_registrations import is_shaped
from nemo_relay_gateway._sessions.events import NEUTRAL, Verdict


class ToolFailed(Exception):
    """The host says that its tool failed."""


class HostTool:
    """One tool call of a host, from its start to its end."""

    def __init__(self, name: str, arguments: Any, parent: Any, metadata: dict[str, Any], call: str | None) -> None:
        self.name = name
        self.arguments = arguments
        self.parent = parent
        self._metadata = metadata
        self._call = call
        self.handle: Any = None
        self._task: asyncio.Task[Any] | None = None
        self._result: asyncio.Future[Any] | None = None
        self.is_over = False

    def details(self) -> dict[str, Any]:
        """What only tool calls have."""
        return {"arguments": self.arguments, "call": self._call}

    async def start(self, *, can_ask: bool = False) -> Verdict:
        """Report the start, and ask the policies.

        Args:
            can_ask: whether the host can ask its user. Then the call of a policy that wants to be overruled goes on as
                if it was: the host runs the tool only if the user agrees, and reports what became of it.
        """
        if not is_shaped("tool"):
            self._begin()
            return NEUTRAL
        asked: dict[str, str] = {}
        while True:
            arguments, refused = await self._try(frozenset(asked))
            if refused is None:
                break
            error = refused.exception()
            if not (can_ask and isinstance(error, GuardrailRejected) and _asks(error) and error.guardrail not in asked):
                self.is_over = True
                return Verdict(denied=self._refused(refused))
            asked[error.guardrail] = str(error.reason)
        text = "; ".join(asked.values()) or None
        same = arguments is self.arguments or arguments == self.arguments
        return NEUTRAL if same and text is None else Verdict(asked=text, arguments=None if same else arguments)

    async def _try(self, approved: frozenset[str]) -> tuple[Any, asyncio.Task[Any] | None]:
        """The arguments that the tool is to run with, or the task of the call that was refused."""
        loop = asyncio.get_running_loop()
        allowed: asyncio.Future[Any] = loop.create_future()
        self._result = loop.create_future()
        with approving(approved):
            self._task = loop.create_task(self._managed(allowed, self._result))
        await asyncio.wait((self._task, allowed), return_when=asyncio.FIRST_COMPLETED)
        return (allowed.result(), None) if allowed.done() else (None, self._task)

    async def _managed(self, allowed: asyncio.Future[Any], result: asyncio.Future[Any]) -> Any:
        async def run(arguments: Any) -> Any:
            if not allowed.done():
                allowed.set_result(arguments)
            return await asyncio.shield(result)

        return await tools.execute(
            *(self.name, self.arguments, run),
            handle=self.parent,
            metadata=self._metadata,
            tool_call_id=self._call,
        )

    def _begin(self) -> None:
        self.handle = tools.call(
            self.name, self.arguments, handle=self.parent, metadata=self._metadata, tool_call_id=self._call
        )

    def _refused(self, task: asyncio.Task[Any]) -> str:
        """The reason for the model: the guardrail's, or the result that an intercept gave in the tool's place.

        A call that a guardrail refused has no events of its own: it is recorded as one that failed.
        """
        error = task.exception()
        if error is None:
            return f"answered without running the tool: {task.result()}"
        if isinstance(error, GuardrailRejected):
            self._begin()
            self._end_handle(None, str(error), {"rejected": True})
            return str(error)
        return f"a policy failed: {type(error).__name__}: {error}"

    async def end(self, result: Any, error: str | None, metadata: dict[str, Any]) -> Verdict:
        """Report the end; what intercepts made of the result."""
        self.is_over = True
        if self._task is None or self._result is None:
            self._end_handle(result, error, metadata)
            return NEUTRAL
        if error is None:
            self._result.set_result(result)
        else:
            self._result.set_exception(ToolFailed(error))
        try:
            shown = await self._task
        except Exception:
            return NEUTRAL
        return NEUTRAL if shown is result or shown == result else Verdict(result=shown)

    def abandon(self, why: str) -> None:
        """End a call whose end the host never reported."""
        if self.is_over:
            return
        self.is_over = True
        if self._task is not None and self._result is not None:
            self._result.set_exception(ToolFailed(why))
            self._task.add_done_callback(lambda task: task.cancelled() or task.exception())
        else:
            self._end_handle(None, why, {})

    def _end_handle(self, result: Any, error: str | None, metadata: dict[str, Any]) -> None:
        if error is not None:
            metadata = {**metadata, "otel.status_code": "ERROR", "otel.status_description": error}
        if isinstance(self.handle, ScopeHandle):  # another replica has begun it
            scope.end(self.handle, output=result, metadata=metadata)
        else:
            tools.call_end(self.handle, result, metadata=metadata)


def _asks(refusal: GuardrailRejected) -> bool:
    return isinstance(refusal.reason, Reason) and refusal.reason.asks
