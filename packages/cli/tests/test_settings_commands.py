# SPDX-License-Identifier: Apache-2.0
"""``nemo-relay config`` and ``nemo-relay model-pricing``."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path

import pytest

from nemo_relay.model_pricing import ModelPricing, PricingCatalog, TokenPricingRates

from .conftest import Home

RATES = TokenPricingRates(input_per_million=0.15, output_per_million=0.6)
ENTRY = ModelPricing("acme", "m-1", "2026-01-01", "https://acme.example/prices", rates=RATES)


@pytest.fixture
def catalog(home: Home) -> Path:
    path = home.project / "cat.json"
    path.write_text(json.dumps(PricingCatalog([ENTRY]).to_dict()))
    return path


def test_what_holds_is_shown_without_a_credential(home: Home) -> None:
    for name, value in (
        ("upstream.openai_base_url", "http://127.0.0.1:9/v1"),
        ("upstream.openai_auth_header", "Bearer sk-secret"),
    ):
        done = home.run("config", "set", name, value, "--user")
        assert done.returncode == 0, done.stderr
    path = home.home / ".config" / "nemo-relay" / "config.toml"
    assert path.stat().st_mode & 0o777 == 0o600
    shown = home.run("config").stdout
    assert 'openai_base_url = "http://127.0.0.1:9/v1"' in shown
    assert "sk-secret" not in shown + home.run("config", "--json").stdout
    assert json.loads(home.run("config", "--json").stdout)["upstream"]["openai_auth_header"] == "<redacted>"
    assert home.run("config", "unset", "upstream.openai_auth_header", "--user").returncode == 0
    assert "auth_header" not in path.read_text()
    assert home.run("config", "unset", "upstream.openai_auth_header", "--user").returncode == 1


def test_a_configuration_that_cannot_be_is_not_written(home: Home) -> None:
    done = home.run("config", "set", "gateway.max_hook_payload_bytes", "0")
    assert (done.returncode, "max_hook_payload_bytes" in done.stderr) == (1, True)
    assert not (home.project / ".nemo-relay").exists()


def test_a_catalogue_is_named_and_asked(home: Home, catalog: Path) -> None:
    shown = home.run("model-pricing", "validate", "cat.json").stdout
    assert shown == "Valid model pricing catalog: cat.json (1 entry)\n"
    assert home.run("model-pricing", "resolve", "m-1").returncode == 1
    assert home.run("model-pricing", "init").returncode == 0
    for _ in range(2):  # no duplicates
        assert home.run("model-pricing", "add-source", "cat.json").returncode == 0
    written = tomllib.loads((home.project / ".nemo-relay" / "plugins.toml").read_text())
    assert written["components"][0]["config"]["sources"] == [{"type": "file", "path": str(catalog)}]
    done = home.run("model-pricing", "resolve", "m-1", "--prompt-tokens", "1000", "--completion-tokens", "500")
    assert "estimated_total = 0.00045" in done.stdout, done.stderr
    assert "provider = acme" in done.stdout
    assert json.loads(home.run("model-pricing", "resolve", "m-1", "--json").stdout)["as_of"] == "2026-01-01"
    assert home.run("model-pricing", "resolve", "m-2").returncode == 1


def test_a_catalogue_that_is_none_is_refused(home: Home, catalog: Path) -> None:
    catalog.write_text('{"version": 1, "entries": [{}]}')
    assert home.run("model-pricing", "validate", "cat.json").returncode == 1
    assert home.run("model-pricing", "add-source", "cat.json").returncode == 1
    assert home.run("model-pricing", "validate", "nothing.json").returncode == 1
    assert not (home.project / ".nemo-relay").exists()
