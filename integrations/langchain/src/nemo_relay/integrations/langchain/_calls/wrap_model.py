# SPDX-License-Identifier: Apache-2.0
"""A chat model under control, wherever it is called from: chains, nodes, other people's middleware."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from functools import wraps
from typing import Any, TypeVar, cast

from langchain_core.language_models import BaseChatModel

from nemo_relay.integrations.langchain._calls.chat_model_call import ManagedChatCall
from nemo_relay.integrations.langchain._guards import gates
from nemo_relay.integrations.langchain._options import AdapterOptions
from nemo_relay.integrations.langchain._runs import claims
from nemo_relay.integrations.langchain._runs.claims import Claim

ModelT = TypeVar("ModelT", bound=BaseChatModel)


def wrap_chat_model(model: ModelT, options: AdapterOptions | None = None) -> ModelT:
    """A copy of ``model`` each call of which is a managed call, streams included.

    Args:
        model: a chat model of LangChain.
        options: see ``AdapterOptions``.

    Returns:
        A copy whose class is a subclass of the model's own, so that ``bind_tools``, ``with_structured_output`` and
        ``isinstance`` work as before. A wrapped model comes back as it is.

    Raises:
        TypeError: ``model`` is no chat model.

    >>> from nemo_relay.integrations.langchain import wrap_chat_model
    >>> from nemo_relay.integrations.langchain.testing import ScriptedChatModel
    >>> wrap_chat_model(ScriptedChatModel(script=["hello"])).invoke("hi").content
    'hello'
    """
    if not isinstance(model, BaseChatModel):
        raise TypeError(f"wrap_chat_model: {type(model).__name__!r} object is no chat model of LangChain")
    if isinstance(cast("object", model), Managed):
        return model
    copy, kind = model.model_copy(), _managed(type(model), options or AdapterOptions())
    if hasattr(kind, "__del__"):
        _leave_the_client_open(kind, model)
    object.__setattr__(copy, "__class__", kind)
    return copy


def _leave_the_client_open(kind: Any, model: Any) -> None:
    """A model that closes its client when it is collected (Google's, of old) would close that of its copies, too."""

    def keep(_: Any, original: Any = model) -> None:
        """The copy closes nothing, and the original lives as long as the copy."""

    kind.__del__ = keep


class Managed:
    """Marks the classes made here."""


def _pending() -> Claim | None:
    """Tells the callbacks that the model itself will open the span; None inside a managed call."""
    around = claims.enclosing("llm", "")
    return around if around is not None else Claim("llm", "", None, pending=True)


def _is_inside() -> bool:
    """Whether agent middleware has made this call a managed one already."""
    around = claims.enclosing("llm", "")
    return around is not None and not around.pending


def _managed(kind: Any, options: AdapterOptions) -> Any:
    streams = kind._stream is not BaseChatModel._stream
    astreams = kind._astream is not BaseChatModel._astream

    class ManagedModel(kind, Managed):  # type: ignore[misc]
        """The class of a wrapped model."""

        def generate(self, *args: Any, **kwargs: Any) -> Any:
            with claims.announce(_pending()):
                return kind.generate(self, *args, **kwargs)

        async def agenerate(self, *args: Any, **kwargs: Any) -> Any:
            with claims.announce(_pending()):
                return await kind.agenerate(self, *args, **kwargs)

        def stream(self, *args: Any, **kwargs: Any) -> Iterator[Any]:
            source = kind.stream(self, *args, **kwargs)
            try:
                with claims.announce(_pending()):  # the run starts with the first chunk
                    first = next(source, None)
                if first is not None:
                    yield first
                    yield from source
            finally:
                source.close()

        async def astream(self, *args: Any, **kwargs: Any) -> AsyncIterator[Any]:
            source = kind.astream(self, *args, **kwargs)
            try:
                with claims.announce(_pending()):
                    first = await anext(source, None)
                if first is not None:
                    yield first
                    async for chunk in source:
                        yield chunk
            finally:
                await source.aclose()

        @wraps(kind._generate)
        def _generate(self, messages: Any, stop: Any = None, run_manager: Any = None, **kwargs: Any) -> Any:
            def ask(model: Any, messages: Any, stop: Any = None, **arguments: Any) -> Any:
                return kind._generate(model, messages, stop=stop, **arguments)

            if _is_inside():
                return ask(self, messages, stop, run_manager=run_manager, **kwargs)
            return ManagedChatCall(self, messages, stop, run_manager, kwargs, options).generate(ask)

        @wraps(kind._agenerate)
        async def _agenerate(self, messages: Any, stop: Any = None, run_manager: Any = None, **kwargs: Any) -> Any:
            async def ask(model: Any, messages: Any, stop: Any = None, **arguments: Any) -> Any:
                if kind._agenerate is BaseChatModel._agenerate:
                    from langchain_core.runnables.config import run_in_executor

                    manager = arguments.pop("run_manager", None)
                    manager = manager.get_sync() if manager is not None else None
                    return await run_in_executor(None, kind._generate, model, messages, stop, manager, **arguments)
                return await kind._agenerate(model, messages, stop=stop, **arguments)

            if _is_inside():
                return await ask(self, messages, stop, run_manager=run_manager, **kwargs)
            return await ManagedChatCall(self, messages, stop, run_manager, kwargs, options).agenerate(ask)

        if streams:

            @wraps(kind._stream)
            def _stream(self, messages: Any, stop: Any = None, run_manager: Any = None, **kwargs: Any) -> Any:
                def ask(model: Any, messages: Any, stop: Any = None, **arguments: Any) -> Any:
                    return kind._stream(model, messages, stop=stop, **arguments)

                if _is_inside():
                    return ask(self, messages, stop, run_manager=run_manager, **kwargs)
                return ManagedChatCall(self, messages, stop, run_manager, kwargs, options).stream(ask)

        if astreams:

            @wraps(kind._astream)
            def _astream(self, messages: Any, stop: Any = None, run_manager: Any = None, **kwargs: Any) -> Any:
                def ask(model: Any, messages: Any, stop: Any = None, **arguments: Any) -> Any:
                    return kind._astream(model, messages, stop=stop, **arguments)

                if _is_inside():
                    return ask(self, messages, stop, run_manager=run_manager, **kwargs)
                return ManagedChatCall(self, messages, stop, run_manager, kwargs, options).astream(ask)

    ManagedModel.__name__ = kind.__name__
    ManagedModel.__qualname__ = kind.__qualname__
    gates.open_gate(ManagedModel, *gates.LLM_PASSAGES)
    return ManagedModel
