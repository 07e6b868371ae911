# SPDX-License-Identifier: Apache-2.0
"""The parts that sibling distributions bring, found by entry point: OpenTelemetry, stream and broker sinks, storage."""

from __future__ import annotations

from typing import Any

from nemo_relay_configuration.errors import MissingExtra

JsonObject = dict[str, Any]

SECTIONS = "nemo_relay.observability"
SINKS = "nemo_relay.sinks"
STORAGE = "nemo_relay.storage"
CONVERTERS = "nemo_relay.convert"
STREAMS = ("http_post", "ndjson", "websocket")
BROKERS = ("redis", "nats", "kafka")  # what `nemo-relay[sinks]` brings
STORES = ("http", "s3")


def load(group: str, name: str) -> Any:
    """What is installed under that name; None when nothing is."""
    from importlib.metadata import entry_points

    for entry in entry_points(group=group, name=name):
        return entry.load()
    return None


def names(group: str, known: tuple[str, ...]) -> list[str]:
    """``known`` and what is installed in the group."""
    from importlib.metadata import entry_points

    return [*known, *(entry.name for entry in entry_points(group=group) if entry.name not in known)]


def section(name: str) -> Any:
    """The distribution behind a section.

    Raises:
        MissingExtra: it is not installed (an ImportError).
    """
    found = load(SECTIONS, name)
    if found is None:
        raise MissingExtra(f"the section '{name}' of the observability component", "nemo-relay-otel", "otel")
    return found


def sink(config: JsonObject) -> Any:
    """The distribution behind a sink of ``atof``.

    Raises:
        MissingExtra: it is not installed (an ImportError).
    """
    name = sink_name(config)
    found = load(SINKS, name)
    if found is None:
        raise MissingExtra(f"the atof sink '{name}'", "nemo-relay-sinks", "sinks")
    return found


def sink_name(config: JsonObject) -> str:
    """The transport of a stream, else the type."""
    return str(config.get("transport", STREAMS[0]) if config["type"] == "stream" else config["type"])


def storage(config: JsonObject) -> Any:
    """The distribution behind an entry of ``atif.storage``.

    Raises:
        MissingExtra: it is not installed (an ImportError).
    """
    found = load(STORAGE, str(config["type"]))
    if found is None:
        raise MissingExtra(f"the atif storage '{config['type']}'", "nemo-relay-storage", "s3")
    return found
