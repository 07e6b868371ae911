# SPDX-License-Identifier: Apache-2.0
"""The view of an agent's model request, and the codec by which intercepts read and edit it."""

from __future__ import annotations

import weakref
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

from langchain_core.utils.function_calling import convert_to_openai_tool

from nemo_relay import AnnotatedLLMRequest, LLMRequest
from nemo_relay.integrations.langchain._alignment import is_same_json
from nemo_relay.integrations.langchain._errors import UnsupportedEdit
from nemo_relay.integrations.langchain._views import normal_form
from nemo_relay.integrations.langchain._views.conversations import HISTORY
from nemo_relay.integrations.langchain._views.payloads import shown
from nemo_relay.integrations.langchain._views.requests import private_parameter

PARAMS = ("temperature", "max_tokens", "top_p", "stop")
_OWN = ("model", "messages", "tools", "tool_choice", "instructions")
# Attributes of the normalised request that a provider's client takes under the same name.
_SCALARS = (
    *("store", "parallel_tool_calls", "previous_response_id", "user", "service_tier", "max_output_tokens"),
    *("max_tool_calls", "top_logprobs", "truncation", "reasoning", "include", "metadata"),
)


def request_view(
    model: Any,
    model_name: str | None,
    messages: Sequence[Any],
    tools: Sequence[Any] = (),
    tool_choice: Any = None,
    response_format: Any = None,
    settings: dict[str, Any] | None = None,
) -> dict[str, Any]:
    """What a model is asked, as observers and intercepts see it.

    Args:
        model: the chat model.
        model_name: its name.
        messages: the conversation, the system message first.
        tools: tools of the framework, or definitions.
        tool_choice: as LangChain takes it.
        response_format: the strategy for structured output.
        settings: keyword arguments of the call.
    """
    others = frame(model, model_name, tools, tool_choice, response_format, settings)
    return {"model": others.pop("model"), "messages": [shown(message)[0] for message in messages], **others}


def frame(
    model: Any,
    model_name: str | None,
    tools: Sequence[Any] = (),
    tool_choice: Any = None,
    response_format: Any = None,
    settings: dict[str, Any] | None = None,
) -> dict[str, Any]:
    """``request_view`` without the messages."""
    view: dict[str, Any] = {"model": model_name}
    if tools:
        view["tools"] = [tool_view(tool) for tool in tools]
    if tool_choice is not None:
        view["tool_choice"] = normal_form.tool_choice(tool_choice)
    if response_format is not None:
        view["response_format"] = format_view(response_format)
    view.update((name, value) for name in PARAMS if (value := getattr(model, name, None)) is not None)
    view.update((key, value) for key, value in (settings or {}).items() if not private_parameter(key))
    return view


_tools: dict[int, tuple[weakref.ref[Any], Any, dict[str, Any]]] = {}


def tool_view(tool: Any) -> dict[str, Any]:
    """A tool as the model is told of it. Making a schema takes long, and every call of an agent has the same tools."""
    key = id(tool)
    known = _tools.get(key)
    if known is not None and known[0]() is tool and known[1] == _description_of(tool):
        return known[2]
    made = _tool_view(tool)
    with suppress(TypeError):  # what cannot be referred to weakly is looked at each time
        _tools[key] = (weakref.ref(tool, lambda _: _tools.pop(key, None)), _description_of(tool), made)
    return made


def _description_of(tool: Any) -> tuple[Any, ...]:
    return tuple(getattr(tool, name, None) for name in ("name", "description", "args_schema"))


def _tool_view(tool: Any) -> dict[str, Any]:
    if isinstance(tool, dict) and tool.get("type") != "function":
        return {"type": "provider_native", "provider": normal_form.PROVIDER, "kind": "tool", "value": tool}
    try:
        made: dict[str, Any] = convert_to_openai_tool(tool)
        return made
    except Exception:
        name = getattr(tool, "name", None) or type(tool).__name__
        return {"type": "function", "function": {"name": str(name)}}


def format_view(strategy: Any) -> dict[str, Any]:
    """A strategy for structured output: its kind and the schema."""
    specs = getattr(strategy, "schema_specs", None) or [getattr(strategy, "schema_spec", None)]
    schemas = [spec.json_schema for spec in specs if spec is not None and hasattr(spec, "json_schema")]
    schema = getattr(strategy, "schema", strategy)
    named = {} if schemas else {"name": getattr(schema, "__name__", type(schema).__name__)}
    return {"strategy": type(strategy).__name__, "schemas": schemas, **named}


class LangChainCodec:
    """Request and response codec of the view. Stateless."""

    codec_kind = "opaque"
    codec_id = "langchain"

    def decode(self, request: LLMRequest) -> AnnotatedLLMRequest:
        """The view in the normalised shape."""
        view = request.content
        choice = view.get("tool_choice")
        return AnnotatedLLMRequest(
            [normal_form.message(message) for message in view["messages"]],
            model=view.get("model"),
            params={name: view[name] for name in PARAMS if _is_param(name, view.get(name))} or None,
            tools=view.get("tools"),
            tool_choice=choice,
            extra={
                key: value
                for key, value in view.items()
                if key not in _OWN and key != HISTORY and not _is_shown(key, value)
            },
        )

    def normalised(self, view: dict[str, Any]) -> dict[str, Any]:
        """``decode``, as events carry it. Nobody edits that, so nothing in it is copied or checked."""
        others = {key: value for key, value in view.items() if key not in _OWN and key != HISTORY}
        members = {
            "messages": [normal_form.message(message) for message in view["messages"]],
            "model": view.get("model"),
            "params": {name: others.pop(name) for name in PARAMS if _is_param(name, others.get(name))} or None,
            "tools": view.get("tools"),
            "tool_choice": view.get("tool_choice"),
        }
        return {**others, **{name: member for name, member in members.items() if member is not None}}

    def encode(self, annotated: AnnotatedLLMRequest, original: LLMRequest) -> LLMRequest:
        """The view with the edits of ``annotated``; the very same request where there are none."""
        view, before = original.content, self.decode(original)
        made = dict(view)
        if not is_same_json(annotated.messages, before.messages):
            made["messages"] = normal_form.edited_messages(view["messages"], annotated.messages)
        for name in ("model", "tools", "tool_choice", "instructions", *_SCALARS):
            self._put(made, name, getattr(before, name), getattr(annotated, name))
        self._put_all(made, before.params or {}, annotated.params or {})
        self._put_all(made, before.extra, annotated.extra)
        if annotated.api_specific is not None:
            raise UnsupportedEdit("api_specific", "LangChain's models take parameters by name; put them into `extra`")
        return original if is_same_json(made, view) else LLMRequest(original.headers, made)

    def _put_all(self, made: dict[str, Any], before: dict[str, Any], after: dict[str, Any]) -> None:
        for key in before.keys() | after.keys():
            self._put(made, key, before.get(key), after.get(key))

    @staticmethod
    def _put(made: dict[str, Any], key: str, before: Any, after: Any) -> None:
        if is_same_json(before, after):
            return
        if after is None:
            made.pop(key, None)
        else:
            made[key] = after


def _is_param(name: str, value: Any) -> bool:
    if value is None or isinstance(value, bool):
        return False
    if name == "stop":
        return isinstance(value, str) or (isinstance(value, list) and all(isinstance(item, str) for item in value))
    return isinstance(value, int) if name == "max_tokens" else isinstance(value, (int, float))


def _is_shown(key: str, value: Any) -> bool:
    return key in PARAMS and _is_param(key, value)
