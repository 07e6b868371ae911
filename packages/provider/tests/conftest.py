# SPDX-License-Identifier: Apache-2.0
"""A raw HTTP client for what no SDK would send, and what no SDK shows."""

import http.client
import json
from collections.abc import Callable
from typing import Any

import pytest

from nemo_relay_provider import ScriptedProvider

Send = Callable[..., tuple[int, dict[str, str], bytes]]


@pytest.fixture
def send() -> Send:
    """`send(provider, path, body, method=, headers=)` -> status, lower-case headers, bytes."""

    def request(
        provider: ScriptedProvider, path: str, body: Any = None, method: str = "POST", **headers: str
    ) -> tuple[int, dict[str, str], bytes]:
        raw = body if isinstance(body, bytes) or body is None else json.dumps(body).encode()
        connection = http.client.HTTPConnection(provider.url.removeprefix("http://"), timeout=50)
        try:
            names = {name.replace("_", "-"): value for name, value in headers.items()}
            connection.request(method, path, raw, {"content-type": "application/json", **names})
            answer = connection.getresponse()
            return answer.status, {k.lower(): v for k, v in answer.getheaders()}, answer.read()
        finally:
            connection.close()

    return request
