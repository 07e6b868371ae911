# SPDX-License-Identifier: Apache-2.0
"""``type = "s3"``: each trajectory is an object in an S3-compatible bucket, by ``obstore``."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from datetime import timedelta
from typing import Any

from nemo_relay_storage.errors import StorageError

JsonObject = dict[str, Any]

_TEXTS = (
    "bucket",
    "key_prefix",
    "access_key_id",
    "secret_access_key_var",
    "session_token_var",
    "region",
    "endpoint_url",
)
_VARIABLES = ("secret_access_key_var", "session_token_var")
_TRUE = {"1", "true", "yes", "on"}
_RETRIES: Any = {"max_retries": 3, "retry_timeout": timedelta(seconds=30)}


def schema() -> JsonObject:
    """The JSON Schema of an entry."""
    fields: JsonObject = {"type": {"const": "s3"}, **{name: {"type": "string"} for name in _TEXTS}}
    fields["allow_http"] = {"type": "boolean"}
    return {"type": "object", "required": ["type", "bucket"], "properties": fields, "additionalProperties": False}


def diagnose(entry: Mapping[str, Any]) -> list[JsonObject]:
    """The diagnostics of an entry; nothing is sent."""
    return [
        {"level": "error", "code": "observability.unsupported_value", "message": f"ATIF storage {text}", "field": field}
        for field, text in _problems(entry)
    ]


def open(entry: Mapping[str, Any]) -> S3Store:
    """The store of a checked entry."""
    return S3Store(entry)


class S3Store:
    """A bucket. What the entry does not say is taken from ``AWS_*`` variables."""

    def __init__(self, entry: Mapping[str, Any]) -> None:
        from obstore.store import S3Store as Bucket

        prefix = (entry.get("key_prefix") or "").strip("/")
        self._prefix = f"{prefix}/" if prefix else ""
        self._bucket_name: str = entry["bucket"]
        allow_http = entry.get("allow_http")
        if allow_http is None:
            allow_http = os.environ.get("AWS_ALLOW_HTTP", "").lower() in _TRUE
        self._bucket = Bucket(
            self._bucket_name,
            config=_settings(entry),
            client_options={"allow_http": bool(allow_http)},
            retry_config=_RETRIES,
            virtual_hosted_style_request=False,
        )

    def put(self, name: str, content: bytes, session_id: str) -> None:
        """Put one document.

        Raises:
            StorageError: it was not taken.
        """
        import obstore

        key = f"{self._prefix}{name}"
        try:
            obstore.put(self._bucket, key, content)
        except Exception as error:  # obstore's own errors share no public root
            if "ETag" in str(error) and "Header" in str(error):
                return  # the server took it, and does not name the version it made
            raise StorageError(f"S3 upload to '{self._bucket_name}/{key}' failed: {_reason(error)}") from None


def _problems(entry: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for name in _TEXTS:
        value = entry.get(name)
        if value is not None and not isinstance(value, str):
            yield name, f"{name} must be a string"
    bucket = entry.get("bucket")
    if not isinstance(bucket, str) or not bucket.strip():
        yield "bucket", "bucket must not be empty"
    for name in _VARIABLES:
        variable = entry.get(name)
        if isinstance(variable, str) and not os.environ.get(variable):
            yield name, f"{name} references an environment variable that is not set"


def _settings(entry: Mapping[str, Any]) -> Any:
    named = {
        "access_key_id": entry.get("access_key_id") or os.environ.get("AWS_ACCESS_KEY_ID"),
        "secret_access_key": os.environ.get(entry.get("secret_access_key_var") or "AWS_SECRET_ACCESS_KEY"),
        "session_token": os.environ.get(entry.get("session_token_var") or "AWS_SESSION_TOKEN"),
        "region": entry.get("region") or os.environ.get("AWS_REGION") or "us-east-1",
        "endpoint": entry.get("endpoint_url") or os.environ.get("AWS_ENDPOINT_URL"),
    }
    return {name: value for name, value in named.items() if value}


def _reason(error: Exception) -> str:
    """The error's first line, without what was sent."""
    return re.sub(r"\s+", " ", str(error).partition("Debug source")[0]).strip()[:300]
