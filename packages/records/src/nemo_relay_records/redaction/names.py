# SPDX-License-Identifier: Apache-2.0
"""Which names speak of secrets: of object keys, parameters and headers, in any spelling."""

from __future__ import annotations

import re
from base64 import b64decode
from functools import lru_cache

# Matched against the words of a name, in lower case and with an underscore between them: ``x_api_key``.
DEFAULT_KEYS = (
    r"passw(or)?d|passphrase|(^|_)(pwd|pw)($|_)",
    r"secret",
    r"token($|_(?!count|usage|limit|budget|type|id|ids|details|rate|s$))",
    r"api_?key|(^|_)(x|xi)_key$",
    r"authorization|authentication$|(^|_)auth($|_(?!type|method|mode|url|uri|scheme|status|provider|enabled|required))",
    r"credential",
    r"cookie",
    r"(access|private|session|signing|encryption|subscription|functions|service|master|account|auth|shared|client"
    r"|license|host|storage|rapidapi)_?key",
    r"(^|_)signature",
    r"csrf|xsrf",
    r"connection_?string|conn_?str|(^|_)(dsn|database_url)$",
    r"(^|_)(bearer|jwt|otp)($|_)",
)
# What ends in one of these counts or marks tokens, or says where a page begins.
_NO_SECRET = re.compile(
    r"(max|min|num|first|last|per|next|page|eos|bos|pad|unk|stop|mask|sep|cls|special|continuation|sync|time_to_first)"
    r"_(\w+_)?token($|_)|idempotency_key$|tokens$|tokeniz|secretary|_?(signature|secret|token|key|cookie)s?_(count|length|size)$"
)
# A header has nothing to say but what it is for: any key is one.
_HEADER = re.compile(r"(^|_)key$|^x_honeycomb_team$|(^|_)auth(_|$)|session$")
# How the encoder writes a name that is bytes.
_BASE64 = re.compile(r"^[A-Za-z0-9+/]{8,}={0,2}$")
_BYTES = re.compile(r"^b'(.*)'$|^b\"(.*)\"$")
_CAMEL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")
_BETWEEN = re.compile(r"[^a-z0-9]+")


def words(name: str) -> str:
    """``name`` as lower-case words with underscores between them: ``X-Api-Key`` and ``xApiKey`` are ``x_api_key``."""
    bytes_like = _BYTES.match(name)
    plain = name if bytes_like is None else bytes_like[1] or bytes_like[2] or ""
    return _BETWEEN.sub("_", _CAMEL.sub("_", plain[:200]).lower()).strip("_")


def speaks_of_secret(name: str, pattern: re.Pattern[str]) -> bool:
    """Whether ``name`` matches ``pattern`` and is not known to be harmless."""
    parts = words(name)
    if pattern.search(parts) is not None and _NO_SECRET.search(parts) is None:
        return True
    inner = _as_bytes(name)
    return inner is not None and speaks_of_secret(inner, pattern)


def _as_bytes(name: str) -> str | None:
    """The name that ``name`` is in base64, if it may be one."""
    if len(name) % 4 or _BASE64.match(name) is None:
        return None
    try:
        inner = b64decode(name, validate=True).decode("ascii")
    except ValueError:
        return None
    return inner if inner.isprintable() and inner != name else None


def compiled(patterns: tuple[str, ...]) -> re.Pattern[str]:
    """One pattern for all of ``patterns``; one that matches nothing when there are none."""
    return re.compile("|".join(f"(?:{pattern})" for pattern in patterns) or r"(?!)")


_default = compiled(DEFAULT_KEYS)


@lru_cache(maxsize=4_096)  # the names of headers repeat
def is_secret_header(name: object) -> bool:
    """Whether the header ``name``, text or bytes, carries a credential."""
    text = name.decode("latin-1") if isinstance(name, (bytes, bytearray)) else str(name)
    if speaks_of_secret(text, _default):
        return True
    parts = words(text)
    return _HEADER.search(parts) is not None and _NO_SECRET.search(parts) is None
