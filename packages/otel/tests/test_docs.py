# SPDX-License-Identifier: Apache-2.0
"""Every configuration that the documentation gives is one that the component takes."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

from nemo_relay_otel import component
from nemo_relay_otel.config.section import Section

PAGES = sorted((Path(__file__).resolve().parents[3] / "docs" / "destinations").glob("*.md"))
BLOCK = re.compile(r"```toml\n(.*?)```", re.DOTALL)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_what_a_page_gives_to_paste(page: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = page.read_text(encoding="utf-8")
    blocks = BLOCK.findall(text)
    assert blocks
    if page.stem != "index":
        assert re.match(r"(#+ [^\n]*\n\n)+```toml\n", text), "a page begins with what to paste"
    for block in blocks:
        document = tomllib.loads(block)
        if not isinstance(document.get("components"), list):  # a part that goes into one
            continue
        (one,) = document["components"]
        assert one["kind"] == "observability"
        section = one["config"].get("opentelemetry", {})
        for trace in Section.model_validate(section).traces:
            for variable in trace.header_env.values():
                monkeypatch.setenv(variable, "value")
        assert component.diagnose(section, unknown_field="error") == []
