# SPDX-License-Identifier: Apache-2.0
"""Secrets in no file: by the name they go by, by how they look, wherever they stand (R23, R24)."""

from __future__ import annotations

import json
from collections import UserDict
from pathlib import Path
from typing import Any

import pytest

from nemo_relay import (
    AtifExporter,
    AtofExporter,
    AtofExporterConfig,
    LLMRequest,
    ScopeType,
    guardrails,
    llm,
    scope,
    tools,
)
from nemo_relay._runtime.log import faults
from nemo_relay.recording import record
from nemo_relay.redaction import Redaction
from nemo_relay_records.redaction.names import is_secret_header

HEADERS = """x-functions-key cf-aig-authorization helicone-auth x-portkey-api-key x-access-token apikey
x-litellm-api-key langsmith-api-key X-Api-Token x-auth x-vault-token private-token x-gitlab-token X-Shopify-Access-Token
x-amz-security-token x-csrf-token x-client-secret X-RapidAPI-Key dd-api-key x-typesense-api-key
ocp-apim-subscription-key x-hub-signature-256 xi-api-key x-key Authentication authorization Proxy-Authorization Cookie
set-cookie x-goog-api-key openai-api-key x-honeycomb-team xApiKey X_API_KEY api-key x-amz-signature""".split()
HARMLESS_HEADERS = """content-type user-agent accept x-request-id traceparent openai-organization anthropic-version host
connection x-team x-thread-id x-session-id content-length x-author idempotency-key x-stainless-lang""".split()
KEYS = """password passwd user_password PASSWORD dbPassword secret client_secret clientSecret token access_token
refreshToken api_key apiKey api-key APIKEY authorization auth credentials cookie session_key private_key privateKey
signature csrf csrftoken access_key aws_secret_access_key connection_string connectionString
api_token passphrase""".split()
HARMLESS_KEYS = """max_tokens prompt_tokens completion_tokens total_tokens token_count tokens token_usage author key
keys prompt_tokens_details completion_token_ids time_to_first_token finish_reason id tool_call_id name session_id
thread_id user_id next_page_token cached_tokens reasoning_tokens stop_token tokenizer monkey public_key primary_key
authored nemo_relay_scope_role system_fingerprint input_token_details""".split()
LOOKS = [
    "sk-abcdefghijklmnopqrstuvwx", "sk-ant-api03-abcdefghijklmnopqrst", "ghp_abcdefghijklmnopqrst1234",
    "nvapi-abcdefghijklmnopqrstuv", "AIzaSyA-abcdefghijklmnopqrstuvwxyz01", "AKIAABCDEFGHIJKLMNOP",
    "xoxb-123456789012-abcdef", "hf_abcdefghijklmnopqrstuv", "glpat-abcdefghijklmnopqrst", "gsk_abcdefghijklmnopqrst",
    "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.dozjgNryP4J3jVmN",
]  # fmt: skip
TEXTS = [
    ("GET https://host/v1?key=CANARY&alt=sse failed", "GET https://host/v1?key=[REDACTED]&alt=sse failed"),
    ("https://host/blob?a=1&sig=CANARY%2B", "https://host/blob?a=1&sig=[REDACTED]"),
    ("Authorization: Bearer CANARY", "Authorization: Bearer [REDACTED]"),
    ("postgres://user:CANARY@db:5432/x", "postgres://user:[REDACTED]@db:5432/x"),
    ("{'api_key': 'CANARY-1', 'a': 1}", "{'api_key': '[REDACTED]', 'a': 1}"),
    ("password=CANARY, user=x", "password=[REDACTED], user=x"),
    ("-----BEGIN PRIVATE KEY-----\nCANARY", "-----BEGIN PRIVATE KEY-----[REDACTED]"),
]
PROSE = [
    "the bearer of bad news", "see basic information about it", "Unexpected token: foo", "KeyError: 'token'",
    "time: 12:30", "a = b", "e = mc^2 & so on?", "task-force and risk-free", "mail me at a@b.org, see https://x/y",
]  # fmt: skip


class Headers(UserDict[Any, Any]):
    """A mapping that is no dict, as the header objects of HTTP clients are."""


def test_r23_headers_are_recognised_in_any_spelling() -> None:
    assert [name for name in HEADERS if not is_secret_header(name)] == []
    assert [name for name in HEADERS if not is_secret_header(name.upper().encode())] == []
    assert [name for name in HARMLESS_HEADERS if is_secret_header(name)] == []


def test_keys_are_recognised_and_counts_are_not_taken_for_secrets() -> None:
    redaction = Redaction()
    assert [name for name in KEYS if not redaction.is_secret(name)] == []
    assert [name for name in HARMLESS_KEYS if redaction.is_secret(name)] == []
    assert redaction.value({"usage": {"token": 5, "prompt_tokens": 7}}) == {"usage": {"token": 5, "prompt_tokens": 7}}


@pytest.mark.parametrize("secret", LOOKS)
def test_secrets_are_recognised_by_how_they_look(secret: str) -> None:
    redaction = Redaction()
    assert redaction.text(f"it is {secret}.") == "it is [REDACTED]."
    for data in (secret, [secret], {"note": f"x {secret}"}):
        assert secret not in redaction.line(line(data)).decode()


@pytest.mark.parametrize(("given", "shown"), TEXTS)
def test_r24_texts_of_errors_are_masked(given: str, shown: str) -> None:
    assert faults.text(ValueError(given)) == shown
    assert "CANARY" not in Redaction().line(line({"note": given})).decode()


@pytest.mark.parametrize("text", PROSE)
def test_prose_is_left_alone(text: str) -> None:
    assert faults.text(ValueError(text)) == text
    told = line({"note": text})
    assert json.loads(Redaction().line(told)) == json.loads(told)


def line(data: Any) -> bytes:
    return json.dumps(
        {"atof_version": "0.1", "category": None, "category_profile": None, "data": data, "kind": "mark",
         "metadata": None, "name": "m", "parent_uuid": None, "timestamp": "t", "uuid": "u"},
        separators=(",", ":"),
    ).encode() + b"\n"  # fmt: skip


@pytest.mark.parametrize(
    "data",
    [
        {"password": "CANARY"},
        {"deep": [{"apiKey": {"inner": "CANARY"}}]},
        {"text": '{"token": "CANARY"}'},
        {"text": json.dumps({"more": json.dumps({"client_secret": "CANARY"})})},
        {"headers": [["X-Api-Key", "CANARY"], ["a", "b"]]},
        {"headers": [{"name": "x-access-token", "value": "CANARY"}]},
        {"headers": {"x-key": "CANARY"}},
        {"extra_body": {"api_token": "CANARY"}},
        {"password": ["CANARY"]},
        {"PASSWORD": 12345678},
    ],
)
def test_secrets_are_masked_wherever_they_stand(data: Any) -> None:
    shown = Redaction().line(line(data))
    assert b"CANARY" not in shown and b"12345678" not in shown
    assert b"[REDACTED]" in shown
    assert shown.endswith(b"\n") and shown.count(b"\n") == 1


def test_a_line_without_a_candidate_is_the_very_same() -> None:
    told = line({"text": "The quick brown fox. " * 50, "usage": {"prompt_tokens": 3}, "rows": [["a", 1]]})
    assert Redaction().line(told) is told


def test_json_in_a_string_keeps_its_bytes_where_nothing_is_masked() -> None:
    for text in (
        '{"content": "", "error": "File not found: missing.txt", "tokens": 3}',
        '[ {"headers": {"accept": "x"}, "token_count":  1e3} ]',
        '{"note": "password: none", "a=b": "token = "}',
    ):
        beside = {"api_key": "sk-canary-000000000000", "result": text}
        found = Redaction().value(beside)
        assert found["api_key"] != beside["api_key"]
        assert found["result"] is text


def test_a_callback_decides_and_may_fail() -> None:
    assert Redaction(callback=lambda name, value: f"<{name}>").value({"token": "x"}) == {"token": "<token>"}
    assert Redaction(callback=lambda name, value: 1 / 0).value({"token": "x"}) == {"token": "[REDACTED]"}


def test_own_patterns() -> None:
    redaction = Redaction(keys=["^iban$"], values=[r"\b\d{4}-\d{4}\b"], replacement="***")
    told = line({"IBAN": "DE1", "text": "call 1234-5678", "password": "shown"})
    assert json.loads(redaction.line(told))["data"] == {"IBAN": "***", "text": "call ***", "password": "shown"}


@pytest.mark.parametrize("odd", [b"", b"{", b"null\n", b"[1]\n", b'{"data":{"password":1}}\n', b"\xff\n"])
def test_it_never_raises(odd: bytes) -> None:
    assert isinstance(Redaction().line(odd), bytes)


def test_r23_r24_canaries_appear_in_no_file(tmp_path: Path) -> None:
    headers: Any = dict.fromkeys(HEADERS, "CANARY-h") | {b"Authorization": "CANARY-b"}
    atif = AtifExporter("s", "a", "1")
    atif.register("atif-canary")
    with record(tmp_path), pytest.raises(ValueError, match="CANARY"):
        with scope.scope("agent", ScopeType.Agent, metadata={"api_key": "CANARY-m"}, input={"auth": {"x": "CANARY-i"}}):
            llm.execute_sync("m", LLMRequest(Headers(headers), {"extra_body": {"api_token": "CANARY-p"}}), lambda _: {})
            tools.execute_sync("t", {"o": Headers({"password": "CANARY-o"})}, lambda a: '{"secret": "CANARY-r"}')
            scope.event("mark", data={"cookie": "CANARY-d"})
            raise ValueError("https://user:CANARY-e@host/?key=CANARY-k: Bearer CANARY-t")
    atif.deregister("atif-canary")
    assert "CANARY" not in atif.export_json()
    written = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert len(written) == 2
    for path in written:
        assert "CANARY" not in path.read_text(), path


def test_the_switch(tmp_path: Path) -> None:
    with record(tmp_path, redact=False) as recording:
        scope.event("mark", data={"password": "shown"})
    assert "shown" in recording.events_path.read_text()


def test_r24_sanitizers_see_descriptions(tmp_path: Path) -> None:
    seen: list[Any] = []

    def clean(event: Any, fields: dict[str, Any]) -> dict[str, Any]:
        seen.append(fields["metadata"])
        return {**fields, "metadata": {**(fields["metadata"] or {}), "otel.status_description": "cleaned"}}

    def fail(_: Any) -> None:
        raise ValueError("private")

    guardrails.register_scope_sanitize_end("clean", 0, clean)
    with record(tmp_path) as recording, pytest.raises(ValueError, match="private"):
        tools.execute_sync("t", {}, fail)
    assert "private" in seen[0]["otel.status_description"]
    assert "private" not in recording.events_path.read_text()


def test_c7_the_published_settings_and_reprs_without_secrets(tmp_path: Path) -> None:
    config = AtofExporterConfig()
    defaults = (config.sink_type, config.url, config.transport, config.headers, config.header_env)
    assert defaults == ("file", "", "http_post", {}, {})
    assert (config.timeout_millis, config.field_name_policy) == (3000, "preserve")
    config.sink_type = "stream"
    config.url = "https://user:CANARY@host/in?key=CANARY"
    config.headers = {"authorization": "Bearer CANARY"}
    assert "CANARY" not in repr(config)
    assert "authorization" in repr(config)
    config = AtofExporterConfig()
    config.output_directory = tmp_path
    config.filename = "e.jsonl"
    assert "0 written" in repr(AtofExporter(config))


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"sink_type": "pipe"}, "sink_type must be 'file' or 'stream'"),
        ({"sink_type": "stream"}, "stream sink requires url"),
        ({"transport": "ftp"}, "endpoint transport must be 'http_post', 'websocket', or 'ndjson'"),
        ({"field_name_policy": "x"}, "endpoint field_name_policy must be 'preserve' or 'replace_dots'"),
        ({"durability": "x"}, "durability must be"),
        ({"max_bytes": 0}, "max_bytes must be greater than 0"),
    ],
)
def test_c7_settings_that_may_not_be(tmp_path: Path, changes: dict[str, Any], problem: str) -> None:
    config = AtofExporterConfig()
    config.output_directory = tmp_path
    for name, value in changes.items():
        setattr(config, name, value)
    with pytest.raises(ValueError, match=problem):
        AtofExporter(config)


@pytest.mark.parametrize("durability", ["write", "fsync", "buffered"])
def test_every_durability_writes_everything(tmp_path: Path, durability: str) -> None:
    config = AtofExporterConfig()
    config.output_directory, config.filename, config.durability = tmp_path, "e.jsonl", durability
    exporter = AtofExporter(config)
    exporter.register("d")
    for number in range(100):
        scope.event(f"m{number}")
    assert exporter.force_flush(50)
    assert (exporter.counters().offered, exporter.written, exporter.dropped) == (100, 100, 0)
    scope.event("last")
    exporter.shutdown(20)
    lines = (tmp_path / "e.jsonl").read_text().splitlines()
    assert [json.loads(line)["name"] for line in lines] == [*(f"m{number}" for number in range(100)), "last"]
