# SPDX-License-Identifier: Apache-2.0
"""Embeddings and retrievers. LangChain has no callbacks for embeddings, so a proxy tells of them."""

from __future__ import annotations

from collections.abc import Sequence
from functools import wraps
from typing import Any, TypeVar

from langchain_core.embeddings import Embeddings
from langchain_core.retrievers import BaseRetriever
from langchain_core.runnables.config import ensure_config, merge_configs

from nemo_relay import ScopeHandle, ScopeType, scope
from nemo_relay.integrations.langchain._calls import invocations
from nemo_relay.integrations.langchain._calls.wrapped import DEFAULTS, become, subclass, wrapped
from nemo_relay.integrations.langchain._models import about_model
from nemo_relay.integrations.langchain._options import AdapterOptions
from nemo_relay.integrations.langchain._record.handler import RelayCallbackHandler
from nemo_relay.integrations.langchain._runs import outcomes
from nemo_relay.integrations.langchain._runs.outcomes import Ending

RetrieverT = TypeVar("RetrieverT", bound=BaseRetriever)


class RecordedEmbeddings(Embeddings):
    """Embeddings that are recorded: how many texts, how many dimensions, never the texts themselves."""

    def __init__(self, inner: Embeddings) -> None:
        self._inner = inner
        self._name = type(inner).__name__
        self._model = about_model(inner).name

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        """As the wrapped ones do."""
        span = self._start(len(texts))
        try:
            found = self._inner.embed_documents(texts)
        except BaseException as error:
            _end(span, outcomes.ending_of(error))
            raise
        _end(span, outcomes.ok(_shape(found)))
        return found

    def embed_query(self, text: str) -> list[float]:
        """As the wrapped ones do."""
        span = self._start(1)
        try:
            found = self._inner.embed_query(text)
        except BaseException as error:
            _end(span, outcomes.ending_of(error))
            raise
        _end(span, outcomes.ok(_shape([found])))
        return found

    async def aembed_documents(self, texts: list[str]) -> list[list[float]]:
        """As the wrapped ones do."""
        span = self._start(len(texts))
        try:
            found = await self._inner.aembed_documents(texts)
        except BaseException as error:
            _end(span, outcomes.ending_of(error))
            raise
        _end(span, outcomes.ok(_shape(found)))
        return found

    async def aembed_query(self, text: str) -> list[float]:
        """As the wrapped ones do."""
        span = self._start(1)
        try:
            found = await self._inner.aembed_query(text)
        except BaseException as error:
            _end(span, outcomes.ending_of(error))
            raise
        _end(span, outcomes.ok(_shape([found])))
        return found

    def _start(self, texts: int) -> ScopeHandle:
        metadata = {**invocations.metadata("embedder"), **({"model": self._model} if self._model else {})}
        return scope.start(
            self._name,
            ScopeType.Embedder,
            parent=invocations.parent(),
            metadata=metadata,
            input={"texts": texts},
        )

    def __getattr__(self, name: str) -> Any:
        if name == "_inner":  # before it is there: copies and pickles ask
            raise AttributeError(name)
        return getattr(self._inner, name)


def wrap_embeddings(embeddings: Embeddings) -> RecordedEmbeddings:
    """Embeddings that record each call as an event of category ``embedder``.

    Args:
        embeddings: any embeddings of LangChain. Wrapped ones come back as they are.

    Returns:
        A proxy with all of their attributes.

    Raises:
        TypeError: they are no embeddings.

    >>> from langchain_core.embeddings import Embeddings
    >>> from nemo_relay.integrations.langchain import wrap_embeddings
    >>> class Lengths(Embeddings):
    ...     def embed_documents(self, texts):
    ...         return [[float(len(text))] for text in texts]
    ...     def embed_query(self, text):
    ...         return self.embed_documents([text])[0]
    >>> wrap_embeddings(Lengths()).embed_query("hello")
    [5.0]
    """
    if isinstance(embeddings, RecordedEmbeddings):
        return embeddings
    if not isinstance(embeddings, Embeddings):
        raise TypeError(f"wrap_embeddings: {type(embeddings).__name__!r} object is no embeddings model of LangChain")
    return RecordedEmbeddings(embeddings)


def wrap_retriever(retriever: RetrieverT, options: AdapterOptions | None = None) -> RetrieverT:
    """A copy of ``retriever`` that records each of its calls, without callbacks at the place of the call.

    Args:
        retriever: a retriever of LangChain; the original is untouched.
        options: see ``AdapterOptions``.

    Returns:
        A copy of the same type; one that is wrapped already is returned as it is.

    Raises:
        TypeError: it is no retriever.
    """
    if not isinstance(retriever, BaseRetriever):
        raise TypeError(f"wrap_retriever: {type(retriever).__name__!r} object is no retriever of LangChain")
    return wrapped(retriever, options or DEFAULTS, lambda found, chosen: _again(found.model_copy(), chosen))


def _again(retriever: Any, options: AdapterOptions) -> Any:
    """Wrap a retriever that is nobody's but the copy's."""
    return become(retriever, subclass(type(retriever), options, _methods, _again))


def _methods(kind: Any, options: AdapterOptions) -> dict[str, Any]:
    """What the class of a wrapped ``kind`` overrides."""
    handler = RelayCallbackHandler(options)

    def watched(config: Any) -> Any:
        return merge_configs(ensure_config(config), {"callbacks": [handler]})

    @wraps(kind.invoke)
    def invoke(self: Any, input: str, config: Any = None, **kwargs: Any) -> Any:
        return kind.invoke(self, input, watched(config), **kwargs)

    @wraps(kind.ainvoke)
    async def ainvoke(self: Any, input: str, config: Any = None, **kwargs: Any) -> Any:
        return await kind.ainvoke(self, input, watched(config), **kwargs)

    return {"invoke": invoke, "ainvoke": ainvoke}


def _shape(vectors: Sequence[Sequence[float]]) -> dict[str, int]:
    return {"vectors": len(vectors), "dims": len(vectors[0]) if vectors else 0}


def _end(span: ScopeHandle, ending: Ending) -> None:
    scope.end(span, output=ending.data, metadata=ending.metadata)
