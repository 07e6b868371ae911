# SPDX-License-Identifier: Apache-2.0
"""Cassettes: what is matched, what is kept of a request and a response, and how the file is written."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import vcr  # type: ignore[import-untyped]
import yaml  # type: ignore[import-untyped]
from vcr.serializers import yamlserializer  # type: ignore[import-untyped]

HOST = "provider.invalid"
MATCH_ON = ("method", "path", "body")
# Everything else goes: credentials, cookies, dates, organisations, and what tells one machine from another.
REQUEST_HEADERS = frozenset({"accept", "anthropic-version", "content-type"})
RESPONSE_HEADERS = frozenset({"content-type"})
SCRUBBED = (
    f"host and port of the URL; request headers but {', '.join(sorted(REQUEST_HEADERS))}; "
    f"response headers but {', '.join(sorted(RESPONSE_HEADERS))}"
)


def use(path: Path, record_mode: str) -> Any:
    """A context in which HTTP is recorded to the cassette (``"all"``), or answered from it alone (``"none"``)."""
    tape = vcr.VCR(
        record_mode=record_mode,
        match_on=MATCH_ON,
        before_record_request=scrub_request,
        before_record_response=scrub_response,
        serializer="sorted",
    )
    tape.register_serializer("sorted", SimpleNamespace(serialize=serialize, deserialize=yamlserializer.deserialize))
    return tape.use_cassette(path)


def scrub_request(request: Any) -> Any:
    """The request without its host, and with the headers that matter."""
    parts = urlsplit(request.uri)
    request.uri = urlunsplit(("http", HOST, parts.path, parts.query, ""))
    request.headers = {
        name.lower(): value for name, value in request.headers.items() if name.lower() in REQUEST_HEADERS
    }
    return request


def scrub_response(response: dict[str, Any]) -> dict[str, Any]:
    """The response with the headers that matter; the one that the client gets is not touched."""
    kept = {name.lower(): value for name, value in response["headers"].items() if name.lower() in RESPONSE_HEADERS}
    return {**response, "headers": kept}


def serialize(cassette: dict[str, Any]) -> str:
    """The cassette as YAML: concurrent requests in one order, a stream line by line."""
    ordered = sorted(cassette["interactions"], key=lambda one: (one["request"]["uri"], one["request"]["body"]))
    text: str = yaml.dump({**cassette, "interactions": ordered}, Dumper=_Dumper, width=10_000, allow_unicode=True)
    return "# SPDX-License-Identifier: Apache-2.0\n" + text


class _Dumper(yaml.SafeDumper):  # type: ignore[misc]
    """Writes texts of several lines as blocks."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


def _text(dumper: yaml.SafeDumper, value: str) -> yaml.ScalarNode:
    return dumper.represent_scalar("tag:yaml.org,2002:str", value, style="|" if "\n" in value else None)


_Dumper.add_representer(str, _text)
