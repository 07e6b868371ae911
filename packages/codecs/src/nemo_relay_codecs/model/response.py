# SPDX-License-Identifier: Apache-2.0
"""The normalised response. Imported with the package, so it stays light."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, Protocol

from nemo_relay_codecs.model.request import _check_text, _model
from nemo_relay_codecs.values import copied, owned

if TYPE_CHECKING:
    from nemo_relay_codecs.model.tokens import TokenUsage

_OWN = "model.response_checks"
_CHECKS: tuple[tuple[str, Callable[[Any], Any]], ...] = (
    ("id", _check_text),
    ("model", _check_text),
    ("message", _model("instructions", "invalid message")),
    ("tool_calls", _model("response_calls", "invalid tool_calls", _OWN)),
    ("finish_reason", _model("finish_reason", "invalid finish_reason", _OWN)),
    ("usage", _model("usage", "invalid usage", _OWN)),
    ("api_specific", _model("response_api", "invalid api_specific")),
    ("extra", _model("extra", "invalid extra")),
)
_NAMES = tuple(name for name, _ in _CHECKS[:-1])
_MEMBERS = frozenset((*_NAMES, "optimization_summary", "stream", "tokens", "pricing_status"))
_FINISHED = ("complete", "length", "tool_use", "content_filter")


def _checked(given: Iterable[Any]) -> dict[str, Any]:
    """The attributes, of the values that they are given in the order of ``_CHECKS``."""
    fields: dict[str, Any] = {}
    for (name, check), value in zip(_CHECKS, given, strict=True):
        if value is not None:
            fields[name] = check(value)
    return fields


class ResponseSurface(Protocol):
    """What an annotation asks of the codec that made it, when somebody looks at the details."""

    @property
    def id(self) -> str:
        """The codec's id."""
        ...

    def choices(self, response: Any) -> list[dict[str, Any]]:
        """Every alternative of the response, its content as neutral parts."""
        ...

    def raw_usage(self, response: Any) -> Any:
        """The provider's own usage object."""
        ...


class _ReadOnly:
    def __init__(self, doc: str) -> None:
        self.__doc__ = doc

    def __set_name__(self, owner: type, name: str) -> None:
        self.name = name

    def __get__(self, instance: Any, owner: type | None = None) -> Any:
        if instance is None:
            return self
        return copied(instance.fields.get(self.name))

    def __set__(self, instance: Any, value: Any) -> None:
        raise AttributeError(f"attribute {self.name!r} of 'AnnotatedLLMResponse' objects is not writable")


class AnnotatedLLMResponse:
    """A provider response in one shape for all providers. Attributes are read-only and come as fresh copies.

    >>> response = AnnotatedLLMResponse(model="m-1", message="Hello", usage={"prompt_tokens": 3})
    >>> response.response_text(), response.usage
    ('Hello', {'prompt_tokens': 3})

    The attributes hold the first alternative. `choices` has all of them, with reasoning, refusals, citations,
    server tools and media as neutral parts; `tokens` has the counts in disjoint buckets.

    Raises:
        ValueError: a value does not have the documented shape.
        TypeError: ``id`` or ``model`` is not a string.
    """

    __slots__ = ("__weakref__", "_raw", "_stream", "_surface", "_tokens", "fields")

    fields: dict[str, Any]
    _raw: Any
    _surface: ResponseSurface | None
    _stream: dict[str, Any] | None
    _tokens: TokenUsage | None

    def __init__(
        self,
        id: str | None = None,
        model: str | None = None,
        message: Any = None,
        tool_calls: list[dict[str, Any]] | None = None,
        finish_reason: Any = None,
        usage: dict[str, Any] | None = None,
        api_specific: dict[str, Any] | None = None,
        extra: dict[str, Any] | None = None,
    ) -> None:
        self.fields = _checked((id, model, message, tool_calls, finish_reason, usage, api_specific, extra))
        self._raw = self._surface = self._stream = self._tokens = None

    id = _ReadOnly("The provider's response id.")
    model = _ReadOnly("The model that answered.")
    message = _ReadOnly("Text, or content parts, of the first alternative.")
    tool_calls = _ReadOnly("Tool calls, arguments parsed.")
    finish_reason = _ReadOnly("complete, length, tool_use, content_filter, or the provider's own word.")
    usage = _ReadOnly("Token counts and cost.")
    optimization_summary = _ReadOnly("What optimisations of the request saved; set by the runtime.")
    api_specific = _ReadOnly("Members of one provider alone.")
    pricing_status = _ReadOnly("Why an active price table gave no cost, e.g. ``unknown_model``.")

    @property
    def extra(self) -> dict[str, Any]:
        """Members that the model does not name, ``{}`` if there are none."""
        return copied(self.fields.get("extra")) or {}

    @classmethod
    def decoded(cls, fields: dict[str, Any], surface: ResponseSurface, raw: Any) -> AnnotatedLLMResponse:
        """An annotation that shares ``fields`` with the response they were read from.

        Args:
            fields: the attributes.
            surface: the codec that read them.
            raw: the provider's response.

        Returns:
            The annotation; nothing is copied.
        """
        self = cls.__new__(cls)
        self.fields = fields
        self._surface = surface
        self._raw = raw
        self._stream = self._tokens = None
        return self

    def replace(self, **fields: Any) -> AnnotatedLLMResponse:
        """The same annotation with some attributes replaced; ``stream`` sets how its stream ended.

        Args:
            **fields: attributes, in the form that a codec reads them. They are neither checked nor copied.
        """
        cls = type(self)
        other = cls.__new__(cls)
        other._stream = fields.pop("stream", self._stream)
        other.fields = {**self.fields, **fields}
        other._surface, other._raw, other._tokens = self._surface, self._raw, self._tokens
        return other

    @property
    def codec_id(self) -> str | None:
        """The id of the surface that the response was read from; None if the annotation was built by hand."""
        return None if self._surface is None else self._surface.id

    @property
    def raw(self) -> Any:
        """The provider's response, by reference; None if the annotation was built by hand."""
        return self._raw

    @property
    def choices(self) -> list[dict[str, Any]]:
        """Every alternative: ``index``, ``finish_reason``, ``parts`` and what else the provider said of it.

        A part has a ``type``: ``text``, ``refusal``, ``reasoning``, ``tool_call``, ``tool_result``, ``media``,
        ``citation`` or ``provider_native``.
        """
        return [] if self._surface is None else self._surface.choices(self._raw)

    @property
    def parts(self) -> list[dict[str, Any]]:
        """The parts of the first alternative."""
        for choice in self.choices:
            parts: list[dict[str, Any]] = choice["parts"]
            return parts
        return []

    @property
    def tokens(self) -> TokenUsage | None:
        """The provider's counts in disjoint buckets, None where it reported none."""
        if self._surface is None:
            return self._tokens
        from nemo_relay_codecs.model.tokens import buckets

        return buckets(self._surface.id, self._surface.raw_usage(self._raw))

    @property
    def provider_usage(self) -> Any:
        """The provider's own usage object, by reference."""
        return None if self._surface is None else self._surface.raw_usage(self._raw)

    @property
    def interrupted(self) -> bool:
        """Whether the response was assembled from a stream that ended early."""
        return bool(self._stream and self._stream.get("interrupted"))

    @property
    def stream_error(self) -> Any:
        """The error that the provider sent inside the stream, None if it sent none."""
        return self._stream.get("error") if self._stream else None

    def response_text(self) -> str | None:
        """The first text of the message, None if there is none."""
        from nemo_relay_codecs.model.questions import first_text

        return first_text(self.fields.get("message"))

    def has_tool_calls(self) -> bool:
        """Whether the model called a tool."""
        return bool(self.fields.get("tool_calls"))

    def to_event(self, *, inline_media: bool = False) -> dict[str, Any]:
        """The form inside events: every attribute that is set, members of ``extra`` at the same level.

        ``tokens`` is added where the provider counted what ``usage`` has no member for, and ``stream`` where a
        stream ended early or carried an error. The result shares structure and is to be encoded, not edited.
        """
        out = {k: v for k, v in self.fields.items() if v is not None and k != "extra"}
        reason = out.get("finish_reason")
        if reason is not None and reason not in _FINISHED:
            out["finish_reason"] = {"unknown": reason}
        out = {**self.fields.get("extra", {}), **out}
        if self._stream:
            out["stream"] = self._stream
        tokens = self.tokens
        if tokens is not None and tokens.goes_beyond_usage():
            out["tokens"] = tokens.to_dict()
        if inline_media:
            return out
        from nemo_relay_codecs.model.media import by_reference

        result: dict[str, Any] = by_reference(out)
        return result

    @classmethod
    def from_event(cls, event: dict[str, Any]) -> AnnotatedLLMResponse:
        """An annotation from its event form; unknown top-level members become ``extra``.

        Raises:
            ValueError: a member does not have the documented shape.
            TypeError: ``id`` or ``model`` is not a string.
        """
        extra = {k: v for k, v in event.items() if k not in _MEMBERS}
        self = cls()
        self.fields = _checked((*map(event.get, _NAMES), extra or None))
        for name in ("optimization_summary", "pricing_status"):
            if event.get(name) is not None:
                self.fields[name] = owned(event[name])
        if isinstance(event.get("stream"), dict):
            self._stream = owned(event["stream"])
        if isinstance(event.get("tokens"), dict):
            self._tokens = _token_usage(event["tokens"])
        return self

    def __repr__(self) -> str:
        def shown(value: Any) -> str:
            return "None" if value is None else f'Some("{value}")'

        return f"<AnnotatedLLMResponse id={shown(self.fields.get('id'))} model={shown(self.fields.get('model'))}>"


def _token_usage(event: dict[str, Any]) -> TokenUsage | None:
    import msgspec

    from nemo_relay_codecs.model.tokens import TokenUsage

    try:
        return msgspec.convert(event, TokenUsage)
    except msgspec.ValidationError:  # not written by this package
        return None


AnnotatedLLMResponse.__module__ = "nemo_relay"
