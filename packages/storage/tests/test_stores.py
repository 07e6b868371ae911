# SPDX-License-Identifier: Apache-2.0
"""The stores against a real server on loopback: what they send, and what they say when it is not taken."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from nemo_relay_storage import StorageError, http_store, s3_store

from .conftest import Server

CANARY = "canary-51c0"
DOCUMENT = b'{"schema_version":"ATIF-v1.7"}'


@pytest.fixture(autouse=True)
def no_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("ACCESS_KEY_ID", "SECRET_ACCESS_KEY", "SESSION_TOKEN", "REGION", "ENDPOINT_URL", "ALLOW_HTTP"):
        monkeypatch.delenv(f"AWS_{name}", raising=False)


def test_http_sends_the_document_and_says_whose_it_is(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STORE_AUTH", f" Bearer {CANARY} ")
    (tmp_path / "team").write_text("red\n")
    entry = {
        "type": "http",
        "endpoint": f"{server.url}/in?x=1",
        "headers": {"x-a": "b"},
        "header_env": {"authorization": "STORE_AUTH"},
        "header_file": {"x-team": str(tmp_path / "team")},
    }
    assert http_store.diagnose(entry) == []
    store = http_store.open(entry)
    store.put("t.json", DOCUMENT, "s-1")
    (tmp_path / "team").write_text("blue\n")
    store.put("t.json", DOCUMENT, "s-1")
    first, second = server.taken
    assert (first.method, first.path, first.body) == ("POST", "/in?x=1", DOCUMENT)
    wanted = {
        "content-type": "application/json",
        "x-nemo-relay-atif-filename": "t.json",
        "x-nemo-relay-atif-session-id": "s-1",
        "authorization": f"Bearer {CANARY}",
        "x-a": "b",
        "x-team": "red",
    }
    assert wanted.items() <= first.headers.items()
    assert second.headers["x-team"] == "blue", "a file is read for each request"


@pytest.mark.parametrize("status", [302, 404, 503])
def test_http_names_the_server_and_no_credential(server: Server, status: int) -> None:
    server.answers = [status]
    server.headers = {"location": "http://127.0.0.1:9/elsewhere"}
    address = server.url.removeprefix("http://")
    entry = {
        "endpoint": f"http://u:{CANARY}@{address}/in?key={CANARY}",
        "headers": {"authorization": f"Bearer {CANARY}"},
    }
    with pytest.raises(StorageError, match=rf"HTTP ATIF upload to '{server.url}/in' for 't.json' failed") as failed:
        http_store.open(entry).put("t.json", DOCUMENT, "s")
    assert CANARY not in str(failed.value)
    assert len(server.taken) == 1, "no redirect is followed"


def test_http_that_nobody_answers() -> None:
    with pytest.raises(StorageError, match="ConnectionRefusedError"):
        http_store.open({"endpoint": "http://127.0.0.1:9/"}).put("t.json", DOCUMENT, "s")


def test_http_a_login_in_the_address_becomes_a_header(server: Server) -> None:
    address = server.url.removeprefix("http://")
    http_store.open({"endpoint": f"http://me:p%40ss@{address}/"}).put("t.json", DOCUMENT, "s")
    assert server.taken[0].headers["authorization"] == "Basic bWU6cEBzcw=="


@pytest.mark.parametrize(
    ("entry", "field"),
    [
        ({"endpoint": "ftp://x"}, "endpoint"),
        ({"endpoint": "http://"}, "endpoint"),
        ({"endpoint": "http://h:99999"}, "endpoint"),
        ({"endpoint": "http://h", "timeout_millis": 0}, "timeout_millis"),
        ({"endpoint": "http://h", "headers": {"a b": "x"}}, "headers.a b"),
        ({"endpoint": "http://h", "headers": {"a": f"x\n{CANARY}"}}, "headers.a"),
        ({"endpoint": "http://h", "headers": {"a": "x"}, "header_env": {"A": "HOME"}}, "header_env.A"),
        ({"endpoint": "http://h", "header_env": {"a": "STORE_NOT_SET"}}, "header_env.a"),
    ],
)
def test_http_diagnoses(entry: dict[str, Any], field: str) -> None:
    (found,) = http_store.diagnose(entry)
    assert (found["level"], found["field"]) == ("error", field)
    assert CANARY not in found["message"]


def test_s3_puts_a_signed_object_by_its_path(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STORE_SECRET", CANARY)
    entry = {
        "type": "s3",
        "bucket": "b",
        "key_prefix": "team/",
        "access_key_id": "AK",
        "secret_access_key_var": "STORE_SECRET",
        "endpoint_url": server.url,
        "allow_http": True,
        "region": "eu-1",
    }
    assert s3_store.diagnose(entry) == []
    s3_store.open(entry).put("t.json", DOCUMENT, "s")
    (one,) = server.taken
    assert (one.method, one.path, one.body) == ("PUT", "/b/team/t.json", DOCUMENT)
    assert "Credential=AK/" in one.headers["authorization"] and "/eu-1/s3/" in one.headers["authorization"]
    assert CANARY not in str(one.headers)


def test_s3_takes_the_standard_variables(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in (("ACCESS_KEY_ID", "AK2"), ("SECRET_ACCESS_KEY", CANARY), ("ENDPOINT_URL", server.url)):
        monkeypatch.setenv(f"AWS_{name}", value)
    monkeypatch.setenv("AWS_ALLOW_HTTP", "true")
    s3_store.open({"bucket": "b"}).put("t.json", DOCUMENT, "s")
    assert "Credential=AK2/" in server.taken[0].headers["authorization"]


def s3(server: Server) -> s3_store.S3Store:
    entry = {"bucket": "b", "access_key_id": "AK", "endpoint_url": server.url, "allow_http": True}
    return s3_store.open({**entry, "secret_access_key_var": "STORE_SECRET"})


def test_s3_a_server_without_etags_has_taken_it(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STORE_SECRET", CANARY)
    server.headers = {}
    s3(server).put("t.json", DOCUMENT, "s")
    assert server.taken[0].body == DOCUMENT


def test_s3_retries_and_names_the_object_and_no_credential(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STORE_SECRET", CANARY)
    server.answers = [503, 200]
    s3(server).put("t.json", DOCUMENT, "s")
    assert len(server.taken) == 2
    server.answers = [403]
    with pytest.raises(StorageError, match=r"S3 upload to 'b/t.json' failed") as failed:
        s3(server).put("t.json", DOCUMENT, "s")
    assert CANARY not in str(failed.value)


@pytest.mark.parametrize(
    ("entry", "field"),
    [
        ({"bucket": ""}, "bucket"),
        ({"bucket": "b", "region": 5}, "region"),
        ({"bucket": "b", "secret_access_key_var": "STORE_NOT_SET"}, "secret_access_key_var"),
    ],
)
def test_s3_diagnoses(entry: dict[str, Any], field: str) -> None:
    (found,) = s3_store.diagnose(entry)
    assert (found["level"], found["field"]) == ("error", field)
