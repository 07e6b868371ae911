# SPDX-License-Identifier: Apache-2.0
"""The closed vocabularies of the API: what a scope is, how severe a log is, which bits a span carries."""

from __future__ import annotations

from enum import IntEnum
from typing import ClassVar, Self


class _Named(IntEnum):
    """Prints as ``ScopeType.Agent`` and equals its published integer."""

    def __repr__(self) -> str:
        return f"{type(self).__name__}.{self.name}"

    __str__ = __repr__

    def __bool__(self) -> bool:
        # Members are no numbers: `severity or default` must not lose the member that happens to be 0.
        return True


class ScopeType(_Named):
    """What kind of work a scope stands for. On the wire it is the lower-case name."""

    Agent = 0
    Function = 1
    Tool = 2
    Llm = 3
    Retriever = 4
    Embedder = 5
    Reranker = 6
    Guardrail = 7
    Evaluator = 8
    Custom = 9
    Unknown = 10


class LogSeverity(_Named):
    """How severe the message of a mark is."""

    Trace = 0
    Debug = 1
    Info = 2
    Warn = 3
    Error = 4


class MetricKind(_Named):
    """How the values of a metric add up."""

    Counter = 0
    UpDownCounter = 1
    Gauge = 2
    Histogram = 3


class MetricValueType(_Named):
    """The number type of a metric's values."""

    U64 = 0
    I64 = 1
    F64 = 2


class MetricTemporality(_Named):
    """Which aggregation temporality a metric exporter asks for."""

    Cumulative = 0
    Delta = 1
    LowMemory = 2


class AtofExporterMode(_Named):
    """What happens to a file that is already there."""

    Append = 0
    Overwrite = 1


class _Flags:
    """A small set of bits; unknown bits are dropped."""

    __slots__ = ("_value",)
    _names: ClassVar[tuple[str, ...]]
    _native: ClassVar[str]

    def __init__(self, value: int = 0) -> None:
        if not isinstance(value, int):
            raise TypeError(f"{type(value).__name__!r} object cannot be interpreted as an integer")
        if not 0 <= value < 2**32:
            raise OverflowError("out of range integral type conversion attempted")
        self._value = value & ((1 << len(self._names)) - 1)

    @property
    def value(self) -> int:
        """The bits."""
        return self._value

    def __or__(self, other: object) -> Self:
        return type(self)(self._value | other._value) if type(other) is type(self) else NotImplemented

    def __and__(self, other: object) -> Self:
        return type(self)(self._value & other._value) if type(other) is type(self) else NotImplemented

    def __eq__(self, other: object) -> bool:
        return self._value == other._value if type(other) is type(self) else NotImplemented

    def __hash__(self) -> int:
        return hash((type(self), self._value))

    def names(self) -> list[str]:
        """The names of the bits that are set, in ascending order, as events carry them."""
        return [name.lower() for bit, name in enumerate(self._names) if self._value >> bit & 1]

    def __repr__(self) -> str:
        inner = " | ".join(name.upper() for name in self.names()) or "0x0"
        return f"{type(self).__name__}({self._native}({inner}))"


class ScopeAttributes(_Flags):
    """``PARALLEL`` and ``RELOCATABLE`` bits of a scope."""

    __slots__ = ()
    _names = ("PARALLEL", "RELOCATABLE")
    _native = "ScopeAttributes"
    PARALLEL = 1
    RELOCATABLE = 2

    @property
    def is_parallel(self) -> bool:
        """Whether children of the scope may run at the same time."""
        return bool(self._value & 1)

    @property
    def is_relocatable(self) -> bool:
        """Whether the work may move to another place."""
        return bool(self._value & 2)


class ToolAttributes(_Flags):
    """The ``REMOTE`` bit of a tool call."""

    __slots__ = ()
    _names = ("REMOTE",)
    _native = "ToolAttributes"
    REMOTE = 1

    @property
    def is_remote(self) -> bool:
        """Whether the tool runs in another process or on another machine."""
        return bool(self._value & 1)


class LLMAttributes(_Flags):
    """``STATEFUL`` and ``STREAMING`` bits of an LLM call."""

    __slots__ = ()
    _names = ("STATEFUL", "STREAMING")
    _native = "LlmAttributes"
    STATEFUL = 1
    STREAMING = 2

    @property
    def is_stateful(self) -> bool:
        """Whether the provider keeps the conversation."""
        return bool(self._value & 1)

    @property
    def is_streaming(self) -> bool:
        """Whether the response arrives in chunks."""
        return bool(self._value & 2)
