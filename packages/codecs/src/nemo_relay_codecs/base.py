# SPDX-License-Identifier: Apache-2.0
"""What the codecs share: the order of a decode, the merge of an edit, the bookkeeping of both."""

from __future__ import annotations

from typing import Any, ClassVar, Literal

from msgspec import Struct, ValidationError, convert

from nemo_relay_codecs.alignment import Encode, merge, patch
from nemo_relay_codecs.errors import CodecError, InvalidPayload, MalformedBody, nested_too_deeply
from nemo_relay_codecs.model.request import AnnotatedLLMRequest, new
from nemo_relay_codecs.model.response import AnnotatedLLMResponse
from nemo_relay_codecs.request import LLMRequest
from nemo_relay_codecs.request_readers import Member, anything
from nemo_relay_codecs.values import plain, same

JsonObject = dict[str, Any]
MISSING: Any = object()


def native(provider: str, kind: str, value: Any, **marker: str) -> JsonObject:
    """An opaque wrapper around a provider's own message, part, tool or choice."""
    return {**marker, "provider": provider, "kind": kind, "value": value}


def type_name(value: Any) -> str:
    """``value["type"]`` if it is a string, else ``"unknown"``."""
    kind = value.get("type") if isinstance(value, dict) else None
    return kind if isinstance(kind, str) else "unknown"


def without(value: JsonObject, *keys: str) -> JsonObject:
    """A shallow copy that lacks ``keys``."""
    return {k: v for k, v in value.items() if k not in keys}


class Edit:
    """One encode in progress: a shallow copy of the payload, what it said before and what it shall say."""

    __slots__ = ("after", "before", "changed", "content", "surface")

    def __init__(self, content: JsonObject, before: JsonObject, after: JsonObject, surface: str) -> None:
        self.content = dict(content)
        self.before = before
        self.after = after
        self.surface = surface
        self.changed = {k for k in before if k not in after}
        for key, value in after.items():
            old = before.get(key, MISSING)
            if old is not value and not same(old, value):
                self.changed.add(key)

    @property
    def messages_only(self) -> bool:
        """Whether nothing but the messages was edited, which is the usual edit."""
        return len(self.changed) == 1 and "messages" in self.changed

    def put(self, key: str, value: Any, target: JsonObject | None = None) -> None:
        """Set a wire key, or delete it for None."""
        target = self.content if target is None else target
        if value is None:
            target.pop(key, None)
        else:
            target[key] = value

    def refuse(self, *names: str) -> None:
        """Fail if one of the attributes that the surface cannot carry was changed."""
        if not self.changed.isdisjoint(names):
            raise InvalidPayload(f"request contains fields that cannot be encoded for {self.surface}")

    def scalars(self, *names: str) -> None:
        """Attributes whose wire key has the same name."""
        if self.changed.isdisjoint(names):
            return
        for name in names:
            if name in self.changed:
                self.put(name, self.after.get(name))

    def changed_params(self) -> dict[str, Any]:
        """The members of ``params`` that differ, None for those removed."""
        if "params" not in self.changed:
            return {}
        before, after = self.before.get("params") or {}, self.after.get("params") or {}
        names = ("temperature", "top_p", "max_tokens", "stop")
        return {n: after.get(n) for n in names if not same(before.get(n), after.get(n))}

    def items(self, name: str, key: str, encode: Encode) -> None:
        """A list attribute, aligned with the provider's own list."""
        if name not in self.changed:
            return
        after = self.after.get(name)
        if after is None:
            self.content.pop(key, None)
            return
        raw = self.content.get(key)
        if isinstance(raw, list):
            self.content[key] = merge(after, self.before.get(name) or [], raw, encode)
        else:
            self.content[key] = [encode(item) for item in after]

    def choice(self, key: str, encode: Encode) -> None:
        """The tool choice, patched into the provider's own object where both exist."""
        if "tool_choice" not in self.changed:
            return
        before, after = self.before.get("tool_choice"), self.after.get("tool_choice")
        if before is not None and after is not None:
            self.content[key] = patch(self.content[key], encode(before), encode(after))
        else:
            self.put(key, None if after is None else encode(after))

    def api(self, name: str, members: dict[str, Member]) -> None:
        """Members of ``api_specific``, each under its wire key."""
        if "api_specific" not in self.changed:
            return
        keys = {m.name: key for key, m in members.items() if m.part == "api_specific"}
        before, after = self.before.get("api_specific") or {}, self.after.get("api_specific")
        if after is not None and after["api"] != name:
            raise InvalidPayload(f"api_specific provider does not match {self.surface}")
        for member, key in keys.items():
            old, new = before.get(member, MISSING), (after or {}).get(member, MISSING)
            if after is None or not same(old, new):
                self.put(key, None if new is MISSING else new)

    def extra(self, target: JsonObject | None = None) -> None:
        """Unmodelled members, overlaid last."""
        if "extra" not in self.changed:
            return
        target = self.content if target is None else target
        before, after = self.before.get("extra", {}), self.after.get("extra", {})
        for key in before:
            if key not in after:
                target.pop(key, None)
        for key, value in after.items():
            if key not in before or not same(before[key], value):
                target[key] = value


def read_members(
    content: JsonObject, members: dict[str, Member], surface: str, api: str
) -> tuple[JsonObject, JsonObject, JsonObject]:
    """The modelled scalar members of a request as attributes, its ``params``, and the members left to the codec.

    ``api_specific`` (tagged ``api``) and ``extra`` are among the attributes already.
    """
    attributes: JsonObject = {}
    params: JsonObject = {}
    extra: JsonObject = {}
    special: JsonObject = {}
    specific = {"api": api}
    parts = {"top": attributes, "params": params, "api_specific": specific, "special": special}
    find = members.get
    try:
        for key, value in content.items():
            member = find(key)
            if member is None:
                extra[key] = value
            elif value is not None or member[3]:
                part, name, read, _ = member
                parts[part][name] = value if read is anything else read(value, surface, key)
    except CodecError:
        # Of several faults the first in the documented order is reported, whatever the payload's key order.
        for key, member in members.items():
            if content.get(key) is not None:
                member.read(content[key], surface, key)
        raise
    attributes["api_specific"] = specific
    if extra:
        attributes["extra"] = extra
    return attributes, params, special


class Codec:
    """A codec of one provider surface: stateless, safe to share between threads.

    Subclasses implement `_read` (request body to attributes), `_write` (an `Edit` back into the body) and
    `_read_response`.
    """

    __slots__ = ()

    id: ClassVar[str]
    surface: ClassVar[str]
    label: ClassVar[str]
    shape: ClassVar[type[Struct] | None] = None  # no payload is null: every request is read at once

    def decode(self, request: LLMRequest) -> AnnotatedLLMRequest:
        """The request in the normalised shape. It shares structure with ``request.content`` and copies nothing.

        Raises:
            CodecError: the content is not a request of this provider.
            TypeError: ``request`` is not an `LLMRequest`.
        """
        if type(request) is LLMRequest:
            content = request._content
        else:
            _expect(request, LLMRequest)
            content = request.content
        if type(content) is dict:
            # What has the usual shape is read when somebody looks: most requests pass a codec with nobody looking.
            try:
                convert(content, self.shape)
            except ValidationError:
                return self._decoded(content)
            view = new(AnnotatedLLMRequest)
            view.pending = (self, content)
            return view
        return self._decoded(content)

    def _decoded(self, content: Any) -> AnnotatedLLMRequest:
        fields, view = self.read_request(content)
        return AnnotatedLLMRequest.decoded(fields, (self.id, content, view, fields))

    def read_request(self, content: Any) -> tuple[JsonObject, JsonObject]:
        """The attributes of a request's body, and the body as JSON: itself unless it holds foreign types.

        Raises:
            CodecError: the content is not a request of this provider.
        """
        try:
            try:
                return self._read(_body(content)), content
            except CodecError:
                view = plain(content)
                if view is content:
                    raise
            return self._read(_body(view)), view
        except RecursionError:
            raise nested_too_deeply(self.surface) from None

    def encode(self, annotated: AnnotatedLLMRequest, original: LLMRequest) -> LLMRequest:
        """The original request with the edits of ``annotated`` merged in; nothing else is touched.

        An unedited annotation gives back ``original`` itself. Headers are always the original ones.

        Raises:
            CodecError: an edit cannot be expressed in this provider's wire format.
            TypeError: an argument has the wrong type.
        """
        _expect(annotated, AnnotatedLLMRequest)
        _expect(original, LLMRequest)
        content = original.content
        pending = annotated.pending
        if pending is not None and pending[0] is self and pending[1] is content:
            return original
        fields = annotated.fields  # what is still pending is read here
        origin = annotated.origin
        if origin is not None and origin[0] == self.id and origin[1] is content:
            _, _, view, before = origin
            if fields is before:
                return original
        else:
            before, view = self.read_request(content)
        try:
            edit = Edit(view, before, fields, self.surface)
            if not edit.changed:
                return original
            self._write(edit)
        except RecursionError:
            raise nested_too_deeply(self.surface) from None
        return LLMRequest(original.headers, edit.content)

    def decode_response(self, response: Any) -> AnnotatedLLMResponse:
        """The response in the normalised shape.

        Args:
            response: the provider's JSON document, or an SDK object that has one.

        Raises:
            CodecError: the document does not have this provider's shape.
            ValueError: the object cannot be shown as JSON.
        """
        try:
            try:
                view = response if isinstance(response, dict | list | str | int | float | None) else plain(response)
                fields = self._read_response(view)
            except CodecError:
                again = plain(view)
                if again is view:
                    raise
                view = again
                fields = self._read_response(view)
        except RecursionError:
            raise nested_too_deeply(self.label) from None
        return AnnotatedLLMResponse.decoded(fields, self, view)

    def _read(self, content: JsonObject) -> JsonObject:
        raise TypeError(f"{type(self).__name__} has no request side")

    def _write(self, edit: Edit) -> None:
        raise TypeError(f"{type(self).__name__} has no request side")

    def _read_response(self, response: Any) -> JsonObject:
        raise TypeError(f"{type(self).__name__} has no response side")

    def choices(self, response: Any) -> list[JsonObject]:
        """Every alternative of a response, its content as neutral parts."""
        return []

    def raw_usage(self, response: Any) -> Any:
        """The provider's usage object."""
        return response.get("usage") if isinstance(response, dict) else None

    @property
    def codec_kind(self) -> Literal["builtin", "opaque"]:
        """What contexts call this codec: a subclass outside of this package is the application's own."""
        return "builtin" if type(self).__module__.partition(".")[0] == "nemo_relay_codecs" else "opaque"

    @property
    def codec_id(self) -> str:
        """The id that contexts show."""
        return self.id

    def __repr__(self) -> str:
        return f"<{type(self).__name__}>"


def _body(content: Any) -> JsonObject:
    if isinstance(content, dict):
        return content
    raise MalformedBody("request content is not an object")


def _expect(value: Any, kind: type) -> None:
    if not isinstance(value, kind):
        raise TypeError(f"{type(value).__name__!r} object is not an instance of {kind.__name__!r}")


def shown(item: Any) -> str:
    """An item of the normalised model in an error text: its kind, never its content."""
    if not isinstance(item, dict):
        return repr(type(item).__name__)
    kind = item.get("role") or item.get("type")
    if kind == "provider_native":
        return f"provider_native {item.get('kind')!r} of {item.get('provider')!r}"
    return repr(kind)


def cannot(what: str, item: Any, surface: str) -> InvalidPayload:
    """The error for a component of the model that a surface has no form for."""
    return InvalidPayload(f"{what} {shown(item)} cannot be encoded for {surface}")
