# SPDX-License-Identifier: Apache-2.0
"""TLS of an endpoint: authorities of one's own, and certificates on both sides."""

from __future__ import annotations

import shutil
import ssl
import subprocess
from pathlib import Path
from typing import Any

import pytest
from conftest import Export
from receiver import Receiver, grpc_receiver, http_receiver

from nemo_relay import ScopeType, scope
from nemo_relay_otel import from_config

pytestmark = pytest.mark.skipif(shutil.which("openssl") is None, reason="no openssl to make certificates with")


def openssl(folder: Path, *arguments: str) -> None:
    subprocess.run(["openssl", *arguments], cwd=folder, check=True, capture_output=True, timeout=60)


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An authority, and a server and a client that it vouches for; another authority that it knows nothing of."""
    folder = tmp_path_factory.mktemp("certificates")
    usage = ("-addext", "keyUsage=critical,keyCertSign,cRLSign")  # Python 3.13 wants an authority to say so
    curve = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")
    for name in ("ca", "other"):
        openssl(
            folder,
            "req",
            "-x509",
            *curve,
            "-keyout",
            f"{name}.key",
            "-out",
            f"{name}.pem",
            "-subj",
            f"/CN={name}",
            *usage,
        )
    (folder / "names").write_text("subjectAltName=DNS:localhost,IP:127.0.0.1\n")
    for name in ("server", "client"):
        openssl(folder, "req", *curve, "-keyout", f"{name}.key", "-out", f"{name}.csr", "-subj", f"/CN={name}")
        signed = ("-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-extfile", "names")
        openssl(folder, "x509", "-req", "-in", f"{name}.csr", "-out", f"{name}.pem", *signed)
    return folder


def files(folder: Path, authority: str = "ca", *, client: bool = False) -> dict[str, str]:
    own = {"client_certificate": str(folder / "client.pem"), "private_key": str(folder / "client.key")}
    return {"certificate": str(folder / f"{authority}.pem"), **(own if client else {})}


def server_context(folder: Path, *, mutual: bool) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "server.pem", folder / "server.key")
    if mutual:
        context.load_verify_locations(folder / "ca.pem")
        context.verify_mode = ssl.CERT_REQUIRED
    return context


def send(export: Export, receiver: Receiver, tls: dict[str, str], **more: Any) -> tuple[bool, list[str]]:
    exporters = export({"traces": [{"type": "full", "endpoint": receiver.url, "tls": tls, **more}]})
    with scope.scope("planner", ScopeType.Agent):
        pass
    arrived = exporters.force_flush(20)
    return arrived, [each.message for each in exporters.diagnostics()]


@pytest.mark.parametrize("mutual", [False, True])
def test_http(certificates: Path, export: Export, mutual: bool) -> None:
    with http_receiver(server_context(certificates, mutual=mutual)) as receiver:
        assert send(export, receiver, files(certificates, client=mutual)) == (True, [])
        assert len(receiver.spans) == 1


def test_an_authority_that_nobody_knows_is_no_delivery(certificates: Path, export: Export) -> None:
    with http_receiver(server_context(certificates, mutual=False)) as receiver:
        for tls in (files(certificates, "other"), {}):
            arrived, messages = send(export, receiver, tls)
            assert not arrived
            assert "TLS verification failed" in messages[0]
        assert not receiver.requests


def test_a_server_that_wants_a_certificate_gets_none(certificates: Path, export: Export) -> None:
    with http_receiver(server_context(certificates, mutual=True)) as receiver:
        arrived, messages = send(export, receiver, files(certificates))
        assert not arrived
        assert messages
        assert not receiver.requests


@pytest.mark.parametrize("mutual", [False, True])
def test_grpc(certificates: Path, export: Export, mutual: bool) -> None:
    import grpc

    read = {name: (certificates / name).read_bytes() for name in ("server.key", "server.pem", "ca.pem")}
    pair = [(read["server.key"], read["server.pem"])]
    credentials = grpc.ssl_server_credentials(pair, read["ca.pem"], mutual)
    with grpc_receiver(credentials) as receiver:
        tls = files(certificates, client=mutual)
        assert send(export, receiver, tls, transport="grpc", timeout_millis=10_000) == (True, [])
        assert len(receiver.spans) == 1


@pytest.mark.parametrize(
    ("tls", "named"),
    [
        ({"certificate": "nowhere.pem"}, "tls.certificate 'nowhere.pem'"),
        ({"client_certificate": "a.pem"}, "client_certificate and private_key go together"),
        ({"client_certificate": "a.pem", "private_key": "b.pem"}, "'a.pem' and 'b.pem'"),
    ],
)
def test_what_is_wrong_is_told_when_it_is_set_up(tls: dict[str, str], named: str) -> None:
    with pytest.raises(ValueError, match=named):
        from_config({"traces": [{"type": "full", "endpoint": "https://127.0.0.1:9", "tls": tls}]})
