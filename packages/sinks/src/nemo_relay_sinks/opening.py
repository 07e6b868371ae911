# SPDX-License-Identifier: Apache-2.0
"""Opening a sink by hand."""

from __future__ import annotations

from nemo_relay_sinks import kafka, nats, redis, streams
from nemo_relay_sinks.settings import JsonObject
from nemo_relay_sinks.sink import Component, Sink

_KINDS: dict[str, Component] = {
    "redis": redis.component,
    "nats": nats.component,
    "kafka": kafka.component,
    "stream": streams.component,
}


def open_sink(sink: JsonObject) -> Sink:
    """A sink of an entry of ``atof.sinks``.

    Args:
        sink: the entry: ``type`` is ``stream``, ``redis``, ``nats`` or ``kafka``.

    Raises:
        ValueError: the entry cannot be used.
        MissingExtra: the library of that kind is not installed (an ImportError).
    """
    kind = sink.get("type")
    if kind not in _KINDS:
        raise ValueError(f"no sink has the type {kind!r}; known are {', '.join(_KINDS)}")
    return _KINDS[kind].open(sink)
