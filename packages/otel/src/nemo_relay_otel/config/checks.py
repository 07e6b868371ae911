# SPDX-License-Identifier: Apache-2.0
"""Checks that configuration classes share. Each raises a ValueError that names what is wrong."""

from __future__ import annotations

import ipaddress
import os
import re
import unicodedata
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

_HEADER = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
_SEGMENTS = re.compile(r"[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*\.?")
HTTPS_RULE = "OTLP trace endpoints require HTTPS; HTTP is allowed only for localhost or loopback IP addresses"


def is_blank(value: str) -> bool:
    """Whether nothing of it can be seen."""
    return all(letter.isspace() or unicodedata.category(letter) in ("Cc", "Cf") for letter in value)


def check_mappings(value: Any) -> list[dict[str, str]]:
    """A list of ``{"key", "alias"}``, each alias once."""
    if not isinstance(value, (list, tuple)):
        raise ValueError(f"attribute_mappings must be a list of mappings, got {type(value).__name__}")
    seen: set[str] = set()
    for item in value:
        if not isinstance(item, Mapping):
            raise ValueError(f"attribute_mappings must be a list of mappings, got {type(item).__name__}")
        for field in ("key", "alias"):
            if not isinstance(item.get(field), str):
                raise ValueError(f"attribute_mappings must be a list of mappings: missing field `{field}`")
            if is_blank(item[field]):
                raise ValueError(f"attribute mapping {field} must not be blank")
        alias = item["alias"].strip()
        if alias in seen:
            raise ValueError(f'attribute mapping alias "{item["alias"]}" is duplicated')
        seen.add(alias)
    return [{"key": item["key"], "alias": item["alias"]} for item in value]


def check_prefixes(value: Any) -> list[str]:
    """Literal prefixes of metadata keys, each once."""
    seen: set[str] = set()
    for prefix in value:
        if not isinstance(prefix, str):
            raise TypeError(f"metadata promotion prefix must be a string, got {type(prefix).__name__}")
        if is_blank(prefix):
            raise ValueError("metadata promotion prefix must not be blank")
        if prefix != prefix.strip():
            raise ValueError(f'metadata promotion prefix "{prefix}" must not have surrounding whitespace')
        if set(prefix) & set("*?[]"):
            raise ValueError(f'metadata promotion prefix "{prefix}" must be a literal prefix, not a glob')
        if not _SEGMENTS.fullmatch(prefix):
            raise ValueError(
                f'metadata promotion prefix "{prefix}" must contain letter, number, underscore, or hyphen segments'
                " separated by single dots, with an optional trailing dot"
            )
        if prefix in seen:
            raise ValueError(f'metadata promotion prefix "{prefix}" is duplicated')
        seen.add(prefix)
    return list(value)


def is_loopback(host: str | None) -> bool:
    """Whether the host is this machine, beyond doubt."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host or "").is_loopback
    except ValueError:
        return False


def check_https(endpoint: str, signal: str = "trace") -> None:
    """HTTPS, or HTTP on this machine.

    Raises:
        ValueError: anything else.
    """
    try:
        url = urlsplit(endpoint)
        good = (url.scheme == "https" and url.hostname) or (url.scheme == "http" and is_loopback(url.hostname))
        _ = url.port
    except ValueError:
        good = False
    if not good:
        raise ValueError(HTTPS_RULE.replace("trace", signal, 1))


def check_header_names(*groups: Mapping[str, Any]) -> None:
    """Names of headers, each in one of the groups only.

    Raises:
        ValueError: a name that is none, or one that is there twice.
    """
    seen: set[str] = set()
    for number, group in enumerate(groups):
        for name in group:
            if not _HEADER.fullmatch(name):
                raise ValueError(f'invalid OTLP header "{name}": invalid HTTP header name')
            if name.lower() in seen:
                if number == 0:
                    raise ValueError(f'invalid OTLP header "{name}": header names must be unique ignoring ASCII case')
                raise ValueError(f'header "{name}" must be unique across headers and header_env and header_file')
            seen.add(name.lower())


def check_header_value(name: str, value: str) -> str:
    """A value that a header can have; it is never shown.

    Raises:
        ValueError: it cannot.
    """
    if any((ord(letter) < 32 and letter != "\t") or ord(letter) == 127 for letter in value):
        raise ValueError(f'invalid OTLP header "{name}": its value has control characters')
    try:
        value.encode("latin-1")
    except UnicodeEncodeError:
        raise ValueError(f'invalid OTLP header "{name}": its value has letters that HTTP cannot send') from None
    return value


def header_from_environment(name: str, variable: str) -> str:
    """The value of a header that an environment variable holds.

    Raises:
        ValueError: there is none.
    """
    if not variable.strip() or variable != variable.strip() or "=" in variable or "\0" in variable:
        raise ValueError(
            f'invalid OTLP header "{name}": header_env must name a nonblank environment variable without surrounding'
            " whitespace, '=' or NUL"
        )
    value = os.environ.get(variable)
    if value is None:
        raise ValueError(f'invalid OTLP header "{name}": environment variable "{variable}" is not set')
    if not value.strip() or value != value.strip():
        raise ValueError(
            f'invalid OTLP header "{name}": environment variable "{variable}" must contain a nonblank value without'
            " surrounding whitespace"
        )
    return check_header_value(name, value)


def refuse_global_headers(signal: str) -> None:
    """Headers that would go to every endpoint are refused where endpoints are configured.

    Raises:
        ValueError: they are set.
    """
    for variable in ("OTEL_EXPORTER_OTLP_HEADERS", f"OTEL_EXPORTER_OTLP_{signal.upper()}_HEADERS"):
        if os.environ.get(variable):
            raise ValueError(
                f"{variable} is not supported because process-global OTLP headers can leak across endpoints; use the"
                " endpoint headers or header_env configuration"
            )
