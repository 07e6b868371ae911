# SPDX-License-Identifier: Apache-2.0
"""Carrying a position in the work tree to another process: Relay's own context and the W3C trace context."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from nemo_relay._runtime import guard
from nemo_relay._runtime.checks import expect
from nemo_relay._runtime.enums import ScopeType
from nemo_relay._runtime.log import faults
from nemo_relay._runtime.tree.spans import ScopeHandle, ScopeStack, Span, session_of
from nemo_relay.errors import InvalidArgument, InvalidValue, NoActiveScope
from nemo_relay_records.encoding import encode

Tracer = Callable[[Span], tuple[str, bool] | None]  # the trace's id and whether it is sampled

_tracers: dict[str, Tracer] = {}

# Whether a provider request gets the ``traceparent`` of its call; see ``nemo_relay.llm.configure``.
send_header = True

# Compiled (and kept by ``re``) when a header is first read, not when the package is imported.
_TRACEPARENT = r"(?s)([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?"
_STATE_KEY = r"[a-z0-9][a-z0-9_\-*/]{0,255}(@[a-z0-9][a-z0-9_\-*/]{0,13})?"
_STATE_VALUE = r"[\x20-\x2b\x2d-\x3c\x3e-\x7e]{0,255}[\x21-\x2b\x2d-\x3c\x3e-\x7e]"


def parse_traceparent(value: str | None) -> tuple[str, str, str] | None:
    """``(trace id, span id, flags)`` of a valid header, else None. Only the sampled flag is kept."""
    match = re.fullmatch(_TRACEPARENT, value.strip()) if value is not None else None
    if match is None:
        return None
    version, trace, span, flags, rest = match.groups()
    if version == "ff" or (version == "00" and rest) or not trace.strip("0") or not span.strip("0"):
        return None
    return trace, span, f"{int(flags, 16) & 1:02x}"


def parse_tracestate(value: str | None) -> str | None:
    """``value`` trimmed, if it is a valid W3C list, else None."""
    if value is None:
        return None
    value = value.strip()
    seen: set[str] = set()
    for member in value.split(","):
        member = member.strip()
        if not member:
            continue
        key, equals, text = member.partition("=")
        if not equals or key in seen or not re.fullmatch(_STATE_KEY, key) or not re.fullmatch(_STATE_VALUE, text):
            return None
        seen.add(key)
    return value if seen else None


def parse_uuid(value: Any) -> str:
    """``value`` as a lower-case hyphenated UUID.

    Raises:
        TypeError: it is no string.
        ValueError: it is no UUID; the text says where it stops being one.
    """
    expect(value, str)
    bare = value[9:] if value[:9].lower() == "urn:uuid:" else value
    braced = bare[1:-1] if bare[:1] == "{" and bare[-1:] == "}" else bare
    for index, letter in enumerate(braced):
        if letter not in "0123456789abcdefABCDEF-":
            raise InvalidUuid(
                "invalid character: expected an optional prefix of `urn:uuid:` followed by"
                f" [0-9a-fA-F-], found `{letter}` at {index + 1}"
            )
    digits = braced.replace("-", "")
    groups = braced.split("-")
    if len(groups) == 1 and len(digits) != 32:
        raise InvalidUuid(f"invalid length: expected length 32 for simple format, found {len(digits)}")
    if len(groups) not in (1, 5):
        raise InvalidUuid(f"invalid group count: expected 5, found {len(groups)}")
    for index, (group, size) in enumerate(zip(groups, (8, 4, 4, 4, 12), strict=False)):
        if len(groups) == 5 and len(group) != size:
            raise InvalidUuid(f"invalid group length in group {index}: expected {size}, found {len(group)}")
    from uuid import UUID

    return str(UUID(hex=digits))


class InvalidUuid(InvalidValue):
    """A string that is no UUID."""

    def __init__(self, detail: str) -> None:
        ValueError.__init__(self, detail)


class PropagationContext:
    """A position in the work tree, to be carried to another process.

    Args:
        parent_uuid: the span that remote work belongs to.
        root_uuid: the session; None when it shall not be told ("rootless").
        version: 1.
        traceparent: a W3C header; dropped where it is invalid.
        tracestate: kept only beside a valid ``traceparent``.

    Raises:
        InvalidValue: a bad UUID or version (a ValueError).
        OverflowError: the version does not fit 16 bits.

    >>> from nemo_relay import PropagationContext
    >>> context = PropagationContext("018f13f0-7c1a-7a80-8000-000000000701")
    >>> PropagationContext.from_json(context.to_json()).parent_uuid
    '018f13f0-7c1a-7a80-8000-000000000701'
    """

    __slots__ = ("_parent_uuid", "_root_uuid", "_traceparent", "_tracestate", "_version")

    def __init__(
        self,
        parent_uuid: str,
        root_uuid: str | None = None,
        version: int = 1,
        traceparent: str | None = None,
        tracestate: str | None = None,
    ) -> None:
        if not 0 <= version < 2**16:
            raise OverflowError("out of range integral type conversion attempted")
        if version != 1:
            raise InvalidValue(f"unsupported propagation context version {version}; expected 1")
        self._version = version
        self._parent_uuid = _usable(parse_uuid(parent_uuid), "parent_uuid")
        self._root_uuid = None if root_uuid is None else _usable(parse_uuid(root_uuid), "root_uuid")
        parsed = parse_traceparent(traceparent)
        self._traceparent = None if parsed is None else "00-{}-{}-{}".format(*parsed)
        self._tracestate = None if parsed is None else parse_tracestate(tracestate)

    @property
    def version(self) -> int:
        """1."""
        return self._version

    @property
    def parent_uuid(self) -> str:
        """The span that remote work belongs to."""
        return self._parent_uuid

    @property
    def root_uuid(self) -> str | None:
        """The session, if it is told."""
        return self._root_uuid

    @property
    def traceparent(self) -> str | None:
        """The W3C ``traceparent``, if there is one."""
        return self._traceparent

    @property
    def tracestate(self) -> str | None:
        """The W3C ``tracestate``, if there is one."""
        return self._tracestate

    def to_json(self) -> str:
        """Compact JSON; what is None is left out."""
        fields = ("version", "root_uuid", "parent_uuid", "traceparent", "tracestate")
        pairs = {field: getattr(self, field) for field in fields}
        return encode({key: value for key, value in pairs.items() if value is not None}).decode()

    def to_traceparent(self) -> str:
        """The W3C header: the one it carries, else one made of root and parent.

        Raises:
            InvalidValue: it is rootless and carries none (a ValueError).
        """
        if self._traceparent is not None:
            return self._traceparent
        if self._root_uuid is None:
            raise InvalidValue("rootless propagation context cannot be converted to traceparent")
        return f"00-{_hex(self._root_uuid)}-{_hex(self._parent_uuid)[16:]}-01"

    @staticmethod
    def from_json(value: str) -> PropagationContext:
        """Read what ``to_json`` wrote; unknown keys are ignored.

        Raises:
            InvalidValue: not a valid document (a ValueError).
        """
        import msgspec

        expect(value, str)
        try:
            document = msgspec.json.decode(value)
        except msgspec.DecodeError as error:
            raise InvalidValue(f"invalid propagation context JSON: {error}") from None
        if not isinstance(document, dict):
            raise InvalidValue(f"invalid propagation context JSON: expected an object, got {document!r}")
        return _from_document(document)

    def __repr__(self) -> str:
        return f"PropagationContext({self.to_json()})"


def _from_document(document: dict[str, Any]) -> PropagationContext:
    for field in ("version", "parent_uuid"):
        if field not in document:
            raise InvalidValue(f"invalid propagation context JSON: missing field `{field}`")
    version = document["version"]
    if isinstance(version, bool) or not isinstance(version, int):
        shown = f'string "{version}"' if isinstance(version, str) else repr(version)
        raise InvalidValue(f"invalid propagation context JSON: invalid type: {shown}, expected u16")
    fields = ("parent_uuid", "root_uuid", "traceparent", "tracestate")
    for field in fields:
        if document.get(field) is not None and not isinstance(document[field], str):
            raise InvalidValue(f"invalid propagation context JSON: {field} must be a string, not {document[field]!r}")
    parent, root, traceparent, tracestate = (document.get(field) for field in fields)
    try:
        return PropagationContext(parent, root, version, traceparent, tracestate)  # type: ignore[arg-type]
    except InvalidUuid as error:
        raise InvalidValue(f"invalid propagation context JSON: UUID parsing failed: {error}") from None


def _hex(uuid: str) -> str:
    return uuid.replace("-", "")


def _is_usable(uuid: str) -> bool:
    return bool(_hex(uuid)[16:].strip("0"))  # these digits become the W3C span id, which must not be zero


def _usable(uuid: str, field: str) -> str:
    if not _is_usable(uuid):
        raise InvalidValue(f"propagation context {field} is not a usable Relay identifier")
    return uuid


def trace_id(span: Span) -> str | None:
    """The trace that work at ``span`` belongs to; None where nothing has been opened or imported."""
    stack = span.stack
    if stack.traceparent is not None:
        imported = parse_traceparent(stack.traceparent)
        if imported is not None:
            return imported[0]
    if stack.imported and not stack.rootless:
        return _hex(stack.root.uuid)
    parent = span.parent_span
    if parent is None:
        return None
    while parent.parent_span is not None:
        span, parent = parent, parent.parent_span
    return _hex(span.known_uuid or span.uuid)


def register_tracer(name: str, fn: Tracer) -> None:
    """Ask ``fn`` for the trace of a span; see ``nemo_relay.scope.register_tracer``."""
    _tracers[name] = fn


def deregister_tracer(name: str) -> bool:
    """Stop asking; False when there is none of that name."""
    return _tracers.pop(name, None) is not None


def set_aside() -> Callable[[], None]:
    """No tracers until the returned call brings them back."""
    kept = dict(_tracers)
    _tracers.clear()

    def back() -> None:
        _tracers.clear()
        _tracers.update(kept)

    return back


def _joined(span: Span) -> tuple[str, bool] | None:
    for name, fn in tuple(_tracers.items()):
        found, error = guard.call(fn, span)
        if error is None and found is not None and parse_traceparent(f"00-{found[0]}-{_span_id(span)}-00") is None:
            error = ValueError(f"a tracer returns 32 hex digits, not {found[0]!r}")
        if error is not None:
            faults.report("scope_tracer_failed", error, tracer=name)
        elif found is not None:
            return str(found[0]), bool(found[1])
    return None


def traceparent(span: Span) -> str | None:
    """The W3C header for work below ``span``; None where there is no trace."""
    stack = span.stack
    if _tracers and _is_local(span):
        joined = _joined(span)
        if joined is not None:
            return f"00-{joined[0]}-{_span_id(span)}-{'01' if joined[1] else '00'}"
    flags = "01"
    if stack.traceparent is not None:
        if not _is_local(span):
            return stack.traceparent
        flags = stack.traceparent[-2:]
    trace = trace_id(span)
    if trace is None:
        return None
    return f"00-{trace}-{_span_id(span)}-{flags}"


def _span_id(span: Span) -> str:
    uuid = span.known_uuid or span.uuid
    return uuid[19:23] + uuid[24:]


def _is_local(span: Span) -> bool:
    return span is not span.stack.root and span is not span.stack.imported


def capture(span: Span) -> PropagationContext:
    """The position ``span`` with its session and trace."""
    stack = span.stack
    return PropagationContext(span.uuid, session_of(span), 1, traceparent(span), stack.tracestate)


def capture_with_root(span: Span, root_uuid: str | None) -> PropagationContext:
    """The position ``span`` under another session, or under none; only an imported trace travels along."""
    stack = span.stack
    imported = traceparent(span) if stack.traceparent is not None else None
    if root_uuid is not None and not _is_usable(parse_uuid(root_uuid)):
        raise InvalidArgument("propagation context root_uuid is not a usable Relay identifier")
    return PropagationContext(span.uuid, root_uuid, 1, imported, stack.tracestate)


def capture_header(span: Span) -> str:
    """The W3C header for work below ``span``.

    Raises:
        NoActiveScope: nothing has been opened or imported (a RuntimeError).
    """
    header = traceparent(span)
    if header is None:
        raise NoActiveScope("invalid argument: no emitted Relay scope is available for W3C trace context capture")
    return header


def imported_stack(context: PropagationContext) -> ScopeStack:
    """A stack that continues a remote position. Nothing is emitted for the remote spans."""
    expect(context, PropagationContext)
    stack = ScopeStack(explicit=True)
    root_uuid = context.root_uuid or context.parent_uuid
    root = ScopeHandle("propagated-root", ScopeType.Agent, None, stack)
    root.known_uuid = root_uuid
    root.session = context.root_uuid
    stack.root = stack.top = root
    stack.rootless = context.root_uuid is None
    if context.parent_uuid != root_uuid:
        parent = ScopeHandle("propagated-parent", ScopeType.Unknown, root, stack)
        parent.known_uuid = context.parent_uuid
        stack.top = parent
    stack.imported = stack.top
    stack.traceparent = context.traceparent
    stack.tracestate = context.tracestate
    return stack
