# SPDX-License-Identifier: Apache-2.0
"""The normalised request.

Imported with the package, so it stays light: the checks behind the setters are loaded by the first assignment.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import Any, TypeAlias

from nemo_relay_codecs.values import copied, owned

_U64_MAX = 2**64 - 1
new = object.__new__

# Where a decoded annotation comes from: the codec's id, the object the application passed, its JSON form (the same
# object unless the content held foreign types), and the fields read. It lets an unedited annotation encode to the very
# same request. A plain tuple, because it is made in every decode.
Origin: TypeAlias = tuple[str, Any, dict[str, Any], dict[str, Any]]


def _of_type(value: Any, kind: type) -> Any:
    if isinstance(value, kind):
        return value
    raise TypeError(f"{type(value).__name__!r} object is not an instance of {kind.__name__!r}")


def _check_text(value: Any) -> Any:
    return _of_type(value, str)


def _check_flag(value: Any) -> Any:
    return _of_type(value, bool)


def _check_count(value: Any) -> int:
    number: int = int(_of_type(value, int))
    if 0 <= number <= _U64_MAX:
        return number
    raise OverflowError(f"{value!r} is outside 0 to 2**64 - 1")


def _model(check: str, introduction: str, module: str = "model.request_checks") -> Callable[[Any], Any]:
    """A setter's check by its name, with the attribute's introduction to any complaint."""

    found: list[Callable[[Any], Any]] = []

    def run(value: Any) -> Any:
        if not found:
            found.append(getattr(importlib.import_module(f"nemo_relay_codecs.{module}"), check))
        try:
            return found[0](value)
        except ValueError as error:
            raise ValueError(f"{introduction}: {error}") from None

    return run


_MESSAGES_TEXT = "invalid messages: each dict must include a 'role' key (user/system/assistant/tool)"


class _Attribute:
    """One attribute of an annotation: a fresh copy out, a checked copy in, None clears."""

    def __init__(
        self,
        check: Callable[[Any], Any],
        doc: str,
        *,
        clearable: bool = True,
        default: Callable[[], Any] | None = None,
    ) -> None:
        self.check = check
        self.clearable = clearable
        self.default = default
        self.__doc__ = doc

    def __set_name__(self, owner: type, name: str) -> None:
        self.name = name

    def __get__(self, instance: Any, owner: type | None = None) -> Any:
        if instance is None:
            return self
        value = instance.fields.get(self.name)
        if value is None:
            return self.default() if self.default else None
        return copied(value)

    def __set__(self, instance: AnnotatedLLMRequest, value: Any) -> None:
        if value is None and self.clearable:
            instance._own().pop(self.name, None)
        else:
            checked = self.check(value)  # before the copy: a refused value leaves the annotation unedited
            instance._own()[self.name] = checked


class AnnotatedLLMRequest:
    """A provider request in one shape for all providers.

    Reading an attribute gives a fresh copy; assign the whole value back to change it:

    >>> request = AnnotatedLLMRequest([{"role": "user", "content": "Hi"}], model="m-1")
    >>> request.messages = [{"role": "system", "content": "Be brief."}, *request.messages]
    >>> request.system_prompt()
    'Be brief.'

    Args:
        messages: the conversation, a list of message objects with a ``role``.
        instructions: system text or content parts kept apart from the messages.
        model: model name.
        params: ``temperature``, ``max_tokens``, ``top_p``, ``stop``.
        tools: tools offered to the model.
        tool_choice: ``"auto"``, ``"none"``, ``"required"`` or a named function.
        api_specific: members that one provider alone has, tagged by ``api``.
        extra: members that the model of the provider's request does not name.

    Raises:
        ValueError: a value does not have the documented shape; nothing was changed.
        TypeError: a plain attribute has the wrong type.
        OverflowError: a count is negative or exceeds 64 bits.
    """

    __slots__ = ("__weakref__", "fields", "origin", "pending")

    # Shared with the payload, and between annotations: to be read, never changed in place.
    fields: dict[str, Any]
    origin: Origin | None
    pending: tuple[Any, dict[str, Any]] | None  # the codec and the payload, checked, of a view not looked at yet

    def __init__(
        self,
        messages: list[dict[str, Any]],
        *,
        instructions: Any = None,
        model: str | None = None,
        params: dict[str, Any] | None = None,
        tools: list[dict[str, Any]] | None = None,
        tool_choice: Any = None,
        api_specific: dict[str, Any] | None = None,
        extra: dict[str, Any] | None = None,
    ) -> None:
        self.fields = {}
        self.origin = self.pending = None
        given = {
            "messages": messages,
            "instructions": instructions,
            "model": model,
            "params": params,
            "tools": tools,
            "tool_choice": tool_choice,
        }
        for name, value in given.items():
            setattr(self, name, value)
        if api_specific is not None:
            introduction = "invalid api_specific: expected a tagged request object"
            self.fields["api_specific"] = _model("request_api", introduction)(api_specific)
        if extra is not None:
            self.fields["extra"] = _model("extra", "invalid extra")(extra)

    messages = _Attribute(_model("messages", _MESSAGES_TEXT), "The conversation.", clearable=False, default=list)
    instructions = _Attribute(
        _model("instructions", "invalid instructions: expected a string or content-part list"),
        "System text apart from the messages.",
    )
    model = _Attribute(_check_text, "Model name.")
    params = _Attribute(_model("params", "invalid params"), "Sampling parameters.")
    tools = _Attribute(_model("tools", "invalid tools"), "Tools offered to the model.")
    tool_choice = _Attribute(_model("tool_choice", "invalid tool_choice"), "Which tool the model may or must call.")
    api_specific = _Attribute(_model("request_api", "invalid api_specific"), "Members of one provider alone.")
    extra = _Attribute(
        _model("extra", "invalid extra"), "Members the model does not name.", clearable=False, default=dict
    )
    store = _Attribute(_check_flag, "Whether the provider stores the response.")
    parallel_tool_calls = _Attribute(_check_flag, "Whether the model may call several tools at once.")
    stream = _Attribute(_check_flag, "Whether the response is streamed.")
    previous_response_id = _Attribute(_check_text, "The stored response this one continues.")
    user = _Attribute(_check_text, "End-user id.")
    service_tier = _Attribute(_check_text, "Service tier asked for.")
    max_output_tokens = _Attribute(_check_count, "Output limit, in tokens, of the Responses API.")
    max_tool_calls = _Attribute(_check_count, "Limit of built-in tool calls.")
    top_logprobs = _Attribute(_check_count, "Alternatives reported per token.")
    truncation = _Attribute(owned, "Truncation strategy, any JSON.")
    reasoning = _Attribute(owned, "Reasoning options, any JSON.")
    include = _Attribute(owned, "Extra output asked for, any JSON.")
    metadata = _Attribute(owned, "Metadata sent to the provider, any JSON.")

    @classmethod
    def decoded(cls, fields: dict[str, Any], origin: Origin | None) -> AnnotatedLLMRequest:
        """An annotation that shares ``fields`` with the payload they were read from.

        Args:
            fields: the attributes.
            origin: where they were read, None if nowhere.

        Returns:
            The annotation; nothing is copied.
        """
        self = new(cls)
        self.fields = fields
        self.origin = origin
        self.pending = None
        return self

    def replace(self, **fields: Any) -> AnnotatedLLMRequest:
        """The same annotation with some attributes replaced. They are neither checked nor copied.

        Args:
            **fields: attributes, in the form that a codec reads them.
        """
        return self.decoded({**self.fields, **fields}, self.origin)

    def __getattr__(self, name: str) -> Any:
        # Called for a slot that is not filled: the first look at a deferred view.
        if name not in ("fields", "origin"):
            raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")
        pending = self.pending
        if pending is not None:
            codec, content = pending
            fields, view = codec.read_request(content)
            self.origin = (codec.id, content, view, fields)
            self.fields = fields
            self.pending = None
        return object.__getattribute__(self, name)

    def _own(self) -> dict[str, Any]:
        """The fields, made this annotation's own before the first edit."""
        if self.origin is not None and self.fields is self.origin[3]:
            self.fields = dict(self.fields)
        return self.fields

    def system_prompt(self) -> str | None:
        """The first system text: of ``instructions``, else of the system and developer messages."""
        from nemo_relay_codecs.model.questions import first_text

        text = first_text(self.fields.get("instructions"))
        if text is not None:
            return text
        for message in self.fields["messages"]:
            if message["role"] in ("system", "developer"):
                text = first_text(message["content"])
                if text is not None:
                    return text
        return None

    def last_user_message(self) -> str | None:
        """The text of the last user message that has any."""
        from nemo_relay_codecs.model.questions import first_text, native_user_text

        for message in reversed(self.fields["messages"]):
            text = None
            if message["role"] == "user":
                text = first_text(message["content"])
            elif message["role"] == "provider_native":
                text = native_user_text(message)
            if text is not None:
                return text
        return None

    def has_tool_calls(self) -> bool:
        """Whether the conversation contains a tool call of the model."""
        from nemo_relay_codecs.model.questions import message_calls_tool

        return any(message_calls_tool(message) for message in self.fields["messages"])

    def to_event(self, *, inline_media: bool = False) -> dict[str, Any]:
        """The form inside events: every attribute that is set, members of ``extra`` at the same level.

        The result shares structure with the request and is to be encoded, not edited. Inline media (base64) is
        replaced by its MIME type, size and digest unless ``inline_media`` is true.
        """
        out = {k: v for k, v in self.fields.items() if v is not None and k != "extra"}
        # Attributes win over provider members of the same name, which stay readable in `extra`.
        out = {**self.fields.get("extra", {}), **out}
        if inline_media:
            return out
        from nemo_relay_codecs.model.media import by_reference

        result: dict[str, Any] = by_reference(out)
        return result

    @classmethod
    def from_event(cls, event: dict[str, Any]) -> AnnotatedLLMRequest:
        """An annotation from its event form; unknown top-level members become ``extra``.

        Raises:
            ValueError: a member does not have the documented shape.
            TypeError: a plain attribute has the wrong type.
        """
        attributes = {k for k, v in vars(cls).items() if isinstance(v, _Attribute)} - {"messages", "extra"}
        self = cls(event.get("messages") or [])
        for name in attributes & event.keys():
            setattr(self, name, event[name])
        extra = {k: v for k, v in event.items() if k not in attributes and k != "messages"}
        if extra:
            self.fields["extra"] = owned(extra)
        return self

    def __repr__(self) -> str:
        model = self.fields.get("model")
        shown = "None" if model is None else f'Some("{model}")'
        return f"<AnnotatedLLMRequest messages={len(self.fields['messages'])} model={shown}>"


AnnotatedLLMRequest.__module__ = "nemo_relay"
