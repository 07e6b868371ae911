# SPDX-License-Identifier: Apache-2.0
"""What the gateway raises.

::

    RelayError
    └── GatewayError
        ├── InvalidGatewayConfig   ValueError: a setting cannot be used
        ├── AddressInUse           OSError: somebody else listens there
        ├── CredentialUnavailable  the command that prints a key failed
        ├── ProviderUnreachable    ConnectionError: no answer, or not the whole of it
        └── ProviderAnswered       the provider answered with an error; middleware may retry, or send it elsewhere
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


class CredentialUnavailable(GatewayError):
    """The command that prints the key of a provider failed."""

    def __init__(self, provider: str, reason: str) -> None:
        super().__init__(f"no credential for {provider!r}: its command failed: {reason}")


class ProviderUnreachable(GatewayError, ConnectionError):
    """A provider gave no answer, or broke it off."""

    def __init__(self, text: str) -> None:
        super().__init__(f"gateway upstream error: {text}")


class ProviderAnswered(GatewayError):
    """A provider answered with something else than what was asked for; what it sent reaches the client as it is.

    Attributes:
        status: the HTTP status.
        reason: its phrase.
        headers: as they came.
        body: as it came.
    """

    def __init__(self, status: int, reason: bytes, headers: list[tuple[bytes, bytes]], body: bytes) -> None:
        super().__init__(f"HTTP {status}")
        self.status = status
        self.reason = reason
        self.headers = headers
        self.body = body
