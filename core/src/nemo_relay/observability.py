# SPDX-License-Identifier: Apache-2.0
"""The configuration of the ``observability`` component as Python types, in version 4 of its form.

Every class has the fields of the table of the same name in ``plugins.toml``; ``to_dict()`` gives that table.

>>> from nemo_relay.observability import AtofConfig, AtofFileSinkConfig, ComponentSpec, ObservabilityConfig
>>> sink = AtofFileSinkConfig(output_directory="runs", filename="events.jsonl", mode="overwrite")
>>> component = ComponentSpec(ObservabilityConfig(atof=AtofConfig(enabled=True, sinks=[sink])))
>>> component.to_dict()["config"]["atof"]["sinks"][0]["type"]
'file'
"""

from __future__ import annotations

from nemo_relay._runtime.exports import claim
from nemo_relay_configuration.documents import ConfigPolicy
from nemo_relay_configuration.observability.tables import (
    KIND,
    AtifConfig,
    AtofConfig,
    AtofFileSinkConfig,
    AtofStreamSinkConfig,
    ComponentSpec,
    HttpStorageConfig,
    ObservabilityConfig,
    OpenTelemetryEndpointConfig,
    OpenTelemetryFileSinkConfig,
    OpenTelemetryLogSectionConfig,
    OpenTelemetryMetricSectionConfig,
    OpenTelemetrySectionConfig,
    OpenTelemetrySignalEndpointConfig,
    OpenTelemetryTlsConfig,
    S3StorageConfig,
)

__all__ = [
    "OBSERVABILITY_PLUGIN_KIND",
    "AtifConfig",
    "AtofConfig",
    "AtofEndpointConfig",
    "AtofFileSinkConfig",
    "AtofStreamSinkConfig",
    "ComponentSpec",
    "ConfigPolicy",
    "HttpStorageConfig",
    "ObservabilityConfig",
    "OpenTelemetryEndpointConfig",
    "OpenTelemetryFileSinkConfig",
    "OpenTelemetryLogSectionConfig",
    "OpenTelemetryMetricSectionConfig",
    "OpenTelemetrySectionConfig",
    "OpenTelemetrySignalEndpointConfig",
    "OpenTelemetryTlsConfig",
    "S3StorageConfig",
]

OBSERVABILITY_PLUGIN_KIND = KIND
AtofEndpointConfig = AtofStreamSinkConfig  # its name in earlier releases

claim(globals())
