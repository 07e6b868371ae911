# SPDX-License-Identifier: Apache-2.0
"""The slot for local models: an installed back end takes part, one that is not there is told."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

import pytest

from nemo_relay import plugin, scope
from nemo_relay.errors import MissingExtra
from nemo_relay_pii.local_models import finder
from nemo_relay_pii.models import Local

from .conftest import observed

BACKEND = """
import re

class Names:
    def __init__(self, settings):
        self.names = settings["model_id"]

    def find(self, text):
        return [(found.start(), found.end(), "person") for found in re.finditer(self.names, text)]
"""


@pytest.fixture
def _installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "some_names.py").write_text(BACKEND, encoding="utf-8")
    info = tmp_path / "some_names-1.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: some-names\nVersion: 1\n", encoding="utf-8")
    (info / "entry_points.txt").write_text("[nemo_relay.pii_models]\nnames = some_names:Names\n", encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "some_names", raising=False)


@pytest.mark.usefixtures("_installed")
async def test_an_installed_back_end_finds_names() -> None:
    async def body() -> None:
        scope.event("mark", data={"v": "Jane met Bob", "n": 1})

    local = {"backend": "names", "model_id": "Jane|Bob", "max_latency_ms": 1000}
    [mark] = await observed({"mode": "local_model", "local": local}, body)
    assert mark["data"] == {"v": "[REDACTED] met [REDACTED]", "n": 1}


async def test_a_back_end_that_nobody_has_is_told() -> None:
    config = {"mode": "local_model", "local": {"backend": "nobody's"}}
    with pytest.raises(RuntimeError, match="known are presidio"):
        await plugin.initialize({"components": [{"kind": "pii_redaction", "config": config}]})


def test_presidio() -> None:
    local = Local(detector_profile="EMAIL_ADDRESS,CREDIT_CARD")
    if importlib.util.find_spec("presidio_analyzer") is None:
        with pytest.raises(MissingExtra, match=r"nemo-relay-pii\[presidio\]"):
            finder(local)
        return
    found = finder(local)("jane@example.com paid with 4111111111111111", "")
    assert [one.name for one in found] == ["email_address", "credit_card"]
