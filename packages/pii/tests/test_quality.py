# SPDX-License-Identifier: Apache-2.0
"""Precision and recall on a generated corpus: what the documentation says holds."""

from __future__ import annotations

import importlib.util
from typing import Any

import pytest

from workspace import ROOT


@pytest.fixture(scope="module")
def scores() -> dict[str, tuple[int, int, int]]:
    spec = importlib.util.spec_from_file_location("pii_quality", ROOT / "benchmarks" / "pii_quality.py")
    assert spec is not None and spec.loader is not None
    module: Any = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    labelled = module.corpus(400, 3)
    found: dict[str, tuple[int, int, int]] = module.score(labelled, module.ours([one["text"] for one in labelled]))
    return found


@pytest.mark.parametrize(
    "entity", "email phone credit_card iban us_ssn ip_address ipv6 url uuid api_key mac_address".split()
)
def test_precision_and_recall(scores: dict[str, tuple[int, int, int]], entity: str) -> None:
    hit, labelled, wrong = scores[entity]
    assert labelled >= 10 and hit >= 0.98 * labelled
    assert wrong <= 0.02 * labelled
