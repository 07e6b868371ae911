# SPDX-License-Identifier: Apache-2.0
"""Who sends: the attributes of the resource."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from nemo_relay_otel.records import Attribute

AUTOMATIC = ("telemetry.sdk.name", "telemetry.sdk.language", "telemetry.sdk.version")
UNKNOWN_SERVICE = "unknown_service"


def resource(
    service_name: str = UNKNOWN_SERVICE,
    service_namespace: str | None = None,
    service_version: str | None = None,
    attributes: Mapping[str, Attribute] | None = None,
) -> dict[str, Attribute]:
    """The resource: what is configured, over what ``OTEL_SERVICE_NAME`` and ``OTEL_RESOURCE_ATTRIBUTES`` say."""
    from opentelemetry.sdk.resources import OTELResourceDetector

    from nemo_relay_otel import __version__

    named = {"service.name": service_name if service_name != UNKNOWN_SERVICE else None}
    named |= {"service.namespace": service_namespace, "service.version": service_version}
    found: dict[str, Attribute] = {"service.name": _by_default()}
    detected: Any = OTELResourceDetector().detect().attributes
    found |= detected
    found |= attributes or {}
    found |= {key: value for key, value in named.items() if value is not None}
    found |= dict(zip(AUTOMATIC, ("nemo-relay", "python", __version__), strict=True))
    return dict(sorted(found.items()))


def _by_default() -> str:
    import os
    import sys

    return f"{UNKNOWN_SERVICE}:{os.path.basename(sys.executable) or 'python'}"
