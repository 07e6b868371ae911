# SPDX-License-Identifier: Apache-2.0
"""What an entry of ``atof.sinks`` may say, by kind."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

JsonObject = dict[str, Any]
_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_MIB = 1 << 20


class Spool(BaseModel):
    """Where events wait: on the disk, or with ``enabled = false`` in memory.

    Args:
        enabled: whether they wait on the disk.
        directory: where; relative to where the program was started.
        max_bytes: the most; the oldest are dropped, and counted, beyond it.
    """

    model_config = ConfigDict(extra="forbid")
    enabled: bool = True
    directory: str = ".nemo-relay/spool"
    max_bytes: Annotated[int, Field(ge=64 * 1024)] = 256 * _MIB


class Common(BaseModel):
    """What every sink has.

    Args:
        name: tells sinks of one kind apart.
        timeout_millis: how long the destination may take for one batch.
        spool: where events wait.
    """

    model_config = ConfigDict(extra="forbid")
    name: str | None = None
    timeout_millis: Annotated[int, Field(gt=0)] = 3000
    field_name_policy: Literal["preserve", "replace_dots"] = "preserve"
    spool: Spool = Field(default_factory=Spool)

    @property
    def seconds(self) -> float:
        """The time-out in seconds."""
        return self.timeout_millis / 1000


class Stream(Common):
    """A server that takes events over HTTP or a WebSocket.

    Args:
        url: where; credentials in it are sent as ``Authorization`` and shown nowhere.
        transport: how.
        headers: fields sent with each request.
        header_env: names of environment variables that hold fields' values, read when the sink is opened.
        header_file: paths of files that hold fields' values, read before each request.
    """

    type: Literal["stream"] = "stream"
    url: str
    transport: Literal["http_post", "ndjson", "websocket"] = "http_post"
    headers: dict[str, str] = Field(default_factory=dict, repr=False)
    header_env: dict[str, str] = Field(default_factory=dict)
    header_file: dict[str, str] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _fits(self) -> Stream:
        scheme = urlsplit(self.url).scheme
        schemes = ("ws", "wss") if self.transport == "websocket" else ("http", "https")
        if scheme not in schemes:
            raise ValueError(f"endpoint {self.transport} transport does not support URL scheme {scheme!r}")
        seen: set[str] = set()
        for source in (self.headers, self.header_env, self.header_file):
            for name in source:
                if not _NAME.fullmatch(name):
                    raise ValueError(f"invalid HTTP header name {name!r}")
                if name.lower() in seen:
                    raise ValueError(f'header "{name}" must be unique across headers and header_env and header_file')
                seen.add(name.lower())
        for name, variable in self.header_env.items():
            if not os.environ.get(variable, "").strip():
                raise ValueError(f'environment variable "{variable}" for header "{name}" is not set or blank')
        return self

    def all_headers(self) -> dict[str, str]:
        """The fields of the next request.

        Raises:
            OSError: a file cannot be read.
            ValueError: a file holds no value.
        """
        found = {**self.headers, **{name: os.environ[value].strip() for name, value in self.header_env.items()}}
        for name, path in self.header_file.items():
            text = Path(path).read_text(encoding="utf-8").strip()
            if not text or "\n" in text:
                raise ValueError(f"the file of header {name!r} holds no single line")
            found[name] = text
        return found


class Broker(Common):
    """A message broker.

    Args:
        url: its address; credentials in it are shown nowhere.
    """

    url: str


class Redis(Broker):
    """Redis Streams.

    Args:
        stream: the key of the stream; ``{session}`` in it makes one a session, which keeps each in order in a cluster.
        seen_seconds: how long an event is remembered, so that what is sent again is left out.
        max_length: about how many entries a stream keeps; None for all.
    """

    type: Literal["redis"] = "redis"
    url: str = "redis://127.0.0.1:6379/0"
    stream: str = "nemo-relay:events"
    seen_seconds: Annotated[int, Field(gt=0)] = 7 * 24 * 3600
    max_length: Annotated[int, Field(gt=0)] | None = None


class Nats(Broker):
    """NATS JetStream.

    Args:
        stream: the name of the stream; made where it is missing.
        subject: what events are published under; ``{session}`` is replaced.
        duplicate_seconds: for how long the server leaves out an event that it has; only for a stream made here.
        credentials_file: a NATS credentials file.
    """

    type: Literal["nats"] = "nats"
    url: str = "nats://127.0.0.1:4222"
    stream: str = "NEMO_RELAY"
    subject: str = "nemo-relay.events.{session}"
    duplicate_seconds: Annotated[int, Field(gt=0)] = 24 * 3600
    credentials_file: str | None = None


class Kafka(Broker):
    """Kafka. The key of a record is its session, so that a session is in order; the headers ``uuid`` and ``id``
    are the event's: by its id it is known when it comes again.

    Args:
        url: brokers, ``host:port`` with commas between them.
        topic: where records go.
        security: other options of the client, such as ``security_protocol`` and ``sasl_mechanism``.
    """

    type: Literal["kafka"] = "kafka"
    url: str = "127.0.0.1:9092"
    topic: str = "nemo-relay-events"
    security: dict[str, str] = Field(default_factory=dict, repr=False)

    @field_validator("topic")
    @classmethod
    def _name(cls, value: str) -> str:
        if not re.fullmatch(r"[A-Za-z0-9._-]{1,249}", value):
            raise ValueError("a topic has 1 to 249 characters of A-Z a-z 0-9 . _ -")
        return value


def problems(model: type[BaseModel], sink: JsonObject, what: str) -> list[JsonObject]:
    """The diagnostics of an entry; no value of it is repeated.

    Args:
        model: its kind.
        sink: the entry.
        what: its kind in words.
    """
    try:
        model.model_validate(sink)
    except ValidationError as error:
        return [_diagnostic(found, what) for found in error.errors(include_input=False, include_url=False)]
    return []


def _diagnostic(found: Any, what: str) -> JsonObject:
    unknown = found["type"] == "extra_forbidden"
    field = ".".join(str(part) for part in found["loc"]) or "url"
    code = "observability.unknown_field" if unknown else "observability.unsupported_value"
    text = f"nothing reads the field '{field}'" if unknown else found["msg"].removeprefix("Value error, ")
    return {
        "level": "warning" if unknown else "error",
        "code": code,
        "component": "observability",
        "field": f"atof.sinks.{field}",
        "message": f"{what} sink: {field}: {text}",
    }
