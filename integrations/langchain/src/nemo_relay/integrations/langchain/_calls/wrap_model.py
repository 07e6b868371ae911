# SPDX-License-Identifier: Apache-2.0
"""A chat model under control, wherever it is called from: chains, nodes, other people's middleware."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from functools import wraps
from typing import Any, TypeVar

from langchain_core.language_models import BaseChatModel
from langchain_core.runnables.config import run_in_executor

from nemo_relay.integrations.langchain._calls.chat_model_call import ManagedChatCall, inside, is_inside
from nemo_relay.integrations.langchain._calls.wrapped import DEFAULTS, become, subclass, wrapped
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
    return wrapped(model, options or DEFAULTS, _wrapped_copy)


def _wrapped_copy(model: Any, options: AdapterOptions) -> Any:
    kind = _class_for(model, options)
    if hasattr(kind, "__del__"):
        # A model that closes its client when it is collected (Google's, of old) would close that of its copies, too.
        kind = type(kind)(kind.__name__, (kind,), {**_identity(kind), "__del__": _keeping(model)})
    gates.open_gate(kind, *gates.LLM_PASSAGES)
    return become(model.model_copy(), kind)


def _again(model: Any, options: AdapterOptions) -> Any:
    """Wrap an unpickled model, which is nobody's but the copy's."""
    return become(model, _class_for(model, options))


def _class_for(model: Any, options: AdapterOptions) -> Any:
    kind = subclass(type(model), options, _methods, _again)
    gates.open_gate(kind, *gates.LLM_PASSAGES)
    return kind


def _identity(kind: Any) -> dict[str, Any]:
    return {"__module__": kind.__module__, "__qualname__": kind.__qualname__, "__doc__": kind.__doc__}


def _keeping(model: Any) -> Any:
    def keep(_: Any, original: Any = model) -> None:
        """The copy closes nothing, and the original lives as long as the copy."""

    return keep


def _pending() -> Claim | None:
    """Tells the callbacks that the model itself will open the span; None inside a managed call."""
    around = claims.enclosing("llm", "")
    return around if around is not None else Claim("llm", "", None, pending=True)


@contextmanager
def _new_call() -> Iterator[None]:
    """The block starts a call of the framework, whatever method of whatever model it comes from."""
    with claims.announce(_pending()), inside(None):
        yield


def _closing(source: Any) -> None:
    close = getattr(source, "close", None)  # a plain iterator has none
    if close is not None:
        close()


async def _aclosing(source: Any) -> None:
    close = getattr(source, "aclose", None)
    if close is not None:
        await close()


def _methods(kind: Any, options: AdapterOptions) -> dict[str, Any]:
    """What the class of a wrapped ``kind`` overrides."""

    @wraps(kind.generate)
    def generate(self: Any, *args: Any, **kwargs: Any) -> Any:
        with _new_call():
            return kind.generate(self, *args, **kwargs)

    @wraps(kind.agenerate)
    async def agenerate(self: Any, *args: Any, **kwargs: Any) -> Any:
        with _new_call():
            return await kind.agenerate(self, *args, **kwargs)

    @wraps(kind.stream)
    def stream(self: Any, *args: Any, **kwargs: Any) -> Iterator[Any]:
        source = iter(kind.stream(self, *args, **kwargs))
        try:
            with _new_call():  # the run starts with the first chunk
                first = next(source, _NOTHING)
            if first is not _NOTHING:
                yield first
                yield from source
        finally:
            _closing(source)

    @wraps(kind.astream)
    async def astream(self: Any, *args: Any, **kwargs: Any) -> AsyncIterator[Any]:
        source = aiter(kind.astream(self, *args, **kwargs))
        try:
            with _new_call():
                first = await anext(source, _NOTHING)
            if first is not _NOTHING:
                yield first
                async for chunk in source:
                    yield chunk
        finally:
            await _aclosing(source)

    @wraps(kind._generate)
    def _generate(self: Any, messages: Any, stop: Any = None, run_manager: Any = None, **kwargs: Any) -> Any:
        def ask(model: Any, messages: Any, stop: Any = None, **arguments: Any) -> Any:
            return kind._generate(model, messages, stop=stop, **arguments)

        if is_inside(self):
            return ask(self, messages, stop, run_manager=run_manager, **kwargs)
        return ManagedChatCall(self, messages, stop, run_manager, kwargs, options).generate(ask)

    @wraps(kind._agenerate)
    async def _agenerate(self: Any, messages: Any, stop: Any = None, run_manager: Any = None, **kwargs: Any) -> Any:
        async def ask(model: Any, messages: Any, stop: Any = None, **arguments: Any) -> Any:
            if kind._agenerate is BaseChatModel._agenerate:
                manager = arguments.pop("run_manager", None)
                manager = manager.get_sync() if manager is not None else None
                return await run_in_executor(None, kind._generate, model, messages, stop, manager, **arguments)
            return await kind._agenerate(model, messages, stop=stop, **arguments)

        if is_inside(self):
            return await ask(self, messages, stop, run_manager=run_manager, **kwargs)
        return await ManagedChatCall(self, messages, stop, run_manager, kwargs, options).agenerate(ask)

    @wraps(kind._stream)
    def _stream(self: Any, messages: Any, stop: Any = None, run_manager: Any = None, **kwargs: Any) -> Any:
        def ask(model: Any, messages: Any, stop: Any = None, **arguments: Any) -> Any:
            return kind._stream(model, messages, stop=stop, **arguments)

        if is_inside(self):
            return ask(self, messages, stop, run_manager=run_manager, **kwargs)
        return ManagedChatCall(self, messages, stop, run_manager, kwargs, options).stream(ask)

    @wraps(kind._astream)
    def _astream(self: Any, messages: Any, stop: Any = None, run_manager: Any = None, **kwargs: Any) -> Any:
        def ask(model: Any, messages: Any, stop: Any = None, **arguments: Any) -> Any:
            return kind._astream(model, messages, stop=stop, **arguments)

        if is_inside(self):
            return ask(self, messages, stop, run_manager=run_manager, **kwargs)
        return ManagedChatCall(self, messages, stop, run_manager, kwargs, options).astream(ask)

    made = {"generate": generate, "agenerate": agenerate, "stream": stream, "astream": astream}
    made.update({"_generate": _generate, "_agenerate": _agenerate})
    # By these LangChain sees whether a model streams at all.
    made.update({"_stream": _stream} if kind._stream is not BaseChatModel._stream else {})
    made.update({"_astream": _astream} if kind._astream is not BaseChatModel._astream else {})
    return made


_NOTHING: Any = object()
