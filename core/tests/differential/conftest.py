# SPDX-License-Identifier: Apache-2.0
"""Every test here starts from an empty runtime and leaves one behind."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from ..properties.runtime import empty_runtime


@pytest.fixture(autouse=True)
def _empty_runtime() -> Iterator[None]:
    with empty_runtime():
        yield
