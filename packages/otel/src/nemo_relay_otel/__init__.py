# SPDX-License-Identifier: Apache-2.0
"""NeMo Relay runs as OpenTelemetry traces, logs and metrics.

>>> from nemo_relay_otel import from_config
>>> traces = [{"type": "full", "endpoint": "http://127.0.0.1:9"}]
>>> exporters = from_config({"traces": traces, "spool": {"enabled": False}})
>>> exporters
<Exporters ['traces http://127.0.0.1:9/v1/traces']>
>>> exporters.shutdown()
True
"""

from __future__ import annotations

from importlib import import_module
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

try:
    from nemo_relay.siblings import expect_core
except ImportError as error:
    raise ImportError(
        "nemo-relay-otel needs the nemo-relay of its own version, and found another package of that name: "
        'pip install --find-links dist "nemo-relay-otel>=0.12"'
    ) from error
else:
    expect_core("nemo-relay-otel")

if TYPE_CHECKING:
    from nemo_relay_otel.config.section import Section as Section
    from nemo_relay_otel.config.settings_objects import OpenTelemetryConfig as OpenTelemetryConfig
    from nemo_relay_otel.config.settings_objects import OpenTelemetryFileSinkConfig as OpenTelemetryFileSinkConfig
    from nemo_relay_otel.config.settings_objects import OpenTelemetryLogConfig as OpenTelemetryLogConfig
    from nemo_relay_otel.config.settings_objects import OpenTelemetryMetricConfig as OpenTelemetryMetricConfig
    from nemo_relay_otel.exporters import Exporters as Exporters
    from nemo_relay_otel.factory import from_config as from_config
    from nemo_relay_otel.factory import to_exporter as to_exporter
    from nemo_relay_otel.subscribers import ExporterNotBuilt as ExporterNotBuilt
    from nemo_relay_otel.subscribers import OpenTelemetryLogSubscriber as OpenTelemetryLogSubscriber
    from nemo_relay_otel.subscribers import OpenTelemetryMetricSubscriber as OpenTelemetryMetricSubscriber
    from nemo_relay_otel.subscribers import OpenTelemetryRuntimeDiagnostics as OpenTelemetryRuntimeDiagnostics
    from nemo_relay_otel.subscribers import OpenTelemetrySubscriber as OpenTelemetrySubscriber
    from nemo_relay_spool.counters import Counters as Counters
    from nemo_relay_spool.counters import Diagnostic as Diagnostic
    from nemo_relay_spool.counters import Diagnostic as OpenTelemetryRuntimeDiagnostic

__version__ = version("nemo-relay-otel")

_HOMES = {
    "Counters": "nemo_relay_spool.counters",
    "Diagnostic": "nemo_relay_spool.counters",
    "ExporterNotBuilt": "nemo_relay_otel.subscribers",
    "Exporters": "nemo_relay_otel.exporters",
    "OpenTelemetryConfig": "nemo_relay_otel.config.settings_objects",
    "OpenTelemetryFileSinkConfig": "nemo_relay_otel.config.settings_objects",
    "OpenTelemetryLogConfig": "nemo_relay_otel.config.settings_objects",
    "OpenTelemetryMetricConfig": "nemo_relay_otel.config.settings_objects",
    "OpenTelemetryLogSubscriber": "nemo_relay_otel.subscribers",
    "OpenTelemetryMetricSubscriber": "nemo_relay_otel.subscribers",
    "OpenTelemetryRuntimeDiagnostics": "nemo_relay_otel.subscribers",
    "OpenTelemetrySubscriber": "nemo_relay_otel.subscribers",
    "OpenTelemetryRuntimeDiagnostic": "nemo_relay_spool.counters",
    "Section": "nemo_relay_otel.config.section",
    "from_config": "nemo_relay_otel.factory",
    "to_exporter": "nemo_relay_otel.factory",
}

__all__ = [
    "Counters",
    "Diagnostic",
    "ExporterNotBuilt",
    "Exporters",
    "OpenTelemetryConfig",
    "OpenTelemetryFileSinkConfig",
    "OpenTelemetryLogConfig",
    "OpenTelemetryLogSubscriber",
    "OpenTelemetryMetricConfig",
    "OpenTelemetryMetricSubscriber",
    "OpenTelemetryRuntimeDiagnostic",
    "OpenTelemetryRuntimeDiagnostics",
    "OpenTelemetrySubscriber",
    "Section",
    "from_config",
    "to_exporter",
]


def __getattr__(name: str) -> Any:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    # The published package's name of a diagnostic is ours with a prefix.
    own = name if name != "OpenTelemetryRuntimeDiagnostic" else "Diagnostic"
    value = getattr(import_module(home), own)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOMES})
