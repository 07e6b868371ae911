# SPDX-License-Identifier: Apache-2.0
"""Against moto's S3 server, in a venv of its own: what is put can be fetched again."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import uv

from nemo_relay_storage import StorageError, s3_store
from workspace import ROOT, read_toml

pytestmark = [pytest.mark.backends, pytest.mark.timeout(300)]


@pytest.fixture(scope="module")
def moto(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    venv = tmp_path_factory.mktemp("moto") / "venv"
    for arguments in (["venv", "--python", sys.executable], ["pip", "install", "moto[server,s3]", "--python"]):
        env = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "VIRTUAL_ENV"))}
        env["UV_EXCLUDE_NEWER"] = read_toml(ROOT / "pyproject.toml")["tool"]["uv"]["exclude-newer"]
        made = subprocess.run([uv.find_uv_bin(), *arguments, str(venv), "-q", "--no-config"], env=env)
        if made.returncode:
            pytest.skip("moto cannot be installed here")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with subprocess.Popen(
        [str(venv / "bin" / "moto_server"), "-H", "127.0.0.1", "-p", str(port)], stderr=subprocess.DEVNULL
    ) as server:
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            with socket.socket() as probe:
                if not probe.connect_ex(("127.0.0.1", port)):
                    break
            time.sleep(0.1)
        yield f"http://127.0.0.1:{port}"
        server.terminate()


def test_what_is_put_can_be_fetched(moto: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    import obstore
    from obstore.store import S3Store

    monkeypatch.setenv("MOTO_SECRET", "secret")
    entry = {
        "bucket": "runs",
        "key_prefix": "p",
        "access_key_id": "AK",
        "secret_access_key_var": "MOTO_SECRET",
        "endpoint_url": moto,
        "allow_http": True,
    }
    store = s3_store.open(entry)
    with pytest.raises(StorageError, match="S3 upload to 'runs/p/t.json' failed"):
        store.put("t.json", b"x", "s")
    import urllib.request

    urllib.request.urlopen(urllib.request.Request(f"{moto}/runs", method="PUT"), timeout=50).close()
    big = b"z" * 12_000_000
    for content in (b"{}", big, b'{"newer": true}'):
        store.put("t.json", content, "s")
        reader = S3Store(
            "runs",
            config={"access_key_id": "AK", "secret_access_key": "secret", "endpoint": moto, "region": "us-east-1"},
            client_options={"allow_http": True},
            virtual_hosted_style_request=False,
        )
        assert bytes(obstore.get(reader, "p/t.json").bytes()) == content
