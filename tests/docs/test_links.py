# SPDX-License-Identifier: Apache-2.0
"""Links and pictures of our pages lead somewhere."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from doc_blocks import pages
from workspace import ROOT

LINK = re.compile(r"\]\((?P<target>[^)\s]+)\)|(?:src|href)=\"(?P<attribute>[^\"]+)\"")


def relative_targets(page: Path) -> list[str]:
    found = LINK.finditer(page.read_text(encoding="utf-8"))
    targets = [(match["target"] or match["attribute"]).partition("#")[0] for match in found]
    return [target for target in targets if target and "://" not in target and not target.startswith("mailto:")]


@pytest.mark.parametrize("page", pages(), ids=lambda page: str(page.relative_to(ROOT)))
def test_relative_links_lead_to_a_file(page: Path) -> None:
    assert [target for target in relative_targets(page) if not (page.parent / target).exists()] == []
