# SPDX-License-Identifier: Apache-2.0
"""A single tool under control, wherever it is called from: for programs without agent middleware."""

from __future__ import annotations

from collections.abc import Iterable
from functools import wraps
from typing import Any, TypeVar

from langchain_core.tools import BaseTool

from nemo_relay.integrations.langchain._alignment import is_same_json
from nemo_relay.integrations.langchain._calls.tool_call import ManagedToolCall
from nemo_relay.integrations.langchain._calls.wrapped import DEFAULTS, become, subclass, wrapped
from nemo_relay.integrations.langchain._guards import gates
from nemo_relay.integrations.langchain._options import AdapterOptions
from nemo_relay.integrations.langchain._runs import claims

ToolT = TypeVar("ToolT", bound=BaseTool)


def wrap_tool(tool: ToolT, options: AdapterOptions | None = None) -> ToolT:
    """A copy of ``tool`` each call of which is a managed call: guardrails, intercepts, one event.

    Args:
        tool: a tool of LangChain.
        options: see ``AdapterOptions``. A refused call without a tool call id raises ``GuardrailRejected``: there
            is no message that it could become.

    Returns:
        A copy of the same type; the original is untouched. A wrapped tool comes back as it is.

    Raises:
        TypeError: ``tool`` is no tool of LangChain.

    >>> from langchain_core.tools import tool
    >>> from nemo_relay.integrations.langchain import wrap_tool
    >>> @tool
    ... def double(number: int) -> int:
    ...     "Double it."
    ...     return number * 2
    >>> wrap_tool(double).invoke({"number": 21})
    42
    """
    if not isinstance(tool, BaseTool):
        raise TypeError(f"wrap_tool: {type(tool).__name__!r} object is no tool; make one of it with @tool first")
    return wrapped(tool, options or DEFAULTS, _wrapped_copy)


def wrap_tools(tools: Iterable[BaseTool], options: AdapterOptions | None = None) -> list[BaseTool]:
    """``wrap_tool`` for each of ``tools``.

    Args:
        tools: tools of LangChain; the originals are untouched.
        options: see ``AdapterOptions``.

    Returns:
        The copies, in the same order.
    """
    return [wrap_tool(tool, options) for tool in tools]


def _wrapped_copy(tool: Any, options: AdapterOptions) -> Any:
    return _again(tool.model_copy(), options)


def _again(tool: Any, options: AdapterOptions) -> Any:
    """Wrap a tool that is nobody's but the copy's."""
    kind = subclass(type(tool), options, _methods, _again)
    gates.open_gate(kind, *gates.TOOL_PASSAGES)
    return become(tool, kind)


def _methods(kind: Any, options: AdapterOptions) -> dict[str, Any]:
    """What the class of a wrapped ``kind`` overrides."""

    @wraps(kind.run)
    def run(self: Any, tool_input: Any, *args: Any, **kwargs: Any) -> Any:
        call_id = kwargs.get("tool_call_id")
        if _is_inside(self.name, call_id):
            return kind.run(self, tool_input, *args, **kwargs)
        call = ManagedToolCall(self.name, _visible(self, tool_input), call_id, options, raw=call_id is None)
        before = call.args
        return call.run(lambda _, given: kind.run(self, _merged(tool_input, before, given), *args, **kwargs))

    @wraps(kind.arun)
    async def arun(self: Any, tool_input: Any, *args: Any, **kwargs: Any) -> Any:
        call_id = kwargs.get("tool_call_id")
        if _is_inside(self.name, call_id):
            return await kind.arun(self, tool_input, *args, **kwargs)
        call = ManagedToolCall(self.name, _visible(self, tool_input), call_id, options, raw=call_id is None)
        before = call.args
        return await call.arun(lambda _, given: kind.arun(self, _merged(tool_input, before, given), *args, **kwargs))

    return {"run": run, "arun": arun}


def _is_inside(name: str, tool_call_id: str | None) -> bool:
    """Whether agent middleware has made this call a managed one already."""
    claim = claims.enclosing("tool", name, tool_call_id)
    if claim is None:
        return False
    claim.covered = True
    return True


def _visible(tool: BaseTool, given: Any) -> Any:
    """The arguments without those that the framework injects."""
    return tool._filter_injected_args(given) if isinstance(given, dict) else given


def _merged(given: Any, before: Any, after: Any) -> Any:
    if after is before or is_same_json(before, after):
        return given
    if isinstance(given, dict) and isinstance(after, dict):
        kept = {key: value for key, value in given.items() if key not in before}
        return {**kept, **after}
    return after
