# SPDX-License-Identifier: Apache-2.0
"""TLS of an endpoint, from PEM files."""

from __future__ import annotations

import ssl
from pathlib import Path

from nemo_relay_otel.config.section import Tls


def context(tls: Tls) -> ssl.SSLContext | None:
    """What ``https`` needs; None where the system's own authorities do.

    Raises:
        ValueError: a file cannot be read, or is not what it should be; the text names the key and the path.
    """
    if tls == Tls():
        return None
    try:
        made = ssl.create_default_context(cafile=tls.certificate)
    except (OSError, ssl.SSLError) as error:
        raise ValueError(f"tls.certificate {tls.certificate!r} cannot be used: {_why(error)}") from None
    if tls.client_certificate is not None:
        try:
            made.load_cert_chain(tls.client_certificate, tls.private_key)
        except (OSError, ssl.SSLError) as error:
            files = f"{tls.client_certificate!r} and {tls.private_key!r}"
            raise ValueError(f"tls.client_certificate and private_key {files} cannot be used: {_why(error)}") from None
    return made


def contents(tls: Tls) -> tuple[bytes | None, bytes | None, bytes | None]:
    """Authorities, key and certificate as gRPC wants them.

    Raises:
        ValueError: a file cannot be read.
    """
    paths = (tls.certificate, tls.private_key, tls.client_certificate)
    try:
        authorities, key, certificate = (None if path is None else Path(path).read_bytes() for path in paths)
    except OSError as error:
        raise ValueError(f"tls: {error.filename!r} cannot be read: {error.strerror}") from None
    return authorities, key, certificate


def _why(error: OSError) -> str:
    return (error.reason if isinstance(error, ssl.SSLError) else error.strerror) or type(error).__name__
