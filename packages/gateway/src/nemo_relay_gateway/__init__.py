# SPDX-License-Identifier: Apache-2.0
"""A local HTTP gateway between agents and model providers: bytes pass unchanged, and each call is recorded.

>>> import asyncio
>>> from nemo_relay_gateway import Gateway, GatewayConfig
>>> async def main():
...     async with Gateway(GatewayConfig(base_urls={"openai": "http://127.0.0.1:9/v1"})) as gateway:
...         return gateway.port > 0
>>> asyncio.run(main())
True
"""

from __future__ import annotations

try:
    from nemo_relay.siblings import expect_core
except ImportError as error:
    raise ImportError(
        "nemo-relay-gateway needs the nemo-relay of its own version, and found another package of that name: "
        'pip install --find-links dist "nemo-relay-gateway>=0.12"'
    ) from error
else:
    expect_core("nemo-relay-gateway")

from nemo_relay_gateway.config import GatewayConfig
from nemo_relay_gateway.errors import AddressInUse, GatewayError, InvalidGatewayConfig
from nemo_relay_gateway.gateway import Gateway

__all__ = ["AddressInUse", "Gateway", "GatewayConfig", "GatewayError", "InvalidGatewayConfig"]
