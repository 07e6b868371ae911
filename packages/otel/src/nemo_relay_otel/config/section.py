# SPDX-License-Identifier: Apache-2.0
"""The ``opentelemetry`` section of the observability component."""

from __future__ import annotations

import os
from pathlib import PurePath
from typing import Annotated, Any, Literal

from pydantic import AliasChoices, BaseModel, ConfigDict, Field, SecretStr, field_validator, model_validator

from nemo_relay_otel.config.checks import check_mappings, check_prefixes

Type = Literal["full", "gen_ai", "openinference"]
Transport = Literal["http_binary", "http_json", "grpc"]
GenAiVersion = Literal["0.10.4", "1.41", "0.1"]
NotBlank = Annotated[str, Field(min_length=1, pattern=r"\S")]
Positive = Annotated[int, Field(gt=0)]
ResourceValue = str | bool | int | float


class _Model(BaseModel):
    # `hide_input_in_errors`: an input may hold a credential.
    model_config = ConfigDict(extra="ignore", frozen=True, hide_input_in_errors=True, populate_by_name=True)


class Tls(_Model):
    """Certificates in PEM files; relative paths start at the working directory."""

    certificate: str | None = Field(default=None, description="Authorities to trust instead of the system's.")
    client_certificate: str | None = Field(default=None, description="Our own certificate, with its chain.")
    private_key: str | None = Field(default=None, description="The key of `client_certificate`.")

    @model_validator(mode="after")
    def _both_or_none(self) -> Tls:
        if (self.client_certificate is None) != (self.private_key is None):
            raise ValueError("client_certificate and private_key go together: give both, or none")
        return self


class Spool(_Model):
    """Where events wait on disk until their destination has them."""

    enabled: bool = Field(default=True, description="On disk, or in memory.")
    directory: str = Field(default=".nemo-relay/spool", description="The folder, made with mode 0700.")
    max_bytes: Positive = Field(default=256 << 20, description="Bytes of one destination; the oldest go first.")


class _Sender(_Model):
    service_name: str = "unknown_service"
    service_namespace: str | None = None
    service_version: str | None = None
    resource_attributes: dict[str, ResourceValue] = {}
    instrumentation_scope: str = "opentelemetry"
    promote_resource_metadata_prefixes: list[str] = []

    @field_validator("promote_resource_metadata_prefixes")
    @classmethod
    def _prefixes(cls, value: list[str]) -> list[str]:
        return check_prefixes(value)

    @field_validator("resource_attributes")
    @classmethod
    def _not_automatic(cls, value: dict[str, ResourceValue]) -> dict[str, ResourceValue]:
        from nemo_relay_otel.config.resource import AUTOMATIC

        for key in AUTOMATIC:
            if key in value:
                raise ValueError(
                    f'resource attribute "{key}" is set automatically by the OpenTelemetry SDK'
                    " and must not be configured"
                )
        return value


class Connection(_Sender):
    """An OTLP endpoint: where it is and how to talk to it."""

    endpoint: NotBlank = Field(description="A URL. Without a path, the signal's own is added.")
    transport: Transport = "http_binary"
    headers: dict[str, SecretStr] = Field(default={}, description="Never shown.")
    header_env: dict[str, str] = Field(default={}, description="Header -> the variable that holds its value.")
    header_file: dict[str, str] = Field(default={}, description="Header -> the file that holds its value.")
    timeout_millis: int = Field(default=3000, ge=0, description="For one attempt; 0 waits as long as it takes.")
    compression: Literal["auto", "gzip", "none"] = Field(default="auto", description="`auto`: none on loopback.")
    tls: Tls = Tls()

    @property
    def grpc(self) -> bool:
        """Whether it speaks gRPC."""
        return self.transport == "grpc"


class _Spans(_Sender):
    type: Type
    mark_projection: Literal["inherit", "event", "tool"] = "inherit"
    mark_exclude_names: list[str] = ["llm.chunk"]
    attribute_mappings: list[dict[str, str]] = Field(default=[], description="Attributes sent under two names.")
    promote_metadata_prefixes: list[str] = []
    completed_span_context_ttl_millis: Positive = 60_000
    genai_version: GenAiVersion = Field(default="0.10.4", description="The version of the GenAI conventions.")
    pending: bool = Field(default=False, description="Send spans also when they start.")
    max_queue_size: Positive = Field(default=65_536, description="Spans that may wait in memory.")
    max_export_batch_size: Positive = 512
    scheduled_delay_millis: Positive = 5_000

    @field_validator("promote_metadata_prefixes")
    @classmethod
    def _more_prefixes(cls, value: list[str]) -> list[str]:
        return check_prefixes(value)

    @field_validator("attribute_mappings")
    @classmethod
    def _mappings(cls, value: list[dict[str, str]]) -> list[dict[str, str]]:
        return check_mappings(value)

    @model_validator(mode="before")
    @classmethod
    def _from_environment(cls, data: Any) -> Any:
        if not isinstance(data, dict):
            return data
        found = {key: os.environ[name] for key, name in _BATCHING.items() if os.environ.get(name, "").isdigit()}
        return {**found, **data}


_BATCHING = {
    "max_queue_size": "OTEL_BSP_MAX_QUEUE_SIZE",
    "max_export_batch_size": "OTEL_BSP_MAX_EXPORT_BATCH_SIZE",
    "scheduled_delay_millis": "OTEL_BSP_SCHEDULE_DELAY",
}


class TraceEndpoint(Connection, _Spans):
    """Spans to an OTLP endpoint."""


class FileSink(_Spans):
    """Spans to a file."""

    output_directory: NotBlank
    filename: str | None = None
    format: Literal["json_lines", "proto"] = "json_lines"
    mode: Literal["append", "overwrite"] = "overwrite"

    @field_validator("filename")
    @classmethod
    def _single(cls, value: str | None) -> str | None:
        if value is None:
            return None
        if not value.strip() or value != value.strip():
            raise ValueError("filename must be nonblank and unpadded")
        if value in (".", "..") or PurePath(value).name != value or "\\" in value:
            raise ValueError("filename must be a single path component")
        return value


class ConsoleSink(_Spans):
    """Spans onto the console, as lines of OTLP/JSON."""

    stream: Literal["stdout", "stderr"] = "stdout"


class SignalEndpoint(Connection):
    """Logs or metrics to an OTLP endpoint."""


class Logs(_Model):
    """Marks as log records."""

    enabled: bool = False
    endpoints: list[SignalEndpoint] | None = Field(default=None, description="None: where the traces go.")
    minimum_severity: Literal["trace", "debug", "info", "warn", "error"] = "info"
    max_queue_size: Positive = 2048
    max_export_batch_size: Positive = 512
    scheduled_delay_millis: Positive = 1_000
    completed_span_context_ttl_millis: Positive = 60_000

    @model_validator(mode="after")
    def _batch_fits(self) -> Logs:
        if self.max_export_batch_size > self.max_queue_size:
            raise ValueError("max_export_batch_size must be greater than 0 and no greater than max_queue_size")
        return self


class Metrics(_Model):
    """Metric marks, and what LLM calls take and use, as metrics."""

    enabled: bool = False
    endpoints: list[SignalEndpoint] | None = Field(default=None, description="None: where the traces go.")
    export_interval_millis: Positive = 60_000
    temporality: Literal["cumulative", "delta", "low_memory"] = "cumulative"
    max_instruments: Positive = 256
    cardinality_limit: Positive = 2_000
    genai_version: GenAiVersion = "0.10.4"
    automatic: bool = Field(default=True, description="Whether LLM calls are measured, beside what metric marks say.")

    @field_validator("temporality", mode="before")
    @classmethod
    def _either_spelling(cls, value: Any) -> Any:
        return {"LowMemory": "low_memory", "Cumulative": "cumulative", "Delta": "delta"}.get(value, value)


class Section(_Model):
    """Traces, logs and metrics to OpenTelemetry back ends."""

    enabled: bool = True
    traces: list[TraceEndpoint] = Field(default=[], validation_alias=AliasChoices("traces", "endpoints"))
    file_sinks: list[FileSink] = []
    console_sinks: list[ConsoleSink] = []
    logs: Logs = Logs()
    metrics: Metrics = Metrics()
    spool: Spool = Spool()
    join_application_traces: bool = Field(default=True, description="One trace with the application's own spans.")
