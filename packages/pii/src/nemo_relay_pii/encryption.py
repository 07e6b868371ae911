# SPDX-License-Identifier: Apache-2.0
"""Redaction that whoever has the key can take back: AES-SIV, equal values giving equal tokens."""

from __future__ import annotations

import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from hashlib import sha512
from typing import Any

from nemo_relay.errors import MissingExtra
from nemo_relay_pii.actions import Show
from nemo_relay_pii.finding import Match

_TOKEN = re.compile(r"<(\w{1,64}):enc:([A-Za-z0-9_-]{16,65536}={0,2})>")


def encrypted(key: bytes) -> Show:
    """``<email:enc:...>``; ``reveal`` reads it.

    Raises:
        MissingExtra: cryptography is not installed (an ImportError).
    """
    cipher = _cipher(key)

    def show(text: str, match: Match) -> str:
        sealed = cipher.encrypt(text.encode("utf-8", "replace"), [match.name.encode()])
        return f"<{match.name}:enc:{urlsafe_b64encode(sealed).decode()}>"

    return show


def reveal(text: str, key: str) -> str:
    """``text`` with what the action ``encrypt`` hid in it.

    Args:
        text: any text, the line of an event included.
        key: the key of the configuration. Tokens of another key stay as they are.

    Returns:
        The text with each token of that key replaced by what it stands for.

    Raises:
        MissingExtra: cryptography is not installed (an ImportError).
    """
    from cryptography.exceptions import InvalidTag

    cipher = _cipher(key.encode())

    def opened(token: re.Match[str]) -> str:
        try:
            plain: bytes = cipher.decrypt(urlsafe_b64decode(token[2]), [token[1].encode()])
        except (InvalidTag, ValueError):
            return token[0]
        return plain.decode()

    return _TOKEN.sub(opened, text)


def _cipher(key: bytes) -> Any:
    try:
        from cryptography.hazmat.primitives.ciphers.aead import AESSIV
    except ImportError:
        raise MissingExtra("the action 'encrypt'", "cryptography", "encrypt", "nemo-relay-pii") from None
    return AESSIV(sha512(key).digest())
