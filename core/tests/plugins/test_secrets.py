# SPDX-License-Identifier: Apache-2.0
"""Values from elsewhere, and what is never shown of them or of any other credential in a document."""

from __future__ import annotations

import json
import logging
import os
import re
import traceback
from pathlib import Path
from typing import Any

import pytest

from nemo_relay import errors, plugin, scope
from nemo_relay.plugin import ComponentSpec, PluginConfig
from nemo_relay_configuration.sources.secrets import Secrets, redacted

from .conftest import Offer, one
from .test_layers import write

CANARY = "canary-7f3a9c"


async def test_values_come_from_the_environment_and_from_files(
    tmp_path: Path, offer: Offer, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = offer("k")
    monkeypatch.setenv("K_TOKEN", "t0ken")
    write(tmp_path / "key.txt", "line\n")
    path = write(
        tmp_path / "own.toml",
        '[[components]]\nkind = "k"\n[components.config]\nheaders = { authorization = "Bearer ${env:K_TOKEN}" }\n'
        'list = ["${file:key.txt}", "$${env:K_TOKEN}", "${HOME}"]\nn = 1\n',
    )
    async with plugin.activate({}, path) as activation:
        assert made.configs == [
            {"headers": {"authorization": "Bearer t0ken"}, "list": ["line", "${env:K_TOKEN}", "${HOME}"], "n": 1}
        ]
        shown = activation.report["resolved_config"]["components"][0]["config"]
        assert shown["list"][0] == f"${{file:{tmp_path / 'key.txt'}}}", "the reference, relative to its document"


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("${env:K_NOT_SET}", "the environment variable 'K_NOT_SET' is not set"),
        ("${file:no/such}", "cannot read '.*no/such': No such file or directory"),
        ("${file:.}", "is not a regular file|cannot read"),
        ("${file:big}", "is larger than 65536 bytes"),
        ("${file:binary}", "is not UTF-8 text"),
    ],
)
def test_a_reference_that_leads_nowhere_is_an_error(
    value: str, text: str, offer: Offer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "big").write_text("x" * 70_000)
    (tmp_path / "binary").write_bytes(b"\xff\xfe")
    offer("k")
    (found,) = plugin.validate(one("k", a={"b": [value]}))["config"]["diagnostics"]
    assert (found["level"], found["code"], found["field"]) == ("error", "plugin.unresolved_reference", "a.b[0]")
    assert re.search(text, found["message"])
    disabled = {"components": [{"kind": "k", "enabled": False, "config": {"a": value}}]}
    assert plugin.validate(disabled)["config"]["diagnostics"] == [], "what is off needs no value"


def test_a_fifo_does_not_hold_anybody_up(tmp_path: Path, offer: Offer) -> None:
    os.mkfifo(tmp_path / "fifo")
    offer("k")
    (found,) = plugin.validate(one("k", a=f"${{file:{tmp_path / 'fifo'}}}"))["config"]["diagnostics"]
    assert "is not a regular file" in found["message"]


SHOWN: list[tuple[Any, Any]] = [
    ({"api_key": CANARY}, {"api_key": "[REDACTED]"}),
    ({"headers": {"x-team": CANARY}}, {"headers": {"x-team": "[REDACTED]"}}),
    ({"password": 1234567}, {"password": "[REDACTED]"}),
    ({"note": f"sk-proj-{CANARY}"}, {"note": "[REDACTED]"}),
    ({"note": f"glpat-{CANARY}-{CANARY}"}, {"note": "[REDACTED]"}),
    ({"x-functions-key": CANARY, "clientKey": CANARY}, {"x-functions-key": "[REDACTED]", "clientKey": "[REDACTED]"}),
    ({"url": f"https://host/sk-proj-{CANARY}"}, {"url": "[REDACTED]"}),
    ({"note": f"Bearer {CANARY}"}, {"note": "[REDACTED]"}),
    ({"url": f"redis://user:{CANARY}@host:1/0"}, {"url": "redis://[REDACTED]@host:1/0"}),
    ({"url": f"https://host/x?key={CANARY}"}, {"url": "https://host/x"}),
    ({"secret": "${env:NAME}"}, {"secret": "${env:NAME}"}),
    ({"max_tokens": 5, "token_count": 6, "author": "me"}, {"max_tokens": 5, "token_count": 6, "author": "me"}),
    ({"url": "http://127.0.0.1:4318/v1/traces"}, {"url": "http://127.0.0.1:4318/v1/traces"}),
]


@pytest.mark.parametrize(("given", "shown"), SHOWN, ids=[str(given) for given, _ in SHOWN])
def test_reports_show_no_credential(given: Any, shown: Any, offer: Offer) -> None:
    offer("k")
    (component,) = plugin.validate_exact(one("k", **given))["resolved_config"]["components"]
    assert component["config"] == shown


def test_what_was_hidden_is_masked_in_texts() -> None:
    secrets = Secrets()
    redacted({"headers": {"authorization": f"Bearer {CANARY}"}, "url": f"http://u:pa55word@h/?k={CANARY}2"}, secrets)
    masked = secrets.mask(f"{CANARY}2 refused, {CANARY} too, and pa55word")
    assert CANARY not in masked
    assert "pa55word" not in masked


class Leaky:
    """A plugin that puts its configuration into everything it says."""

    def validate(self, config: dict[str, Any]) -> Any:
        return [{"level": "warning", "code": "leaky", "message": f"I was given {json.dumps(config)}"}]

    def register(self, config: dict[str, Any], context: Any) -> None:
        def ends() -> None:
            raise OSError(f"could not end with {config}")

        context.on_close(ends)
        context.report_runtime("leaky.report", f"running with {config}")
        if config.get("fail"):
            raise ValueError(f"bad configuration {config}")


@pytest.mark.allow_blocking
async def test_a_canary_reaches_no_report_error_log_or_repr(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], caplog: Any
) -> None:
    caplog.set_level(logging.DEBUG)
    monkeypatch.setenv("K_TOKEN", f"{CANARY}-env")
    write(tmp_path / "key.txt", f"{CANARY}-file\n")
    plugin.register("leaky", Leaky())  # type: ignore[arg-type]
    config = {
        "plain": "${env:K_TOKEN}",
        "from": f"x ${{file:{tmp_path / 'key.txt'}}} y",
        "headers": {"authorization": f"Bearer {CANARY}-header", "n": [f"{CANARY}-nested"]},
        "endpoint": f"https://me:{CANARY}-url@127.0.0.1/?sig={CANARY}-query",
        "api_key": f"{CANARY}-key",
    }
    document = PluginConfig(components=[ComponentSpec("leaky", config=config), {"kind": "leaky", "config": config}])
    shown = [repr(document), repr(plugin.validate(document)), repr(plugin.validate_exact(document))]
    activation = await plugin.initialize(document)
    scope.event("a mark")
    shown += [repr(activation), repr(activation.report), repr(plugin.report())]
    assert "I was given" in shown[3] + shown[4]
    assert activation.report["config"]["runtime_diagnostics"][0]["count"] == 2
    with pytest.raises(errors.RegistrationFailed) as failed:
        await activation.reconfigure(one("leaky", fail=True, **config))
    shown += traceback.format_exception(failed.value)
    with pytest.raises(errors.InvalidDocument) as wrong:
        plugin.validate({"components": [{"kind": "leaky", "config": f"{CANARY}-misplaced"}]})
    shown += traceback.format_exception(wrong.value)
    await activation.close()
    err = capsys.readouterr().err
    assert "plugin_cleanup_failed" in err
    assert not [text for text in [*shown, err, caplog.text] if CANARY in text]
