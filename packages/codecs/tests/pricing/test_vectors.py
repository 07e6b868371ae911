# SPDX-License-Identifier: Apache-2.0
"""The published package's prices and diagnostics."""

from __future__ import annotations

import importlib.util
import json
from argparse import Namespace
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import nemo_relay_codecs as codecs
from nemo_relay_codecs.prices import component, table
from nemo_relay_codecs.prices import config as model_pricing

# id -> why our answer differs on purpose
DELIBERATE = {"pricing.usage.068": "routers report their cost as a bare number on every surface"}
DATA = Path(__file__).resolve().parents[4] / "../shared/data"
VECTORS = DATA / "pricing-vectors.jsonl"


def _lines() -> list[dict[str, Any]]:
    if not VECTORS.exists():
        return []
    return [json.loads(line) for line in VECTORS.read_text(encoding="utf-8").splitlines()]


def _of(op: str) -> list[dict[str, Any]]:
    return [line for line in _lines() if line["op"] == op]


def _checker() -> Any:
    spec = importlib.util.spec_from_file_location("codec_vectors_check", DATA / "codec_vectors_check.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(autouse=True)
def _empty_table() -> Iterator[None]:
    yield
    table.deactivate()


def test_the_vectors_are_there() -> None:
    if not VECTORS.exists():
        pytest.skip("the folder `shared` with the vectors is not beside this checkout")
    assert len(_of("usage")) > 30
    assert len(_of("validate")) > 10


@pytest.mark.parametrize("vector", _of("usage"), ids=lambda v: str(v["id"]))
def test_cost_vector(vector: dict[str, Any]) -> None:
    check = _checker()
    (sources,) = _of("sources")
    component.activate({"sources": sources["sets"][vector["sources"]]})
    codec = codecs.resolve(vector["codec"])
    want = vector["expected"]
    if vector["id"] in DELIBERATE:
        assert codec.decode_response(vector["input"]).usage["cost"]["total"] == vector["input"]["usage"]["cost"]
    elif "error" in want:
        with pytest.raises(RuntimeError) as caught:
            codec.decode_response(vector["input"])
        assert check.same_error(want["error"], RuntimeError(str(caught.value)), "message"), caught.value
    else:
        got = {"usage": codec.decode_response(vector["input"]).usage}
        assert check.equal(want, got, strict=False), got


@pytest.mark.parametrize("vector", _of("validate"), ids=lambda v: str(v["id"]))
def test_validation_vector(vector: dict[str, Any]) -> None:
    want = vector["expected"]
    if "error" in want:
        with pytest.raises(ValueError):
            model_pricing.validate_config(vector["input"])
        return
    got = model_pricing.validate_config(vector["input"])
    assert _checker().same_report(want, got, Namespace(strict=False)), got
