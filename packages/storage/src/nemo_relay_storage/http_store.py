# SPDX-License-Identifier: Apache-2.0
"""``type = "http"``: each trajectory is one POST."""

from __future__ import annotations

import base64
import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.parse import unquote, urlsplit, urlunsplit
from urllib.request import HTTPRedirectHandler, Request, build_opener

from nemo_relay_storage.errors import StorageError

JsonObject = dict[str, Any]

_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_SOURCES = ("headers", "header_env", "header_file")


def schema() -> JsonObject:
    """The JSON Schema of an entry."""
    words = {"type": "object", "additionalProperties": {"type": "string"}}
    fields = {"type": {"const": "http"}, "endpoint": {"type": "string"}, **dict.fromkeys(_SOURCES, words)}
    fields["timeout_millis"] = {"type": "integer", "minimum": 1, "default": 3000}
    return {"type": "object", "required": ["type", "endpoint"], "properties": fields, "additionalProperties": False}


def diagnose(entry: Mapping[str, Any]) -> list[JsonObject]:
    """The diagnostics of an entry; nothing is sent."""
    return [
        {"level": "error", "code": "observability.unsupported_value", "message": f"ATIF storage {text}", "field": field}
        for field, text in _problems(entry)
    ]


def open(entry: Mapping[str, Any]) -> HttpStore:
    """The store of a checked entry."""
    return HttpStore(entry)


class HttpStore:
    """A server that takes documents."""

    def __init__(self, entry: Mapping[str, Any]) -> None:
        self._entry = dict(entry)
        self._url, self._login = _without_login(entry["endpoint"])
        self._seconds = entry.get("timeout_millis", 3000) / 1_000
        self._opener = build_opener(_NoRedirects)

    def put(self, name: str, content: bytes, session_id: str) -> None:
        """Send one document.

        Raises:
            StorageError: it was not taken.
        """
        headers = {
            "content-type": "application/json",
            "x-nemo-relay-atif-filename": name,
            "x-nemo-relay-atif-session-id": session_id,
            **self._login,
            **_headers(self._entry),
        }
        request = Request(self._url, data=content, headers=headers, method="POST")
        what = f"HTTP ATIF upload to '{_shown(self._url)}' for '{name}'"
        try:
            with self._opener.open(request, timeout=self._seconds) as answer:
                answer.read(1)
        except HTTPError as error:
            with error:
                raise StorageError(f"{what} failed with status {error.code} {error.reason}") from None
        except (URLError, OSError) as error:
            reason = getattr(error, "reason", error)
            raise StorageError(f"{what} failed: {type(reason).__name__}: {reason}") from None


class _NoRedirects(HTTPRedirectHandler):
    """Headers carry credentials: they go to the address that was configured and to no other."""

    def redirect_request(self, *_: Any) -> None:
        return None


def _problems(entry: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    endpoint = entry.get("endpoint")
    if not isinstance(endpoint, str) or not _is_http(endpoint):
        yield "endpoint", "endpoint must be a valid http:// or https:// URL"
    timeout = entry.get("timeout_millis", 3000)
    if isinstance(timeout, bool) or not isinstance(timeout, int) or timeout <= 0:
        yield "timeout_millis", "timeout_millis must be greater than 0"
    seen: set[str] = set()
    for source in _SOURCES:
        for name, value in (entry.get(source) or {}).items():
            field = f"{source}.{name}"
            if not _NAME.fullmatch(name):
                yield field, f"{field} header name {name!r} is invalid"
            elif name.lower() in seen:
                yield field, f"{field} must be unique across headers, header_env and header_file"
            elif source == "headers" and ("\n" in value or "\r" in value):
                yield field, f"{field} must be one line"
            elif source == "header_env" and not os.environ.get(value, "").strip():
                yield field, f"{field} references an environment variable that is not set"
            seen.add(name.lower())


def _is_http(url: str) -> bool:
    try:
        parts = urlsplit(url)
        return parts.scheme in ("http", "https") and bool(parts.hostname) and (parts.port or 1) > 0
    except ValueError:
        return False


def _headers(entry: Mapping[str, Any]) -> dict[str, str]:
    made = dict(entry.get("headers") or {})
    for name, variable in (entry.get("header_env") or {}).items():
        made[name] = os.environ.get(variable, "").strip()
    for name, path in (entry.get("header_file") or {}).items():
        made[name] = _from_file(name, path)
    return made


def _from_file(name: str, path: str) -> str:
    """A header's value, read for each request: tokens are replaced while programs run."""
    try:
        value = Path(path).read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError):
        raise StorageError(f"header_file.{name} file is unavailable") from None
    if not value or "\n" in value:
        raise StorageError(f"header_file.{name} must hold one line that is not blank")
    return value


def _without_login(url: str) -> tuple[str, dict[str, str]]:
    """The address, and the header that ``user:password@`` in it stands for."""
    parts = urlsplit(url)
    login, at, host = parts.netloc.rpartition("@")
    if not at:
        return url, {}
    basic = base64.b64encode(unquote(login).encode()).decode()
    return urlunsplit(parts._replace(netloc=host)), {"authorization": f"Basic {basic}"}


def _shown(url: str) -> str:
    parts = urlsplit(url)
    return urlunsplit((parts.scheme, parts.netloc, parts.path, "", ""))
