# SPDX-License-Identifier: Apache-2.0
"""What the gateway raises.

::

    RelayError
    └── GatewayError
        ├── InvalidGatewayConfig   ValueError: a setting cannot be used
        └── AddressInUse           OSError: somebody else listens there
"""

from __future__ import annotations

from nemo_relay.errors import RelayError


class GatewayError(RelayError):
    """The gateway cannot do what it was told."""


class InvalidGatewayConfig(GatewayError, ValueError):
    """A setting cannot be used.

    Attributes:
        setting: its name.
    """

    def __init__(self, setting: str, value: object, reason: str) -> None:
        super().__init__(f"configuration error: gateway setting {setting} = {value!r}: {reason}")
        self.setting = setting


class AddressInUse(GatewayError, OSError):
    """Somebody else listens where the gateway was to listen."""

    def __init__(self, host: str, port: int, reason: str) -> None:
        super().__init__(f"cannot listen on {host}:{port}: {reason}. Stop what listens there, or choose port 0")
