# SPDX-License-Identifier: Apache-2.0
"""The tables of the component's configuration, version 4: their fields, types and defaults. JSON Schema, validation and
``nemo_relay.observability`` are made of these."""

# No `annotations` from the future: the schema is made of the types themselves, wherever the classes say they live.
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any, ClassVar, Literal

from nemo_relay_configuration.documents import ConfigPolicy, JsonObject, plain

KIND = "observability"
VERSION = 4

Mode = Literal["append", "overwrite"]
Projection = Literal["full", "gen_ai", "openinference"]


@dataclass
class Table:
    """A table of the document. ``to_dict`` leaves out what is None."""

    tag: ClassVar[str | None] = None

    def to_dict(self) -> JsonObject:
        """The table as JSON."""
        values = {one.name: getattr(self, one.name) for one in fields(self)}
        kept = {
            name: plain(value)
            for name, value in values.items()
            if value is not None and not (name == "header_file" and not value)
        }
        return {"type": self.tag, **kept} if self.tag else kept


@dataclass
class AtofFileSinkConfig(Table):
    """A file of events, one JSON line each. ``max_bytes`` and ``rotate_seconds`` begin a fresh one, ``keep`` says how
    many older ones stay, ``compress`` packs them. ``hash_chain`` lets each line name the one before it; texts of
    ``blob_bytes`` or more are stored once, in ``blobs/``. ``redact`` is for this file alone: whether secrets are
    masked, or a table of what else is one (``keys``, ``values``, ``replacement``); by default as ``redaction`` says."""

    tag: ClassVar[str | None] = "file"

    output_directory: str | None = None
    filename: str | None = None
    mode: Mode = "append"
    redact: bool | dict[str, Any] | None = None
    durability: Literal["write", "fsync", "buffered"] = "write"
    max_bytes: int | None = None
    rotate_seconds: int | None = None
    keep: int | None = None
    compress: bool = False
    hash_chain: bool = False
    blob_bytes: int | None = None


@dataclass
class AtofStreamSinkConfig(Table):
    """Events sent to a server as they happen."""

    tag: ClassVar[str | None] = "stream"

    url: str
    transport: str = "http_post"
    headers: dict[str, str] = field(default_factory=dict, repr=False)
    header_env: dict[str, str] = field(default_factory=dict)
    timeout_millis: int = 3000
    field_name_policy: Literal["preserve", "replace_dots"] = "preserve"
    name: str | None = None
    header_file: dict[str, str] = field(default_factory=dict)


@dataclass
class AtofConfig(Table):
    """The raw events. ``sinks`` are ``AtofFileSinkConfig`` and ``AtofStreamSinkConfig``, or tables of other types."""

    enabled: bool = False
    sinks: list[Any] | None = None


@dataclass
class HttpStorageConfig(Table):
    """Trajectories sent to a server, one POST each."""

    tag: ClassVar[str | None] = "http"

    endpoint: str = ""
    headers: dict[str, str] = field(default_factory=dict, repr=False)
    header_env: dict[str, str] = field(default_factory=dict)
    timeout_millis: int = 3000
    header_file: dict[str, str] = field(default_factory=dict)


@dataclass
class S3StorageConfig(Table):
    """Trajectories put into an S3-compatible bucket."""

    tag: ClassVar[str | None] = "s3"

    bucket: str = ""
    key_prefix: str | None = None
    access_key_id: str | None = field(default=None, repr=False)
    secret_access_key_var: str | None = None
    session_token_var: str | None = None
    region: str | None = None
    endpoint_url: str | None = None
    allow_http: bool | None = None


@dataclass
class AtifConfig(Table):
    """A trajectory file per session."""

    enabled: bool = False
    agent_name: str = "NeMo Relay"
    agent_version: str | None = None
    model_name: str = "unknown"
    tool_definitions: list[Any] | None = None
    extra: dict[str, Any] | None = None
    output_directory: str | None = None
    filename_template: str = "nemo-relay-atif-{session_id}.json"
    storage: list[Any] | None = None
    include_observed_events: bool = True
    include_llm_requests: bool = True
    schema_version: Literal["ATIF-v1.7", "ATIF-v1.8"] | None = None


@dataclass
class OpenTelemetryTlsConfig(Table):
    """PEM files for one endpoint; ``certificate`` takes the place of the system's authorities."""

    certificate: str | None = None
    client_certificate: str | None = None
    private_key: str | None = None


@dataclass
class OpenTelemetryEndpointConfig(Table):
    """A receiver of traces."""

    type: Projection
    endpoint: str
    mark_projection: Literal["inherit", "event", "tool"] = "inherit"
    mark_exclude_names: list[str] = field(default_factory=lambda: ["llm.chunk"])
    attribute_mappings: list[dict[str, str]] = field(default_factory=list)
    transport: str = "http_binary"
    service_name: str = "unknown_service"
    service_namespace: str | None = None
    service_version: str | None = None
    instrumentation_scope: str = "opentelemetry"
    timeout_millis: int = 3000
    headers: dict[str, str] = field(default_factory=dict, repr=False)
    header_env: dict[str, str] = field(default_factory=dict)
    resource_attributes: dict[str, Any] = field(default_factory=dict)
    max_queue_size: int | None = None
    max_export_batch_size: int | None = None
    scheduled_delay_millis: int | None = None
    completed_span_context_ttl_millis: int | None = None
    promote_metadata_prefixes: list[str] = field(default_factory=list)
    promote_resource_metadata_prefixes: list[str] = field(default_factory=list)
    header_file: dict[str, str] = field(default_factory=dict)
    tls: OpenTelemetryTlsConfig | None = None
    compression: Literal["auto", "gzip", "none"] | None = None
    genai_version: Literal["0.10.4", "1.41", "0.1"] | None = None
    pending: bool | None = None


@dataclass
class OpenTelemetryFileSinkConfig(Table):
    """A file of traces."""

    type: Projection
    output_directory: str
    filename: str | None = None
    format: Literal["json_lines", "proto"] = "json_lines"
    mode: Mode = "overwrite"
    mark_projection: Literal["inherit", "event", "tool"] = "inherit"
    mark_exclude_names: list[str] = field(default_factory=lambda: ["llm.chunk"])
    attribute_mappings: list[dict[str, str]] = field(default_factory=list)
    service_name: str = "unknown_service"
    service_namespace: str | None = None
    service_version: str | None = None
    instrumentation_scope: str = "opentelemetry"
    resource_attributes: dict[str, Any] = field(default_factory=dict)
    max_queue_size: int | None = None
    max_export_batch_size: int | None = None
    scheduled_delay_millis: int | None = None
    completed_span_context_ttl_millis: int | None = None
    promote_metadata_prefixes: list[str] = field(default_factory=list)
    promote_resource_metadata_prefixes: list[str] = field(default_factory=list)


@dataclass
class OpenTelemetrySignalEndpointConfig(Table):
    """A receiver of logs or metrics."""

    endpoint: str
    transport: str = "http_binary"
    headers: dict[str, str] = field(default_factory=dict, repr=False)
    header_env: dict[str, str] = field(default_factory=dict)
    resource_attributes: dict[str, Any] = field(default_factory=dict)
    service_name: str = "unknown_service"
    service_namespace: str | None = None
    service_version: str | None = None
    instrumentation_scope: str = "opentelemetry"
    timeout_millis: int = 3000
    header_file: dict[str, str] = field(default_factory=dict)
    promote_resource_metadata_prefixes: list[str] = field(default_factory=list)
    tls: OpenTelemetryTlsConfig | None = None


@dataclass
class OpenTelemetryLogSectionConfig(Table):
    """Marks as log records. Without ``endpoints``, they are made from those of the traces."""

    enabled: bool = False
    endpoints: list[OpenTelemetrySignalEndpointConfig] | None = None
    minimum_severity: str = "info"
    max_queue_size: int = 2048
    max_export_batch_size: int = 512
    scheduled_delay_millis: int = 1000
    completed_span_context_ttl_millis: int = 60000


@dataclass
class OpenTelemetryMetricSectionConfig(Table):
    """Metrics. Without ``endpoints``, they are made from those of the traces."""

    enabled: bool = False
    endpoints: list[OpenTelemetrySignalEndpointConfig] | None = None
    export_interval_millis: int = 60000
    temporality: Literal["cumulative", "delta", "low_memory"] = "cumulative"
    max_instruments: int = 256
    cardinality_limit: int = 2000


@dataclass
class OpenTelemetrySectionConfig(Table):
    """Everything that goes to OpenTelemetry. ``endpoints`` are those of traces."""

    enabled: bool = False
    endpoints: list[OpenTelemetryEndpointConfig] = field(default_factory=list)
    logs: OpenTelemetryLogSectionConfig | None = None
    metrics: OpenTelemetryMetricSectionConfig | None = None
    file_sinks: list[OpenTelemetryFileSinkConfig] | None = None
    console_sinks: list[dict[str, Any]] | None = None
    spool: dict[str, Any] | None = None
    join_application_traces: bool | None = None


@dataclass
class ObservabilityConfig(Table):
    """The whole configuration of the component."""

    version: int = VERSION
    atof: AtofConfig | None = None
    atif: AtifConfig | None = None
    opentelemetry: OpenTelemetrySectionConfig | None = None
    policy: Any = field(default_factory=ConfigPolicy)
    enable_full_payloads: bool = False


@dataclass
class ComponentSpec:
    """The component as a document has it. The configuration may hold credentials: it is not in the repr."""

    config: ObservabilityConfig | Mapping[str, Any] = field(repr=False)
    enabled: bool = True

    def to_dict(self) -> JsonObject:
        """The component as JSON."""
        return {"kind": KIND, "enabled": self.enabled, "config": plain(self.config)}
