# SPDX-License-Identifier: Apache-2.0
"""A public function of two arguments or more tells what they are for, and what it returns, in every distribution."""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Callable, Iterator
from types import ModuleType
from typing import Any

import pytest

from workspace import distributions

# What does not do so yet. The list only gets shorter.
LEFT = frozenset(
    """
    nemo_relay._runtime.managed.codec_context.LlmSanitizeRequestCodec.encode
    nemo_relay.integrations.deepagents.create_deep_agent
    nemo_relay.integrations.langchain._record.handler.RelayCallbackHandler.mark_once
    nemo_relay.integrations.langchain._record.handler.RelayCallbackHandler.observe
    nemo_relay.integrations.langchain._record.handler.RelayCallbackHandler.pause_run
    nemo_relay.integrations.langchain._runs.table.RunNotes.put
    nemo_relay.integrations.langchain.adapter.ask_for_model
    nemo_relay.integrations.langchain.adapter.attempt
    nemo_relay.integrations.langchain.adapter.chat_request
    nemo_relay.integrations.langchain.adapter.conclude
    nemo_relay.integrations.langchain.adapter.guard
    nemo_relay.integrations.langchain.adapter.mark
    nemo_relay.integrations.langchain.adapter.model_name
    nemo_relay.integrations.langchain.adapter.note_failure
    nemo_relay.integrations.langchain.adapter.open_gate
    nemo_relay.integrations.langchain.adapter.provider_name
    nemo_relay.integrations.langchain.chosen
    nemo_relay.integrations.langgraph.tool_node.create_tool_node
    nemo_relay_codecs.model.chunk_marks.chunk_mark
    nemo_relay_codecs.model.request.AnnotatedLLMRequest.decoded
    nemo_relay_codecs.model.response.AnnotatedLLMResponse.decoded
    nemo_relay_codecs.prices.price.CostTotals.add
    nemo_relay_codecs.prices.price.price
    nemo_relay_codecs.protocols.LlmCodec.encode
    nemo_relay_codecs.surfaces.decode_request_best_effort
    nemo_relay_codecs.surfaces.register
    nemo_relay_gateway.gateway.Gateway.answer
    nemo_relay_otel.factory.to_exporter
    nemo_relay_projections.atif_stream.TrajectoryStream.feed
    nemo_relay_spool.journal.Journal.take
    nemo_relay_spool.memory.MemoryQueue.take
    """.split()
)


def public_modules() -> list[str]:
    """Every module with a public path that lists what it offers."""
    found = []
    for dist in distributions():
        for file in dist.modules():
            parts = file.with_suffix("").parts
            name = ".".join(parts).removesuffix(".__init__")
            public = not any(part.startswith("_") for part in name.split("."))
            if public and "\n__all__" in (dist.source / file).read_text("utf-8"):
                found.append(name)
    return sorted(found)


def functions(module: ModuleType) -> Iterator[tuple[str, Callable[..., Any]]]:
    """The functions that a module offers, and the public methods of its classes that are not inherited."""
    for name in module.__all__:
        value = getattr(module, name, None)
        if inspect.isfunction(value):
            yield name, value
        elif inspect.isclass(value) and value.__module__.startswith("nemo_relay"):
            for member, method in vars(value).items():
                plain = getattr(method, "__func__", method)
                if inspect.isfunction(plain) and not member.startswith("_") and not is_of_a_library(value, member):
                    yield f"{name}.{member}", plain


def is_of_a_library(cls: type, member: str) -> bool:
    """Whether the method follows a class of somebody else's, which describes it."""
    bases = (base for base in cls.__mro__[1:] if not base.__module__.startswith("nemo_relay"))
    return any(member in vars(base) for base in bases)


def lacks(function: Callable[..., Any]) -> list[str]:
    """The sections that the docstring of a function should have and has not."""
    signature = inspect.signature(function)
    named = [p for p in signature.parameters if p not in ("self", "cls") and not p.startswith("_")]
    text = inspect.getdoc(function) or ""
    if len(named) < 2 or text.startswith("As ``"):  # that names the function with the same arguments
        return []
    returned = str(signature.return_annotation)
    gives = not returned.endswith(("None", "_empty'>")) and "Iterator[" not in returned  # those are for `with`
    return [section for section in ["Args:"] + ["Returns:"] * gives if section not in text]


@pytest.mark.parametrize("name", public_modules())
def test_a_public_function_tells_its_arguments_and_its_result(name: str) -> None:
    module = importlib.import_module(name)
    found = {f"{value.__module__}.{value.__qualname__}": lacks(value) for _, value in functions(module)}
    assert {function: missing for function, missing in found.items() if missing and function not in LEFT} == {}


def test_the_list_of_what_is_left_names_nothing_that_is_done() -> None:
    modules = map(importlib.import_module, public_modules())
    found = (value for module in modules for _, value in functions(module) if lacks(value))
    assert {f"{value.__module__}.{value.__qualname__}" for value in found} >= LEFT
